"""How exports look. Names of places are text to rich, never markup."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.text import Text

from reelmill.ledger.exports import ExportView

STYLES = {"succeeded": "green", "failed": "red", "running": "cyan"}


def export_json(export: ExportView) -> dict[str, Any]:
    """An export beside its batch."""
    values = asdict(export)
    return {"export": values.pop("id"), "batch": values.pop("batch_id"), **values, "rows": export.rows}


def export_line(export: ExportView) -> Text:
    """Where the results go, how far that is, and why it does not go on."""
    line = Text.assemble(
        (export.state, STYLES.get(export.state, "yellow")),
        f"  {export.location}  {len(export.files):,} files, {export.rows:,} rows ({export.format})",
    )
    if export.error_message and export.state != "succeeded":
        line.append(f"\n  {export.error_code} ", style="red")
        line.append(export.error_message)
        line.append(f"\n  {export.error_next_step or ''}", style="dim")
    return line
