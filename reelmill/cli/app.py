"""The command tree, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from reelmill import __version__
from reelmill.cli import (
    archives,
    ask,
    demo,
    doctor,
    evaluate,
    export_to,
    grant,
    jobs,
    live,
    manifests,
    model,
    notify,
    report,
    results,
    retention,
    schedule,
    search,
    serve,
    services,
    submit,
    wait,
    workers,
)
from reelmill.cli.exit_codes import ExitCode
from reelmill.cli.output import JSON_FLAG, write_error, write_reelmill_error
from reelmill.schema import ReelmillError

app = typer.Typer(
    name="reelmill",
    help="Archives of images and videos in, SQL rows out: captions, answers and boxes.",
    epilog="Exit codes: 0 all well · 1 jobs failed, or anything else did · 2 wrong usage, spec or setting · "
    "3 no database or broker · 4 not done in time · 130 interrupted",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in {
    "Jobs": (
        *(submit.submit, archives.submit_prefix, manifests.submit_manifest, manifests.submit_openai),
        *(wait.wait, jobs.status, results.results, jobs.errors),
        *(search.search, report.report, live.serve, jobs.retry, jobs.cancel, notify.notify, export_to.export_to),
    ),
    "Retention": (retention.purge, retention.forget),
    "Workers": (serve.worker, serve.health, serve.housekeep, workers.workers),
    "Models": (ask.ask,),
    "This machine": (services.up, services.down, services.migrate, grant.grant, doctor.doctor, demo.demo),
}.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.command("eval", rich_help_panel="Models")(evaluate.evaluate)
app.add_typer(schedule.schedule, name="schedule", rich_help_panel="Jobs")
app.add_typer(model.model, name="model", rich_help_panel="Models")


def main() -> None:
    """Run the command line; the entry point of the `reelmill` script.

    Exit codes: 0 all well; 1 jobs failed, or anything else did; 2 wrong usage, spec or setting; 3 no database or
    broker; 4 not done in time; 130 interrupted.
    """
    sys.exit(_run(as_json=JSON_FLAG in sys.argv))


def _run(*, as_json: bool) -> int:
    try:
        # On its own, Typer writes usage errors for people; programs get them as JSON below.
        return int(app(standalone_mode=not as_json) or ExitCode.OK)
    except ReelmillError as error:
        write_reelmill_error(error, as_json=as_json)
        return ExitCode.of(error)
    except typer.TyperException as error:
        write_error("usage", error.format_message(), next_step="See `reelmill --help`", as_json=as_json)
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`| head`) has left; Python must not complain about it at its exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reelmill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    import structlog

    # Its default is standard output, which belongs to results.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
