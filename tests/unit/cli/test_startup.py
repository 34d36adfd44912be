from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reelmill.cli import serve
from reelmill.cli.app import app
from reelmill.errors import MissingExtraError
from reelmill.settings import settings

HEAVY = {"torch", "transformers", "numpy", "PIL", "av", "decord", "boto3", "celery", "sqlalchemy", "psycopg", "redis"}


def test_help_starts_without_anything_heavy() -> None:
    code = "import sys, reelmill.cli.app as a\ntry:\n a.app(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "Archives of images and videos" in loaded.stdout
    assert not HEAVY & set(loaded.stdout.splitlines()[-1].split())


def test_a_worker_can_pin_its_gpus_because_torch_is_not_imported_yet() -> None:
    code = """
import os, sys
import worker.lifecycle
def run(settings):
    import torch
    print(os.environ["CUDA_VISIBLE_DEVICES"], settings.model, settings.concurrency, settings.served_model_name)
worker.lifecycle.run_worker = run
sys.argv = "reelmill worker --model /m --served-model-name big --gpus 1,3 --concurrency 2".split()
from reelmill.cli import main
main()
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "1,3 /m 2 big\n"


def test_options_of_a_worker_go_before_the_environment_and_reach_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REELMILL_CONCURRENCY", "3")
    monkeypatch.setenv("REELMILL_MODEL", "from-environment")

    in_force = serve._with_options(concurrency=5, model=None)

    assert (in_force.concurrency, in_force.model) == (5, "from-environment")
    assert os.environ["REELMILL_CONCURRENCY"] == "5"
    settings.cache_clear()


def test_a_worker_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "torch" else object())

    with pytest.raises(MissingExtraError, match="pip install 'reelmill\\[worker\\]'"):
        serve.worker()


def test_every_verb_has_help_with_an_example_and_a_json_option() -> None:
    groups = [group.typer_instance for group in app.registered_groups]
    for command in [command for each in (app, *groups) if each for command in each.registered_commands]:
        assert command.callback is not None
        assert "Example: `" in (command.callback.__doc__ or ""), command.callback.__name__
        assert "as_json" in command.callback.__annotations__, command.callback.__name__
