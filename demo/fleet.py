"""Training processes that work as one: each learns from batches of its own, gradients are averaged.

Alone (not started by torchrun), every function here does nothing to what it is given.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import distributed, nn


def join() -> None:
    """Meet the other processes that torchrun started, if it did."""
    if "WORLD_SIZE" in os.environ:
        distributed.init_process_group("gloo")


def leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait_for_all() -> None:
    if distributed.is_initialized():
        distributed.barrier()


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def mean(value: float) -> float:
    """The same number everywhere, so that all clocks agree."""
    if not distributed.is_initialized():
        return value
    total = torch.tensor([value], dtype=torch.float64)
    distributed.all_reduce(total)
    return float(total) / distributed.get_world_size()


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean_of_all in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean_of_all.view_as(gradient))
