"""A stand-in for lmdeploy 0.16, which cannot be installed beside this torch: the same names, arguments and responses.

Behind it the shapes model cuts the pictures again and answers, one token at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from pipelines.media.tiling import tile_picture
from pipelines.media.types import TilingSpec
from pipelines.model.internvl import InternVL
from tests.workers import SHAPES_MODEL

IMAGE_TOKEN = "<IMAGE_TOKEN>"


@dataclass
class TurbomindEngineConfig:
    dtype: str = "auto"
    model_format: str | None = None
    tp: int = 1
    session_len: int | None = None
    max_batch_size: int | None = None
    cache_max_entry_count: float = 0.8
    download_dir: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        assert self.dtype in ["auto", "float16", "bfloat16"]


@dataclass
class GenerationConfig:
    n: int = 1
    max_new_tokens: int = 512
    do_sample: bool = False
    top_p: float = 1.0
    top_k: int = 50
    min_p: float = 0.0
    temperature: float = 0.8
    repetition_penalty: float = 1.0
    ignore_eos: bool = False
    random_seed: int | None = None
    stop_words: list[str] | None = None
    skip_special_tokens: bool = True


@dataclass
class Response:
    text: str
    generate_token_len: int
    input_token_len: int
    finish_reason: str | None = None
    token_ids: list[int] = field(default_factory=list)
    index: int = 0
    error_code: str | None = None
    error_message: str | None = None


class Session:
    def __init__(self, session_id: int) -> None:
        self.session_id = session_id
        self.aborted = self.closed = False

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


class Pipeline:
    """`fault` is yielded instead of an answer; `endless` repeats tokens until the session is aborted."""

    def __init__(self, model_path: str, backend_config: TurbomindEngineConfig | None, trust_remote_code: bool) -> None:
        from pipelines.model.load import load_model

        self.model_path, self.backend_config, self.trust_remote_code = model_path, backend_config, trust_remote_code
        self.model: InternVL = load_model(str(SHAPES_MODEL), dtype="float32", device="cpu")
        self.sessions: list[Session] = []
        self.configs: list[GenerationConfig | None] = []
        self.fault: Response | None = None
        self.endless = self.closed = False

    def session(self) -> Session:
        self.sessions.append(Session(len(self.sessions)))
        return self.sessions[-1]

    def stream_infer(
        self,
        prompts: list[str] | str | list[dict[str, Any]] | list[list[dict[str, Any]]],
        sessions: Session | list[Session] | None = None,
        gen_config: GenerationConfig | list[GenerationConfig] | None = None,
        do_preprocess: bool = True,
        adapter_name: str | None = None,
        stream_response: bool = True,
        **kwargs: Any,
    ) -> Iterator[Response]:
        assert isinstance(sessions, Session)
        assert isinstance(gen_config, GenerationConfig)
        assert isinstance(prompts, list)
        self.configs.append(gen_config)
        if self.fault is not None:
            return iter([self.fault])
        if self.endless:
            return (
                Response("x", n, 5, None, [1])
                for n in itertools.takewhile(lambda _: not sessions.aborted, itertools.count(1))
            )
        return self._answer(prompts, gen_config)

    def close(self) -> None:
        self.closed = True

    def _answer(self, messages: list[Any], config: GenerationConfig) -> Iterator[Response]:
        tiles: list[Any] = []
        turns = [(message["role"], self._words(message["content"], tiles)) for message in messages]
        history = [(asked[1], said[1]) for asked, said in zip(turns[:-1:2], turns[1::2], strict=True)]
        pixels = np.concatenate(tiles) if tiles else None
        options = {"max_new_tokens": config.max_new_tokens, "do_sample": config.do_sample}
        counts = [len(cut) for cut in tiles]
        said = self.model.chat(pixels, turns[-1][1], options, history=history, num_patches_list=counts)
        ids = self.model.tokenizer.encode(said)
        for n, token in enumerate(ids, 1):
            yield Response(self.model.tokenizer.decode_raw([token]), n, 7, None, [token])
        yield Response("", len(ids), 7, "stop", [])

    def _words(self, content: Any, tiles: list[Any]) -> str:
        if isinstance(content, str):
            return content
        for item in content:
            if item["type"] == "image_data":
                data = item["image_data"]
                assert isinstance(data["data"], Image.Image)
                spec = TilingSpec(self.model.info.tile_size, self.model.info.max_tiles)
                tiles.append(tile_picture(data["data"], spec, data["max_dynamic_patch"]))
        words: str = "".join(item["text"] for item in content if item["type"] == "text")
        return words.replace(IMAGE_TOKEN, "<image>")


def pipeline(
    model_path: str,
    backend_config: TurbomindEngineConfig | None = None,
    chat_template_config: Any = None,
    log_level: str = "WARNING",
    max_log_len: int | None = None,
    trust_remote_code: bool = False,
    speculative_config: Any = None,
    allowed_media_domains: list[str] | None = None,
    **kwargs: Any,
) -> Pipeline:
    return Pipeline(model_path, backend_config, trust_remote_code)


def as_module() -> ModuleType:
    """What `import lmdeploy` then gives."""
    module = ModuleType("lmdeploy")
    for name in ("TurbomindEngineConfig", "GenerationConfig", "pipeline"):
        setattr(module, name, globals()[name])
    return module
