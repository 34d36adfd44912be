"""How scans look. Names of files are text to rich, never markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from reelmill.archive.preview import PrefixPreview
from reelmill.ledger.scans import ScanView
from reelmill.schema import ScanState

STYLES = {ScanState.FAILED: "red", ScanState.CANCELLED: "dim", ScanState.SUCCEEDED: "green"}
REASONS = {
    "active": "at work already",
    "archived": "in cold storage",
    "before_since": "older",
    "done": "done before",
    "duplicate": "equal to others",
    "failed": "failed for good before",
    "not_media": "no images or videos",
    "over_limit": "over the limit",
}


def scan_json(scan: ScanView) -> dict[str, Any]:
    """A scan beside its batch."""
    counts = scan.counts
    return {
        "source": scan.source,
        "state": scan.state,
        "listed": counts.listed,
        "matched": counts.matched,
        "accepted": counts.accepted,
        "accepted_bytes": counts.accepted_bytes,
        "skipped": counts.skipped,
        "problems": scan.problems,
        "error_code": scan.error_code,
        "error_message": scan.error_message,
    }


def scan_line(scan: ScanView) -> str:
    """Where it stands, and what it left out and why."""
    counts, seen = scan.counts, "objects listed" if scan.kind == "prefix" else "lines read"
    line = f"{scan.source}  {scan.state.value}  {counts.listed:,} {seen}, {counts.accepted:,} accepted"
    line += f" ({_size(counts.accepted_bytes)})" if counts.accepted_bytes else ""
    line += f", left out: {_reasons(counts.skipped)}" if counts.skipped else ""
    return f"{line}\n{scan.error_message}. {scan.error_next_step or ''}" if scan.error_message else line


def scan_status(scan: ScanView) -> RenderableType:
    """The same, coloured."""
    return Text(scan_line(scan), style=STYLES.get(scan.state, "cyan"))


def preview_shown(preview: PrefixPreview) -> RenderableType:
    """What a dry run found."""
    lines = [
        Text(f"{preview.jobs:,} jobs would be submitted ({_size(preview.jobs_bytes)})", style="bold"),
        *(Text(f"  {uri}") for uri in preview.sample),
    ]
    if preview.jobs > len(preview.sample):
        lines.append(Text(f"  and {preview.jobs - len(preview.sample):,} more"))
    lines.append(Text(f"{preview.listed:,} objects listed; left out: {_reasons(preview.skipped) or 'none'}"))
    return Group(*lines, Text("Nothing was submitted.", style="dim"))


def _reasons(skipped: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {REASONS.get(reason, reason.replace('_', ' '))}" for reason, count in skipped.items())


def _size(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "B" else f"{size:.1f} {units[0]}"
