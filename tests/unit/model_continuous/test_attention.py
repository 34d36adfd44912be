"""Attention that is merged from a shared part and a row of one's own is attention over both."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from pipelines.model.continuous import attention
from pipelines.model.continuous.attention import attend, plain_weighed_attention, weighed_attention
from pipelines.model.continuous.cache import Cache
from pipelines.model.continuous.passenger import Passenger
from pipelines.model.continuous.plan import plan, schedule
from pipelines.model.continuous.slab import CacheShape

CPU = torch.device("cpu")
HEADS, KV_HEADS, WIDTH, SCALE = 6, 2, 8, 0.3


def expected(query: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """One token [heads, width] over all that it sees [2, heads of keys, tokens, width]."""
    keys, values = seen.double().repeat_interleave(HEADS // KV_HEADS, 1)
    return scaled_dot_product_attention(query.double()[:, None], keys, values, scale=SCALE)[:, 0]


@pytest.mark.parametrize("weighed", [weighed_attention, plain_weighed_attention])
@pytest.mark.parametrize("sharp", [1.0, 40.0])
def test_a_step_of_siblings_and_strangers_sees_what_each_sees_alone(
    monkeypatch: pytest.MonkeyPatch, weighed: Callable[..., tuple[torch.Tensor, torch.Tensor]], sharp: float
) -> None:
    monkeypatch.setattr(attention, "weighed_attention", weighed)
    torch.manual_seed(3)
    cache = Cache(CacheShape(1, KV_HEADS, WIDTH, torch.float32, CPU), 8192, 4096)
    prompts = [[1] * 200 + [tail] * (tail + 3) for tail in range(2, 7)]
    prompts += [[9] * 170 + [tail] for tail in (2, 3)] + [[11] * 60]
    passengers = []
    for number, prompt in enumerate(prompts):
        one = Passenger(str(number), prompt, 8 if number % 2 else 300)
        assert cache.seat(one)
        own = sharp * torch.randn(1, 2, KV_HEADS, len(prompt) - one.shared, WIDTH)
        one.home.write(one, own)
        one.cached = len(prompt)
        cache.keep(one)
        one.said.append(5)
        passengers.append(one)
    cache.leave(passengers.pop(1))
    step = plan(schedule(passengers, 1024), CPU)
    assert sorted(one.shared for one in passengers) == [0, 160, 160, 192, 192, 192, 192]
    queries, new = torch.randn(7, HEADS, WIDTH), torch.randn(7, 2, KV_HEADS, WIDTH)
    seen = attend(step, 0, queries, new, SCALE)
    for place, chunk in enumerate(step.chunks):
        one = chunk.passenger
        past = torch.cat((one.home.read(one, one.cached)[0], new[place][:, :, None]), 2)
        truth = expected(queries[place], past)
        # What rounding leaves of scores and of values grows with both: attention in one piece is bound by it, too.
        whole = scaled_dot_product_attention(
            queries[place][:, None], *past.repeat_interleave(HEADS // KV_HEADS, 1), scale=SCALE
        )[:, 0]
        for found in (seen[place], whole):
            assert (found.double() - truth).abs().max() < 2e-6 * sharp**2, one.name
