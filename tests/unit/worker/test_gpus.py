from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import WorkerConfigError
from worker.gpus import parse_listing, share_out, visible_gpus

LISTING = """\
GPU 0: NVIDIA H200 (UUID: GPU-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
GPU 1: NVIDIA H200 (UUID: GPU-11111111-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 1g.18gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 3g.71gb     Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 2: NVIDIA H200 (UUID: GPU-22222222-d268-c3f3-1b07-005d5ae1dc3f)
"""


def test_a_gpu_that_is_cut_up_is_named_by_its_instances() -> None:
    mig = ("MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb")
    assert parse_listing(LISTING) == ("0", *mig, "2")


def test_the_driver_is_asked_when_nothing_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n")
    tool.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert len(visible_gpus()) == 4
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert visible_gpus() == ()


def test_what_was_chosen_for_this_process_goes_before_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7, 2,-1,3")
    assert visible_gpus() == ("6", "7", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == ()


def test_gpus_are_shared_out_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    assert share_out("all", 2) == ("4,5", "6,7")
    assert share_out(None, 1) == ("4", "5", "6", "7")
    assert share_out("0, 3", 2) == ("0,3",)


@pytest.mark.parametrize(
    ("gpus", "per_shard", "said"),
    [
        ("0,1,2,3,4", 2, "--gpus 0,1,2,3$"),
        ("0", 2, "Use at most 1"),
        ("all", 1, "no GPU is visible"),
    ],
)
def test_what_cannot_be_shared_out_is_refused_with_what_would_do(
    monkeypatch: pytest.MonkeyPatch, gpus: str, per_shard: int, said: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(WorkerConfigError, match=said):
        share_out(gpus, per_shard)
