"""Checkpoints load from what is published, and say what is wrong before memory is spent on weights."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.errors import CheckpointError
from pipelines.model import checkpoint, loading
from pipelines.model.checkpoint import load_checkpoint
from pipelines.model.internvl import InternVL

from .conftest import CASE, Golden

Copy = Callable[..., Path]
EMBEDDING = "language_model.model.embed_tokens.weight"
HEAD = "language_model.lm_head.weight"


def load(directory: Path, **options: str) -> InternVL:
    return InternVL(load_checkpoint(str(directory), device="cpu", **options))


def rewrite(directory: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def shard(directory: Path) -> Path:
    """Split the weights of `directory` into two shards; the index is returned."""
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    places = {name: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: tensors[name] for name in tensors if places[name] == file}, directory / file)
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def answer(model: InternVL, golden: Golden) -> object:
    facts = golden.conversation("single_image")
    return model.chat(golden.pixel_values(facts), facts["question"], {"max_new_tokens": 24, "do_sample": False})


@pytest.fixture
def no_weights_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("weights were read before the checkpoint was found wrong")

    monkeypatch.setattr(loading, "read_tensors", refuse)


def test_a_checkpoint_describes_itself(model: InternVL) -> None:
    info = model.info
    assert (info.family, info.template, info.dtype, info.device) == ("qwen2", "internvl2_5", "float32", "cpu")
    assert (info.tile_size, info.tokens_per_tile, info.max_tiles, info.use_thumbnail) == (112, 16, 6, True)
    assert (info.path, info.revision, info.context_tokens) == (str(CASE), None, 32768)


def test_sharded_weights_are_the_same_model(copy_checkpoint: Copy, golden: Golden) -> None:
    directory = copy_checkpoint()
    shard(directory)
    assert answer(load(directory), golden) == golden.conversation("single_image")["response"]


def test_weights_become_the_asked_dtype_and_rotary_frequencies_stay_exact(copy_checkpoint: Copy) -> None:
    model = load(copy_checkpoint(), dtype="bfloat16")
    assert {value.dtype for value in model.network.parameters()} == {torch.bfloat16}
    assert model.network.language_model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert model.info.dtype == "bfloat16"


def test_on_a_cpu_auto_means_float32(copy_checkpoint: Copy) -> None:
    directory = copy_checkpoint()
    rewrite(directory, lambda tensors: tensors.update({name: tensor.half() for name, tensor in tensors.items()}))
    assert load(directory).info.dtype == "float32"


def test_loaded_weights_do_not_hang_on_the_file(copy_checkpoint: Copy, golden: Golden) -> None:
    directory = copy_checkpoint()
    model = load(directory)
    with (directory / "model.safetensors").open("r+b") as file:
        file.write(bytes((directory / "model.safetensors").stat().st_size))
    assert answer(model, golden) == golden.conversation("single_image")["response"]


def test_tied_embeddings_need_no_head_of_their_own(copy_checkpoint: Copy, golden: Golden) -> None:
    directory = copy_checkpoint()
    rewrite(directory, lambda tensors: tensors.update({HEAD: tensors[EMBEDDING].clone()}))
    untied = answer(load(directory), golden)
    rewrite(directory, lambda tensors: tensors.pop(HEAD))
    config = json.loads((directory / "config.json").read_bytes())
    config["llm_config"]["tie_word_embeddings"] = True
    (directory / "config.json").write_text(json.dumps(config))
    model = load(directory)
    assert answer(model, golden) == untied
    assert model.network.language_model.lm_head.weight is model.network.embedding_weight


def test_weights_are_never_twice_in_memory(copy_checkpoint: Copy) -> None:
    wide = 20_000
    directory = copy_checkpoint(llm_config={"intermediate_size": wide})
    shapes = {"gate_proj": (wide, 96), "up_proj": (wide, 96), "down_proj": (96, wide)}
    names = [(f"language_model.model.layers.{layer}.mlp.{name}.weight", name) for layer in range(3) for name in shapes]
    rewrite(directory, lambda tensors: tensors.update({full: torch.ones(shapes[name]) for full, name in names}))
    script = (
        "import sys\n"
        "from pipelines.model.checkpoint import load_checkpoint\n"
        "def peak():\n"  # of this program: ru_maxrss starts with its parent's
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return 1024 * int(next(line for line in lines if line.startswith('VmHWM')).split()[1])\n"
        "load_checkpoint(sys.argv[1], device='cpu'); before = peak()\n"
        "kept = load_checkpoint(sys.argv[2], device='cpu'); print(peak() - before)\n"
    )
    arguments = [sys.executable, "-c", script, str(CASE), str(directory)]
    grown = int(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)
    assert grown < 1.5 * (directory / "model.safetensors").stat().st_size


@pytest.mark.usefixtures("no_weights_are_read")
class TestRefusedBeforeWeightsAreRead:
    def refused(self, directory: Path) -> str:
        with pytest.raises(CheckpointError) as raised:
            load(directory)
        return str(raised.value)

    def test_a_missing_tensor_is_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        rewrite(directory, lambda tensors: tensors.pop("mlp1.1.weight"))
        assert "missing: mlp1.1.weight" in self.refused(directory)

    def test_a_tensor_without_a_place_is_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        rewrite(directory, lambda tensors: tensors.update({"qllama.weight": torch.zeros(1)}))
        assert "no place for: qllama.weight" in self.refused(directory)

    def test_many_wrong_names_are_counted(self, copy_checkpoint: Copy) -> None:
        assert "and " in self.refused(copy_checkpoint(llm_config={"num_hidden_layers": 4}))

    def test_a_shape_that_disagrees_with_the_config_is_shown(self, copy_checkpoint: Copy) -> None:
        message = self.refused(copy_checkpoint(llm_config={"intermediate_size": 128}))
        assert "mlp.down_proj.weight [96, 160] instead of [96, 128]" in message

    def test_a_fused_tensor_of_another_shape_is_shown(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        name = "vision_model.encoder.layers.0.attn.qkv.bias"
        rewrite(directory, lambda tensors: tensors.update({name: torch.zeros(96)}))
        assert f"{name} [96] instead of [192]" in self.refused(directory)

    def test_pickled_weights_are_not_loaded(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
        assert "only pickled weights (pytorch_model.bin)" in self.refused(directory)

    def test_missing_weights_are_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        (directory / "model.safetensors").unlink()
        assert "neither model.safetensors nor" in self.refused(directory)

    def test_a_truncated_file_is_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        file = directory / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
        assert f"{file}: is not a whole safetensors file" in self.refused(directory)

    def test_quantised_weights_are_not_loaded(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        rewrite(directory, lambda tensors: tensors.update({HEAD: torch.zeros(591, 96, dtype=torch.int8)}))
        assert f"{HEAD} is I8" in self.refused(directory)

    def test_a_missing_shard_is_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        shard(directory)
        (directory / "model-00002-of-00002.safetensors").unlink()
        assert "names model-00002-of-00002.safetensors, which is not there" in self.refused(directory)

    def test_a_shard_outside_the_directory_is_not_opened(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        index = shard(directory)
        index.write_text(json.dumps({"weight_map": {HEAD: "../model.safetensors"}}))
        assert "outside its directory" in self.refused(directory)

    def test_a_tensor_in_two_shards_is_refused(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        shard(directory)
        first, second = (directory / f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
        twice = load_file(first)
        save_file(load_file(second) | {next(iter(twice)): next(iter(twice.values()))}, second)
        assert "so does model-00001-of-00002.safetensors" in self.refused(directory)

    def test_a_broken_index_is_named(self, copy_checkpoint: Copy) -> None:
        directory = copy_checkpoint()
        shard(directory).write_text("[]")
        assert "weight_map" in self.refused(directory)

    def test_a_tokenizer_larger_than_the_vocabulary_is_refused(self, copy_checkpoint: Copy) -> None:
        assert "the tokenizer has 591 tokens" in self.refused(copy_checkpoint(llm_config={"vocab_size": 500}))

    def test_an_unknown_template_is_refused(self, copy_checkpoint: Copy) -> None:
        assert "vicuna" in self.refused(copy_checkpoint(template="vicuna"))


def test_what_is_neither_a_directory_nor_a_hub_id_is_refused() -> None:
    with pytest.raises(CheckpointError, match="neither a directory nor a hub id"):
        load_checkpoint("/no/such/directory")


def test_a_hub_id_is_downloaded_at_its_revision_without_pickles(
    monkeypatch: pytest.MonkeyPatch, copy_checkpoint: Copy
) -> None:
    asked: list[tuple[object, ...]] = []

    def download(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, tuple(allow_patterns)))
        return str(copy_checkpoint())

    monkeypatch.setattr(checkpoint, "snapshot_download", download)
    files = checkpoint.locate("OpenGVLab/InternVL2_5-1B", "abc")
    assert asked == [("OpenGVLab/InternVL2_5-1B", "abc", ("*.json", "*.safetensors", "*.txt", "*.model"))]
    assert (files.name, files.revision) == ("OpenGVLab/InternVL2_5-1B", "checkpoint")


def test_a_hub_that_cannot_be_reached_is_a_checkpoint_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> str:
        raise FileNotFoundError("outgoing traffic has been disabled")

    monkeypatch.setattr(checkpoint, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match=r"OpenGVLab/InternVL2_5-1B.*traffic has been disabled"):
        checkpoint.locate("OpenGVLab/InternVL2_5-1B")


def test_an_unknown_dtype_is_refused(copy_checkpoint: Copy) -> None:
    with pytest.raises(CheckpointError, match="int8"):
        load(copy_checkpoint(), dtype="int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none_is_refused(copy_checkpoint: Copy) -> None:
    with pytest.raises(CheckpointError, match="no CUDA device"):
        load_checkpoint(str(copy_checkpoint()), device="cuda")
