"""Lines that a run wrote, for people."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from jobkit.cli.render.terminal import Terminal
from jobkit.records import LogLine
from jobkit.sanitising import escape_controls, safe_text

_EVENT = 24
_STYLES = {
    "debug": "dim",
    "info": "accent",
    "warning": "warning",
    "error": "error",
    "critical": "error",
    "exception": "error",
}


def log_line(line: LogLine, zone: tzinfo, terminal: Terminal) -> str:
    """``14:04:24 info     deleted   rows=63987``; what was printed stands as it was, below each other."""
    lead = f"{line.at.astimezone(zone):%H:%M:%S} "
    level = f"{line.level:8} "
    first, *rest = escape_controls(line.event, multiline=True).split("\n")
    fields = "  ".join(_field(key, value, terminal) for key, value in line.fields.items())
    shown = f"{first:{_EVENT}} {fields}" if fields else first
    below = [" " * (len(lead) + len(level)) + text for text in rest]
    head = f"{terminal.style(lead, 'dim')}{terminal.style(level, _STYLES.get(line.level))}{shown}"
    return "\n".join([head.rstrip(), *below])


def _field(key: str, value: Any, terminal: Terminal) -> str:
    text = escape_controls(safe_text(value))
    if not text or any(sign in text for sign in " ='\""):
        text = '"' + text.replace('"', '\\"') + '"'
    return f"{terminal.style(escape_controls(str(key)), 'dim')}={text}"
