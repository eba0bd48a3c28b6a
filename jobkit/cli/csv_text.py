"""Runs as CSV that a spreadsheet may open: no cell of it is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from jobkit.cli.output import encode
from jobkit.records import RunRecord
from jobkit.sanitising import escape_controls

#: The columns, in order: the members of a run, those of its error and its ticks flattened, mappings as JSON.
COLUMNS = (
    "id", "number", "job", "extension", "status", "trigger",
    "scheduled_at", "queued_at", "started_at", "finished_at", "duration_ms", "attempt", "attempts",
    "actor", "node", "enforce", "parameters", "message", "processed", "errors", "data",
    "reason", "error_type", "error_message", "parent", "retry_of",
    "ticks_first", "ticks_last", "ticks_count",
)  # fmt: skip

# What a spreadsheet reads as the beginning of a formula, white space before it or not.
_FORMULA = ("=", "+", "-", "@")


def csv_lines(runs: Iterable[RunRecord]) -> Iterator[str]:
    """A line of titles, then one line for each run, with line ends."""
    yield _line(COLUMNS)
    for run in runs:
        plain = run.to_json()
        error = plain.pop("error") or {}
        ticks = plain.pop("ticks") or {}
        plain |= {f"ticks_{name}": ticks.get(name) for name in ("first", "last", "count")}
        plain |= {"error_type": error.get("type"), "error_message": error.get("message")}
        yield _line([_cell(plain[name]) for name in COLUMNS])


def _cell(value: Any) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = escape_controls(value, multiline=True) if isinstance(value, str) else encode(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _line(cells: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
