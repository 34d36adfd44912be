"""How much the cache may hold and a step may compute: from the memory that is there, not from a setting."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import torch

_PREFIX_SHARE = 4
"""What of earlier prompts is kept beside the cache, as a fraction of it."""
_CPU_CACHE_BYTES = 512 * 2**20
_CPU_TABLE_BYTES = 256 * 2**20
_CPU_STEP_TOKENS = 1024
_GPU_STEP_TOKENS = 8192
_CPU_REQUESTS = 64
_GPU_REQUESTS = 256
_GPU_CACHE_SHARE = 0.4
"""While slabs grow, the old one and the new one are both there."""
_GPU_TABLE_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds of one engine.

    Attributes:
        cache_tokens: tokens that the cache holds.
        step_tokens: most tokens that one step computes.
        requests: most requests in flight.
        table_bytes: of the visual vocabulary.
    """

    cache_tokens: int
    step_tokens: int
    requests: int
    table_bytes: int

    @property
    def prefix_tokens(self) -> int:
        """Tokens of earlier prompts that are kept beside it."""
        return self.cache_tokens // _PREFIX_SHARE

    def at_most(self, requests: int) -> Budget:
        """The same for so many requests."""
        return replace(self, requests=requests)

    def smaller(self, requests: int) -> Budget:
        """For so many requests, with steps of half the size and three quarters of the cache."""
        return replace(
            self, requests=requests, step_tokens=self.step_tokens // 2, cache_tokens=self.cache_tokens * 3 // 4
        )


def budget_for(config: Any, dtype: torch.dtype, device: torch.device) -> Budget:
    """The budget of a language model that is loaded on `device`. `config`: its transformers config."""
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token_bytes = 2 * config.num_hidden_layers * config.num_key_value_heads * width * dtype.itemsize
    token_bytes += token_bytes // _PREFIX_SHARE
    if device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        cache_bytes, table_bytes = int(free_bytes * _GPU_CACHE_SHARE), int(free_bytes * _GPU_TABLE_SHARE)
        return Budget(cache_bytes // token_bytes, _GPU_STEP_TOKENS, _GPU_REQUESTS, table_bytes)
    cache_bytes = min(_CPU_CACHE_BYTES, _available_bytes() // 4)
    table_bytes = min(_CPU_TABLE_BYTES, _available_bytes() // 8)
    most = _CPU_REQUESTS * config.max_position_embeddings
    return Budget(min(cache_bytes // token_bytes, most), _CPU_STEP_TOKENS, _CPU_REQUESTS, table_bytes)


def _available_bytes() -> int:
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
