"""How failures look to people: by reason, with examples and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from reelmill.ledger.views import JobError

EXAMPLES = 3
"""Media named per reason."""


def grouped_errors(failed: Iterable[JobError]) -> RenderableType:
    """Reasons, the most frequent first, each with examples and what to do."""
    reasons: dict[str, list[JobError]] = {}
    counts: dict[str, int] = {}
    for error in failed:
        counts[error.error_code] = counts.get(error.error_code, 0) + 1
        examples = reasons.setdefault(error.error_code, [])
        if len(examples) < EXAMPLES:
            examples.append(error)
    if not reasons:
        return Text("No job failed", style="green")
    order = sorted(counts, key=lambda code: -counts[code])
    return Group(*(_reason(code, counts[code], reasons[code]) for code in order))


def _reason(code: str, count: int, examples: Sequence[JobError]) -> Group:
    lines = [Text.assemble((code, "bold red"), f"  {count:,} {'job' if count == 1 else 'jobs'}")]
    lines += [Text(f"  {_told(error)}") for error in examples]
    if count > len(examples):
        lines.append(Text(f"  and {count - len(examples):,} more (--json lists all)", style="dim"))
    lines += [
        Text(f"  {step}", style="green") for step in dict.fromkeys(error.error_next_step for error in examples) if step
    ]
    return Group(*lines)


def _told(error: JobError) -> str:
    """The message with the media it is about; most messages begin with it already."""
    named = any(uri in error.error_message for uri in error.media)
    return error.error_message if named else f"{' '.join(error.media)}: {error.error_message}"
