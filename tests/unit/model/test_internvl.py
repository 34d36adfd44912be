"""What the published reference code computed, computed here: float32 features, logits, ids and texts."""

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pipelines.model.internvl import InternVL
from pipelines.model.load import load_model
from pipelines.model.pixels import normalised

from .conftest import CASE, GOLDEN, NEW_TOKENS, Golden, to_uint8

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
GREEDY = {"max_new_tokens": NEW_TOKENS, "do_sample": False}


class Heard:
    """The prefill's last logits and the greedy ids of a call, overheard at the language model's head."""

    def __init__(self, model: InternVL) -> None:
        self.steps: list[torch.Tensor] = []
        head = model.network.language_model.lm_head
        self._hook = head.register_forward_hook(lambda _module, _inputs, output: self.steps.append(output[:, -1]))

    def __enter__(self) -> "Heard":
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def ids(self, recorded: list[list[int]]) -> list[list[int]]:
        """The highest logit of each step, cut to the length recorded for its row (rows end at different steps)."""
        rows = torch.stack(self.steps, dim=1).argmax(-1).tolist()
        return [row[: len(kept)] for row, kept in zip(rows, recorded, strict=True)]


def until_stop(rows: list[list[int]], stop: int) -> list[list[int]]:
    return [row[: row.index(stop) + 1] if stop in row else row for row in rows]


def test_features_equal_the_reference(model: InternVL, golden: Golden) -> None:
    for image in golden.facts["images"]:
        features = model.encode(golden.pixels[image])
        torch.testing.assert_close(features, golden.tensors[f"vit_features.{image}"], atol=2e-5, rtol=0)


def test_features_at_another_resolution_interpolate_the_positions(model: InternVL, golden: Golden) -> None:
    pixels = load_file(GOLDEN / "inputs" / "pixel_values_56_max6.safetensors")["img2_grey"].numpy()
    expected = golden.tensors["vit_features_other_resolution.img2_grey"]
    torch.testing.assert_close(model.encode(pixels), expected, atol=2e-5, rtol=0)


def test_uint8_tiles_are_normalised_to_the_published_pixel_values() -> None:
    tiles = load_file(GOLDEN / "inputs" / "pixel_values_112_max6.safetensors")
    published = load_file(GOLDEN / "inputs" / "published_112.safetensors")
    assert torch.equal(normalised(tiles["img2_grey"].numpy(), torch.device("cpu")), published["img2_grey"])


def test_many_tiles_are_encoded_in_passes_of_the_same_features(model: InternVL, golden: Golden) -> None:
    tiles = to_uint8(golden.pixels["img1_palette"])
    many = model.encode(np.concatenate([tiles] * 15))
    torch.testing.assert_close(many, model.encode(tiles).repeat(15, 1, 1), atol=2e-5, rtol=0)


def test_every_recorded_chat_gives_its_logits_ids_text_and_history(model: InternVL, golden: Golden) -> None:
    assert len(golden.single) == 14
    for name in golden.single:
        facts = golden.conversation(name)
        with Heard(model) as heard:
            said, history = model.chat(
                golden.pixel_values(facts),
                facts["question"],
                GREEDY,
                history=facts["history_in"],
                return_history=True,
                num_patches_list=facts["num_patches_list"],
            )
        logits = golden.tensors[f"logits_last.{name}"]
        torch.testing.assert_close(heard.steps[0], logits, atol=2e-4, rtol=0, msg=name)
        assert heard.ids(facts["generated_ids"]) == facts["generated_ids"], name
        assert said == facts["response"], name
        assert [list(turn) for turn in history] == facts["history_out"], name


def test_every_recorded_batch_gives_its_logits_ids_and_texts(model: InternVL, golden: Golden) -> None:
    assert len(golden.batched) == 3
    for name in golden.batched:
        facts = golden.conversation(name)
        with Heard(model) as heard:
            said = model.batch_chat(golden.pixel_values(facts), facts["questions"], GREEDY, facts["num_patches_list"])
        logits = golden.tensors[f"logits_last.{name}"]
        torch.testing.assert_close(heard.steps[0], logits, atol=2e-4, rtol=0, msg=name)
        recorded = until_stop(facts["generated_ids"], model.tokenizer.stop_id)
        assert heard.ids(recorded) == recorded, name
        assert said == facts["responses"], name


def test_uint8_tiles_chat_like_pixel_values(model: InternVL, golden: Golden) -> None:
    facts = golden.conversation("single_image")
    tiles = to_uint8(golden.pixels["img0_rgba"])
    assert model.chat(tiles, facts["question"], GREEDY) == facts["response"]


def test_a_streamer_in_the_settings_hears_every_token(model: InternVL, golden: Golden) -> None:
    class Streamer:
        def __init__(self) -> None:
            self.heard: list[int] = []
            self.ended = False

        def put(self, value: torch.Tensor) -> None:
            self.heard += value.flatten().tolist()

        def end(self) -> None:
            self.ended = True

    streamer = Streamer()
    facts = golden.conversation("single_image_round1")
    options: dict[str, Any] = {**GREEDY, "streamer": streamer}
    model.chat(golden.pixel_values(facts), facts["question"], options)
    assert streamer.heard == facts["generated_ids"][0]
    assert streamer.ended
    assert options["streamer"] is streamer


def test_only_the_templates_separator_ends_an_answer(model: InternVL, golden: Golden) -> None:
    facts = golden.conversation("single_image_round1")
    assert facts["stopped_at_eos"] == [True]
    options = {**GREEDY, "eos_token_id": facts["generated_ids"][0][1]}
    assert model.chat(golden.pixel_values(facts), facts["question"], options) == facts["response"]


@pytest.mark.gpu
@NEEDS_CUDA
def test_bfloat16_on_a_gpu_stays_near_the_reference(golden: Golden) -> None:
    model = load_model(str(CASE))
    assert model.info.dtype == "bfloat16"
    features = model.encode(to_uint8(golden.pixels["img0_rgba"])).float().cpu()
    reference = golden.tensors["vit_features.img0_rgba"]
    assert (features - reference).norm() / reference.norm() < 0.02
    facts = golden.conversation("single_image")
    assert model.chat(golden.pixel_values(facts), facts["question"], GREEDY)


@pytest.mark.gpu
@NEEDS_CUDA
def test_float32_on_a_gpu_gives_the_recorded_texts(golden: Golden) -> None:
    model = load_model(str(CASE), dtype="float32")
    for name in golden.single:
        facts = golden.conversation(name)
        said = model.chat(
            golden.pixel_values(facts),
            facts["question"],
            GREEDY,
            history=facts["history_in"],
            num_patches_list=facts["num_patches_list"],
        )
        assert said == facts["response"], name
