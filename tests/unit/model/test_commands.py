"""`model check`, `model list` and `ask` from the command line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from reelmill.cli.app import main
from reelmill.settings import settings
from tests.faulty_server import faulty_server, good
from tests.lmdeploy_stand_in import as_module
from tests.workers import SHAPES_MODEL

from .conftest import CASE, GOLDEN

Copy = Callable[..., Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setenv("REELMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REELMILL_DEVICE", "cpu")
    settings.cache_clear()

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["reelmill", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    yield command
    settings.cache_clear()


def without_weights(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def truncated(directory: Path) -> None:
    file = directory / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def one_missing(directory: Path) -> None:
    tensors = load_file(directory / "model.safetensors")
    del tensors["mlp1.0.weight"]
    save_file(tensors, directory / "model.safetensors")


def unknown_architecture(directory: Path) -> None:
    change(directory, "llm_config", model_type="mamba")


def other_shapes(directory: Path) -> None:
    change(directory, "llm_config", intermediate_size=96)


def change(directory: Path, section: str, **values: Any) -> None:
    config = json.loads((directory / "config.json").read_bytes())
    config[section] |= values
    (directory / "config.json").write_text(json.dumps(config))


def no_image_tokens(directory: Path) -> None:
    for name in ("tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"):
        text = (directory / name).read_text().replace('"<IMG_CONTEXT>"', '"<OTHER>"')
        (directory / name).write_text(text)


def no_tokenizer(directory: Path) -> None:
    (directory / "vocab.json").unlink()


def quantised(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_bytes())
    (directory / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))


def quantised_inside(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_bytes())
    config["llm_config"]["quantization_config"] = {"quant_method": "awq", "bits": 4}
    (directory / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (without_weights, "only pickled weights"),
        (truncated, "not a whole safetensors file"),
        (one_missing, "missing: mlp1.0.weight"),
        (unknown_architecture, "llm_config.model_type"),
        (other_shapes, "instead of"),
        (no_image_tokens, "no token <IMG_CONTEXT>"),
        (no_tokenizer, "vocab.json"),
        (quantised, "Serve it with `--backend lmdeploy`"),
        (quantised_inside, "says awq: quantised weights"),
    ],
)
def test_a_broken_checkpoint_is_named_in_one_line(
    run: Run, copy_checkpoint: Copy, broken: Callable[[Path], None], complaint: str
) -> None:
    directory = copy_checkpoint()
    broken(directory)
    code, out, err = run("model", "check", str(directory))
    assert code == 1
    assert complaint in err
    assert "checkpoint_unusable" in err
    assert "Traceback" not in out + err


def test_a_checkpoint_is_checked_and_tried(run: Run) -> None:
    code, out, _ = run("model", "check", str(GOLDEN / "internvl2-phi3"), "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["family"], found["template"], found["tokens_per_tile"]) == ("phi3", "phi3-chat", 4)
    assert found["fits"][0] == {"memory": "24 GB", "gpus": 1, "layers": ["0-2 on 0"]}
    assert found["trial"]["completion"]["token_ids"]


def test_a_check_without_loading_says_what_is_needed(run: Run) -> None:
    code, out, _ = run("model", "check", str(CASE), "--no-load")
    assert code == 0
    assert "768 B per token" in out
    assert "loaded" not in out


def test_a_check_says_what_8_bit_weights_need_and_tries_them(run: Run) -> None:
    code, out, _ = run("model", "check", str(CASE), "--no-load")
    assert (code, "with --quantization int8" in out) == (0, True)
    code, out, _ = run("model", "check", str(CASE), "--quantization", "int8", "--json")
    found = json.loads(out)
    assert (code, found["quantization"], found["weight_bytes"]) == (0, "int8", found["int8_bytes"])
    assert found["trial"]["completion"]["token_ids"]


def test_a_prompt_past_the_window_is_answered_where_the_user_allows_it(
    run: Run, copy_checkpoint: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = str(copy_checkpoint(llm_config={"max_position_embeddings": 40}))
    words = ("ask", "Hello, who are you?", "--model", short, "--max-new-tokens", "4")
    code, _, err = run(*words)
    assert (code, "window of 40" in err) == (1, True)
    assert run(*words, "--past-window")[0] == 0
    monkeypatch.setenv("REELMILL_PAST_WINDOW", "true")
    settings.cache_clear()
    assert run(*words)[0] == 0


def test_every_model_of_the_cards_is_listed(run: Run) -> None:
    code, out, _ = run("model", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)["models"]}
    assert code == 0
    assert len(rows) == 22
    assert rows["OpenGVLab/InternVL3-9B"]["language_model"] == "InternLM3-8B"
    assert rows["OpenGVLab/InternVL2_5-78B-AWQ"]["state"] == "lmdeploy"
    code, out, _ = run("model", "list")
    assert "OpenGVLab/InternVL2-Llama3-76B" in out
    assert "reelmill worker --backend lmdeploy" in out


def test_a_question_about_a_picture_is_answered(run: Run) -> None:
    picture = GOLDEN / "inputs" / "img0_rgba.png"
    recorded = json.loads((CASE / "golden.json").read_bytes())["conversations"]["single_image"]
    question = recorded["question"].removeprefix("<image>\n")
    code, out, _ = run("ask", str(picture), question, "--model", str(CASE), "--max-new-tokens", "24")
    assert code == 0
    assert out.strip() == recorded["response"]


def test_an_answer_ends_before_a_stop(run: Run) -> None:
    turn = json.loads((CASE / "golden.json").read_bytes())["conversations"]["text"]
    stop = turn["response"][5:8]
    words = ("ask", turn["question"], "--model", str(CASE), "--max-new-tokens", "24", "--stop", stop, "--stop", "?!")
    code, out, _ = run(*words)
    assert (code, out) == (0, turn["response"].split(stop)[0].strip() + "\n")


def test_a_server_is_asked_likewise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty_server(good) as server:
        monkeypatch.setenv("REELMILL_OPENAI_BASE_URL", server.base_url)
        settings.cache_clear()
        assert run("ask", "Who?", "--backend", "openai")[:2] == (0, "re: Who?\n")
        picture = str(GOLDEN / "inputs" / "img0_rgba.png")
        assert run("ask", picture, "What?", "--backend", "openai", "--model", "m", "--stop", "##")[0] == 0
        assert server.requests[1]["stop"] == ["##"]
        gone = server.base_url
    monkeypatch.setenv("REELMILL_OPENAI_BASE_URL", gone)
    settings.cache_clear()
    code, _, err = run("ask", "Who?", "--backend", "openai")
    assert (code, "cannot be reached" in err) == (1, True)


def test_lmdeploy_is_asked_likewise(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdeploy", as_module())
    monkeypatch.setattr("worker.backends.find_spec", lambda name: name)
    words = ("ask", "How are you?", "--max-new-tokens", "8", "--model", str(SHAPES_MODEL), "--backend")
    (code, out, _), ours = run(*words, "lmdeploy"), run(*words, "transformers")
    assert (code, out) == (0, ours[1])


def test_a_chat_goes_on_with_its_history(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = json.loads((CASE / "golden.json").read_bytes())["conversations"]
    first, second = recorded["text"], recorded["text_round2"]
    monkeypatch.setattr("sys.stdin", io.StringIO(second["question"] + "\n\nnever asked\n"))
    code, out, _ = run("ask", first["question"], "--model", str(CASE), "--chat", "--max-new-tokens", "24")
    assert code == 0
    assert out == f"{first['response']}\n{second['response']}\n"


def test_with_json_each_turn_is_one_object_with_the_words_that_were_asked(run: Run) -> None:
    turn = json.loads((CASE / "golden.json").read_bytes())["conversations"]["text"]
    code, out, _ = run("ask", turn["question"], "--model", str(CASE), "--max-new-tokens", "24", "--json")
    assert code == 0
    assert json.loads(out) == {"question": turn["question"], "answer": turn["response"]}


def test_a_video_is_asked_about_by_its_frames(run: Run) -> None:
    clip = GOLDEN / "media" / "clip.mp4"
    recorded = json.loads((CASE / "golden.json").read_bytes())["conversations"]["video"]
    question = recorded["question"].rsplit("\n", 1)[-1]
    words = ("ask", str(clip), question, "--segments", "4", "--model", str(CASE), "--max-new-tokens", "24")
    code, out, _ = run(*words)
    assert code == 0
    assert out.strip() == recorded["response"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("ask", "nothing.png", "What?", "--model", str(CASE)), "nothing.png: is no file here"),
        (("ask", "What?"), "no model to ask"),
    ],
)
def test_wrong_words_are_explained(run: Run, words: tuple[str, ...], complaint: str) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert complaint in err
