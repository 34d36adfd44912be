"""One training step's mathematics: the answer loss, the temporary detection loss, the optimisers, the schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from demo.batches import IGNORE, Batch
from demo.net import Shapes
from demo.world import COLOURS, FORMS

SHORT_ANSWER_WEIGHT = 3.0
NEAR_NUMBERS = 0.75
"""How far (in tokens of ten thousandths) a corner may be off to be nearly right: the width of its soft target."""
DETECTION_OUTPUTS = 1 + len(COLOURS) + len(FORMS) + 4


@dataclass(frozen=True)
class Schedule:
    """Warm up, stay, decay to zero: shares of a budget of minutes, so that contention cannot spoil the ending."""

    warmup: float = 0.015
    decay: float = 0.3

    def factor(self, share: float) -> float:
        """Learning-rate factor when `share` in [0, 1] of the budget is spent."""
        if share < self.warmup:
            return max(0.02, share / self.warmup)
        return max(0.01, min(1.0, (1.0 - share) / self.decay))


def embed(model: Shapes, ids: Tensor, visual: Tensor, image_token: int) -> Tensor:
    """Token embeddings [n, length, width] with visual tokens in the places of `<IMG_CONTEXT>`."""
    embeds = model.language_model["model"].embed_tokens(ids)  # type: ignore[operator]
    spots = (ids == image_token)[..., None].expand_as(embeds)
    return embeds.masked_scatter(spots, visual.to(embeds.dtype))  # type: ignore[no-any-return]


def answer_logits(model: Shapes, batch: Batch, visual: Tensor, image_token: int) -> tuple[Tensor, Tensor]:
    """Logits float32 [answer tokens, vocabulary] and their targets int64 [answer tokens]."""
    ids, targets, positions = (
        torch.from_numpy(each).to(visual.device) for each in (batch.ids, batch.targets, batch.positions)
    )
    states = model.read(embed(model, ids, visual, image_token), positions, batch.spans)
    wanted = targets != IGNORE
    return model.language_model["lm_head"](states[wanted]).float(), targets[wanted]


def word_loss(logits: Tensor, targets: Tensor, batch: Batch, numbers: range) -> Tensor:
    """Mean cross entropy per answer token; a short answer is a token or two, and would drown among long ones.

    Ids in `numbers` follow each other as their numbers do: near ones are nearly right.
    """
    weights = torch.ones(batch.targets.shape)
    if len(batch.spans) > 1:
        count, length = batch.spans[-1]
        weights[:, -count * length :] = SHORT_ANSWER_WEIGHT
    weights = weights[torch.from_numpy(batch.targets) != IGNORE].to(logits.device)
    likely = logits.log_softmax(-1)
    losses = -likely.gather(1, targets[:, None])[:, 0]
    corners = ((targets >= numbers.start) & (targets < numbers.stop)).nonzero()[:, 0]
    if len(corners):
        places = torch.arange(len(numbers), device=logits.device)
        off = places[None] - (targets[corners] - numbers.start)[:, None]
        near = (-0.5 * (off / NEAR_NUMBERS) ** 2).softmax(-1)
        losses = losses.index_copy(0, corners, -(near * likely[corners, numbers.start : numbers.stop]).sum(-1))
    return (losses * weights).sum() / weights.sum()


def detection_loss(head: nn.Module, visual: Tensor, batch: Batch) -> Tensor:
    """Presence, colour, form and box of the shape centred in each visual token's cell."""
    out = head(visual[torch.from_numpy(batch.view_tiles).to(visual.device)]).float()
    cells = torch.from_numpy(batch.cells).to(visual.device)
    there = cells[..., 0] > 0
    found, truth = out[there], cells[there]
    split = 1 + len(COLOURS)
    presence = F.binary_cross_entropy_with_logits(out[..., 0], cells[..., 0])
    colour = F.cross_entropy(found[:, 1:split], truth[:, 1].long())
    form = F.cross_entropy(found[:, split:-4], truth[:, 2].long())
    box = (found[:, -4:] - truth[:, 3:]).abs().mean()
    total: Tensor = 3 * presence + 0.5 * colour + 0.5 * form + 10 * box
    return total


def optimisers(model: Shapes, head: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms, biases and heads."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = list(head.parameters())
    for name, parameter in model.named_parameters():
        inside = ".layers." in name or name.startswith("mlp1")
        (matrices if parameter.dim() == 2 and inside else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, foreach=True)
    return [muon, adam]
