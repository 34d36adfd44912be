"""`python -m demo.train`: train the shapes model within a budget of minutes and publish it.

Stage one teaches the ViT alone to see (a temporary head finds the shapes), stage two teaches the words: first on single
tiles, then on everything. Progress is kept in a folder, from which a stopped run goes on; `progress.png` there is a
picture of it. `--start demo/model` begins with a published checkpoint instead, and with everything at once.

One thread per process and a process per core is several times faster than one process with many threads, as the
matrices are small. Keeping freed memory instead of giving it back to the system saves another third:

    MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 torchrun --nproc-per-node 2 -m demo.train
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import nn
from torch.utils.data import DataLoader

from demo import fleet
from demo.average import Average
from demo.batches import Batch
from demo.learn import DETECTION_OUTPUTS, Schedule, answer_logits, detection_loss, optimisers, word_loss
from demo.net import Shapes, Size
from demo.probe import probe
from demo.progress import draw_progress
from demo.publish import publish
from demo.stream import Stream
from demo.tokenizer import NUMBER_TOKENS, load_tokenizer, save_tokenizer, token_id, train_tokenizer
from demo.warm import warm_start

SEE_STEPS = 800
"""Steps in which the ViT learns to see."""
SINGLES_ONLY = 0.5
"""Share of the budget until which only single tiles are read."""
SAVE_EVERY_S = 240.0
HELD_OUT_SEED = 10_000_000


@dataclass(frozen=True)
class Plan:
    """Where, how long, how fast."""

    work: Path
    out: Path
    minutes: float = 80.0
    rate: float = 2.5e-3
    seed: int = 1
    device: str = "cpu"
    start: Path | None = None
    workers: int = 1

    def clock(self) -> float:
        """Seconds of CPU time, which neither waiting nor neighbours count; of wall time where a GPU works."""
        return time.process_time() if self.device == "cpu" else time.monotonic()


def log(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Trainer:
    """Model, optimisers and the clock; the clock counts training time only, over all runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        plan.work.mkdir(parents=True, exist_ok=True)
        if fleet.rank() == 0 and not (plan.work / "vocab.json").exists():
            save_tokenizer(train_tokenizer(), plan.work)
        fleet.wait_for_all()
        self.tokenizer = load_tokenizer(plan.work)
        torch.manual_seed(plan.seed)
        self.model = Shapes(Size(vocabulary=self.tokenizer.get_vocab_size()))
        self.head = nn.Linear(self.model.size.width, DETECTION_OUTPUTS)
        nn.init.zeros_(self.head.weight)
        self.steps, self.spent_s = 0, 0.0
        if plan.start is not None:
            warm_start(self.model, self.tokenizer, plan.start)
        self.model.to(plan.device)
        self.head.to(plan.device)
        self.average = Average(self.model)
        self.optimisers = optimisers(self.model, self.head, plan.rate)
        self.image_token = token_id(self.tokenizer, "<IMG_CONTEXT>")
        first = token_id(self.tokenizer, NUMBER_TOKENS[0])
        self.numbers = range(first, first + len(NUMBER_TOKENS))
        self._restore()

    @property
    def share(self) -> float:
        return self.spent_s / (60 * self.plan.minutes)

    @property
    def phase(self) -> str:
        if self.plan.start is not None:
            return "all"
        return "see" if self.steps < SEE_STEPS else "single" if self.share < SINGLES_ONLY else "all"

    def run(self) -> None:
        saved_s, losses = self.spent_s, dict[str, float]()
        while self.share < 1.0:
            phase = self.phase
            self._save()
            loader = DataLoader(
                Stream(self.plan.work, f"{self.plan.seed}/{self.steps}/{fleet.rank()}", phase),
                None,
                num_workers=self.plan.workers,
                prefetch_factor=3,
            )
            for batches in loader:
                begin = self.plan.clock()
                for name, value in self.step(batches, phase).items():
                    losses[name] = 0.97 * losses.get(name, value) + 0.03 * value
                self.spent_s += fleet.mean(self.plan.clock() - begin)
                self.steps += 1
                if self.steps % 50 == 0 and fleet.rank() == 0:
                    self._tell(phase, losses)
                if self.spent_s - saved_s > SAVE_EVERY_S:
                    saved_s = self.spent_s
                    self._save()
                    self._probe()
                if self.phase != phase or self.share >= 1.0:
                    break
        self._save()
        self._probe()
        if fleet.rank() == 0:
            publish(self.average.model, self.plan.work, self.plan.out)

    def step(self, batches: list[Batch], phase: str) -> dict[str, float]:
        """One update from the batches of all layouts together."""
        factor = Schedule().factor(self.share)
        losses: dict[str, float] = {}
        for batch in batches:
            with torch.autocast(self.model.device.type, torch.bfloat16):
                visual = self.model.see(torch.from_numpy(batch.tiles).to(self.model.device))
                found = detection_loss(self.head, visual, batch)
                loss = found if phase == "see" else 0.15 * found
                if phase != "see":
                    logits, targets = answer_logits(self.model, batch, visual, self.image_token)
                    words = word_loss(logits, targets, batch, self.numbers)
                    loss = loss + words
                    losses[f"words_{batch.kind}"] = float(words.detach())
            torch.autograd.backward(loss / len(batches))
            losses[f"found_{batch.kind}"] = float(found.detach())
        fleet.average_gradients([*self.model.parameters(), *self.head.parameters()])
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.plan.rate * factor
            optimiser.step()
            optimiser.zero_grad()
        self.average.update(self.model)
        return losses

    def _tell(self, phase: str, losses: dict[str, float]) -> None:
        words = " ".join(f"{name}={value:.3f}" for name, value in sorted(losses.items()))
        log(f"step {self.steps} {self.spent_s / 60:.1f}min {phase} {words}")

    def _probe(self) -> None:
        if self.phase == "see" or fleet.rank() != 0:
            return
        scores = probe(self.average.model, self.tokenizer, HELD_OUT_SEED, videos=self.phase == "all")
        log("held out: " + " ".join(f"{name}={value:.3f}" for name, value in scores.items()))
        draw_progress(self.average.model, self.tokenizer, HELD_OUT_SEED, self.plan.work / "progress.png")

    def _save(self) -> None:
        if fleet.rank() != 0:
            return
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "average": self.average.state(),
            "head": self.head.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "steps": self.steps,
            "spent_s": self.spent_s,
        }
        torch.save(state, self.plan.work / "state.tmp")
        (self.plan.work / "state.tmp").replace(self.plan.work / "state.pt")

    def _restore(self) -> None:
        path = self.plan.work / "state.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True, map_location=self.plan.device)
        self.model.load_state_dict(state["model"])
        self.average.restore(state["average"])
        self.head.load_state_dict(state["head"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.steps, self.spent_s = state["steps"], state["spent_s"]
        log(f"going on from step {self.steps}, {self.spent_s / 60:.1f} minutes")


def main(
    minutes: Annotated[
        float, typer.Option(help="Budget of each process, all runs together: CPU time, on a GPU wall time.")
    ] = 80.0,
    work: Annotated[Path, typer.Option(help="Folder of the state; a stopped run goes on from it.")] = Path(
        "demo/.train"
    ),
    out: Annotated[Path, typer.Option(help="Folder of the published checkpoint.")] = Path("demo/model"),
    threads: Annotated[int, typer.Option(help="CPU threads of each process.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    start: Annotated[Path | None, typer.Option(help="A published checkpoint to go on from.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights and scenes.")] = 1,
    rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2.5e-3,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make samples, for each training process.")] = 1,
    decay_now: Annotated[bool, typer.Option(help="Shorten the budget so that the decay begins at once.")] = False,
) -> None:
    """Train the shapes model and publish it in the original InternVL2.5 layout."""
    torch.set_num_threads(threads)
    fleet.join()
    plan = Plan(work, out, minutes, rate, seed, device, start, workers)
    trainer = Trainer(plan)
    if decay_now:
        plan = replace(plan, minutes=min(minutes, trainer.spent_s / 60 / (1 - Schedule().decay)))
        trainer.plan = plan
    log(f"{sum(p.numel() for p in trainer.model.parameters()) / 1e6:.2f}M parameters, {plan.minutes:.1f} minutes")
    trainer.run()
    fleet.leave()


if __name__ == "__main__":
    typer.run(main)
