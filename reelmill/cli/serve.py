"""`worker`, `health` and `housekeep`: the processes that work. They import the worker's code when they run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Literal

import typer

from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import Json, console, write_json, write_reelmill_error
from reelmill.errors import MissingExtraError, SchemaOutOfDateError, SpecError
from reelmill.settings import PREFIX, Settings, settings

BackendName = Literal["transformers", "openai", "lmdeploy"]
WORKER_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers", "accelerate", "av", "PIL", "numpy", "boto3")


def worker(
    model: Annotated[
        str | None,
        typer.Option("--model", help="Directory or hub id of the checkpoint.", show_default="REELMILL_MODEL"),
    ] = None,
    served_model_name: Annotated[
        str | None, typer.Option("--served-model-name", help="The name that jobs ask for.", show_default="default")
    ] = None,
    gpus: Annotated[
        str | None, typer.Option("--gpus", help="GPUs to use, like 0 or 0,1, or all.", show_default="all it sees")
    ] = None,
    gpus_per_shard: Annotated[
        int | None, typer.Option(min=1, help="Start and supervise one process for each so many GPUs.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(min=1, help="Start and supervise so many processes alike, for machines without GPUs.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", "-c", min=1, help="Jobs in flight per process.", show_default="8")
    ] = None,
    quantization: Annotated[
        Literal["none", "int8"] | None,
        typer.Option(help="int8 needs bitsandbytes.", show_default="REELMILL_QUANTIZATION"),
    ] = None,
    past_window: Annotated[
        bool, typer.Option("--past-window", help="Answer prompts beyond the model's window too.")
    ] = False,
    backend: Annotated[
        BackendName | None,
        typer.Option(
            help="Who answers: this process, a server (REELMILL_OPENAI_…), LMDeploy.", show_default="transformers"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Load a model and work jobs until SIGTERM or Ctrl-C; logs go to standard error.

    Exit codes: 0 after a drain; 1 it cannot start like this; 2 wrong option or setting; 3 no database; 70 it crashed;
    with several processes, 128 + signal when a second signal cut the drain short.

    Example: `reelmill worker --model OpenGVLab/InternVL2_5-1B --gpus all --gpus-per-shard 1`
    """
    _require_worker_extra()
    in_force = _with_options(
        model=model,
        served_model_name=served_model_name,
        concurrency=concurrency,
        quantization=quantization,
        past_window=past_window or None,
        backend=backend,
        log_format="json" if as_json else None,
    )
    from reelmill.logs import configure_logging

    configure_logging(in_force)
    try:
        if gpus_per_shard is None and replicas is None:
            _serve(in_force, gpus)
        else:
            _supervise(in_force, _shards(gpus, gpus_per_shard, replicas), as_json=as_json)
    except SchemaOutOfDateError as error:
        # Elsewhere this counts as a database that is away; here 1 says that another try would end alike.
        write_reelmill_error(error, as_json=as_json)
        raise typer.Exit(ExitCode.FAILED) from None


def health(
    live: Annotated[
        bool, typer.Option("--live/--ready", help="Alive, or (the default) also loaded and in touch with its database?")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the worker processes of this machine or container; for health checks.

    Exit codes: 0 well; 1 not, with the reasons.

    Example: `reelmill health --live`
    """
    from worker.checkup import check_up

    found = check_up(settings())
    problems = found.not_live if live else found.not_ready
    if as_json:
        write_json({"live": not found.not_live, "ready": not found.not_ready, "problems": problems})
    else:
        console().print("\n".join(problems) or ("alive" if live else "ready"), markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(ExitCode.FAILED)


def housekeep(as_json: Json = False) -> None:
    """Requeue what lost its worker, ring for what waits and list archives, without serving a model.

    Every worker does this already; run it alone where workers come and go.

    Example: `reelmill housekeep`
    """
    _require_worker_extra()
    in_force = _with_options(log_format="json" if as_json else None)
    from reelmill.logs import configure_logging
    from worker.housekeeping import run_housekeeping

    configure_logging(in_force)
    run_housekeeping(in_force)


def _serve(in_force: Settings, gpus: str | None) -> None:
    """One shard, in this process."""
    from worker.lifecycle import pin_gpus, run_worker

    if gpus not in (None, "all"):
        pin_gpus(str(gpus))
    run_worker(in_force)


def _supervise(in_force: Settings, shards: Sequence[str | None], *, as_json: bool) -> None:
    """A process per shard; nothing heavy is loaded in this one."""
    from worker.supervisor import Supervisor, worker_replicas

    Supervisor(in_force, worker_replicas(shards, as_json=as_json)).run()


def _shards(gpus: str | None, gpus_per_shard: int | None, replicas: int | None) -> Sequence[str | None]:
    if gpus_per_shard is None:
        return (None if gpus == "all" else gpus,) * (replicas or 1)
    if replicas is not None:
        raise SpecError("the number of processes follows from the GPUs", subject="--replicas", next_step="Leave it out")
    from worker.gpus import share_out

    return share_out(gpus, gpus_per_shard)


def _with_options(**options: str | int | None) -> Settings:
    """The settings with these in front; through the environment, so that child processes see them too."""
    for name, value in options.items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
    settings.cache_clear()
    return settings()


def _require_worker_extra() -> None:
    missing = [name for name in WORKER_PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"not installed: {', '.join(missing)}", subject="worker", next_step="Run `pip install 'reelmill[worker]'`"
        )
