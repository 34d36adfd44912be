"""One frozen settings object, read in one place from REELMILL_… variables."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from reelmill.errors import SettingsError, SpecError
from reelmill.schema.export import ExportSpec

PREFIX = "REELMILL_"
MIB = 2**20


class Settings(BaseSettings):
    """Every knob of reelmill. Names are the variables without `REELMILL_`, in lower case."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Path = Field(default_factory=lambda: Path.home() / ".reelmill")
    """Where `reelmill up` notes the embedded services."""
    database_url: SecretStr | None = None
    """postgresql://user:password@host:port/name; the embedded one when unset and running."""
    redis_url: SecretStr | None = None
    """redis://host:port/0; the embedded one when unset and running."""

    model: str | None = None
    """Directory or hub id that a worker loads."""
    model_revision: str | None = None
    served_model_name: str = "default"
    """The name that jobs ask for."""
    dtype: str = "auto"
    """auto (bfloat16 where the GPU has it, else float32), float32, float16 or bfloat16."""
    device: str = "auto"
    """auto (as few GPUs as hold the model, or the CPU), cpu, cuda:0, or several with commas: the layers are spread."""
    quantization: Literal["none", "int8"] = "none"
    """int8: linear layers keep their weights in 8 bit (bitsandbytes, LLM.int8)."""
    past_window: bool = False
    """Answer prompts beyond the model's window too, instead of refusing them."""
    engine: Literal["simple", "continuous"] = "continuous"
    """continuous (requests join and leave a running batch between two tokens), simple (batches on `generate`)."""
    max_batch_size: int = Field(default=16, ge=1)
    """Most requests that the simple engine generates together."""

    backend: Literal["transformers", "openai", "lmdeploy"] = "transformers"
    """transformers (this process), openai (a server with that interface), lmdeploy (its pipeline in this process)."""
    openai_base_url: SecretStr | None = None
    """Of the server, with its /v1: http://host:port/v1."""
    openai_api_key: SecretStr | None = None
    openai_concurrency: int = Field(default=32, ge=1, le=4096)
    """Most requests in flight per worker process."""
    openai_timeout_s: float = Field(default=300.0, gt=0)
    """The longest silence before and between two pieces of an answer."""
    openai_start_s: float = Field(default=600.0, ge=0)
    """A worker waits so long for a server that is still starting."""
    openai_tile_size: int = Field(default=448, ge=28, le=4096)
    """Pixels of a tile's side: those of the served InternVL checkpoint; for other models the unit of picture sizes."""
    openai_max_tiles: int = Field(default=12, ge=1, le=128)
    """Most tiles of an image where the job names no number; at most what the server cuts."""
    openai_image_token: str | None = None
    """What the server's model writes for a picture: <image> (vLLM), <IMAGE_TOKEN> (LMDeploy). Unset: parts in turn."""
    openai_system_message: str | None = None
    """Said first in every conversation; unset: what the server's own template says."""
    openai_extra_body: dict[str, Any] = Field(default_factory=dict)
    """Fields that every request gets besides. JSON object: {"skip_special_tokens": false}."""
    lmdeploy_tp: int = Field(default=1, ge=1)
    """GPUs over which LMDeploy spreads one copy of the model."""
    lmdeploy_trust_remote_code: bool = False
    """LMDeploy may run the Python in a checkpoint; it wants that for checkpoints in their original layout."""

    concurrency: int = Field(default=8, ge=1, le=1024)
    """Jobs in flight per worker process."""
    lease_s: float = Field(default=60.0, gt=0)
    """A running job whose worker is silent for so long is taken from it."""
    heartbeat_s: float = Field(default=5.0, gt=0)
    housekeeping_s: float = Field(default=5.0, gt=0)
    scan_archives: bool = True
    """Workers list archives too; false leaves all of it to `reelmill housekeep`."""
    export_prefixes: tuple[str, ...] = ()
    """Below which results may be left as files; none by default. JSON list: ["s3://bucket/results/"]; file:/// too."""
    write_exports: bool = True
    """Workers write those files too; false leaves all of them to `reelmill housekeep`."""
    drain_s: float = Field(default=30.0, ge=0)
    """Seconds that running jobs get to end after SIGTERM."""
    health_dir: Path | None = None
    """Where worker processes note that they are well, for `reelmill health`; `health` in `home` by default."""
    metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    """Prometheus metrics are served here; further replicas take the ports after it. Nothing listens by default."""
    metrics_host: str = "127.0.0.1"
    """The address of it; 0.0.0.0 in a container."""
    slot_s: float = Field(default=60.0, gt=0)
    """A slot claims jobs for so long before it rings for a successor."""
    max_bells: int = Field(default=64, ge=1)
    """Most bells that hang in Redis per model."""

    file_roots: tuple[Path, ...] = ()
    """Directories below which file:// may read; none by default. JSON list: ["/srv/media"]."""
    s3_endpoint_url: str | None = None
    """For MinIO and friends."""
    max_object_bytes: int = Field(default=20 * 1024 * MIB, ge=1)
    ranges_from_mb: int = Field(default=32, ge=0)
    """MP4 and MOV in S3 of so many MB and more are read by ranges where that takes fewer bytes; 0: never."""
    download_dir: Path | None = None
    """Where objects are put while they are worked on; the system's temporary directory by default."""

    video_library: Literal["av", "decord"] = "av"
    """av (PyAV), decord (for what it is known to read rightly, PyAV for the rest). The frames are the same."""
    decode_processes: int = Field(default=2, ge=1)
    decode_timeout_s: float = Field(default=300.0, gt=0)
    decode_memory_mb: int = Field(default=4096, ge=256)
    max_tile_mb: int = Field(default=2048, ge=1)
    """Decoded tiles that wait for the model; beyond it no new job is fetched."""
    max_pixels: int = Field(default=100_000_000, ge=1)

    retention_days: int | None = Field(default=None, ge=1, le=36_500)
    """Jobs that ended so long ago are purged by whoever does housekeeping; unset: never."""

    webhook_secret: SecretStr | None = None
    """Signs webhooks (HMAC-SHA256); a process without one delivers none."""
    webhook_private_addresses: bool = False
    """Deliver webhooks also to addresses that are not public: an intranet's."""

    serve_token: SecretStr | None = None
    """What visitors of `reelmill serve` show; without one, others than loopback get one that it makes."""

    log_level: str = "INFO"
    log_format: str = "auto"
    """auto (lines on a terminal, JSON elsewhere), json, console."""

    @field_validator("export_prefixes")
    @classmethod
    def _folders(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        """With a slash at the end: s3://bucket/results is not to mean s3://bucket/results-of-others/ as well."""
        try:
            return tuple(ExportSpec(prefix=prefix).prefix for prefix in prefixes)
        except SpecError as error:
            raise ValueError(error.message) from None


def load_settings() -> Settings:
    """Read the environment now.

    Raises:
        SettingsError: an unknown REELMILL_ variable or a bad value; names the variable and the reason.
    """
    _refuse_unknown_variables()
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise SettingsError(str(first["msg"]), subject=name, next_step="Correct or unset it") from None


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()


def _refuse_unknown_variables() -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and name not in known:
            raise SettingsError("there is no such setting", subject=name, next_step="`reelmill doctor` lists them")
