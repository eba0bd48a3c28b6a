"""Errors for people: what, where, the line itself, and how to mend it."""

from __future__ import annotations

import traceback
from pathlib import Path

from jobkit.cli.render.source import excerpt
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import display_width
from jobkit.cli.render.tracebacks import traceback_lines
from jobkit.exceptions import JobkitError
from jobkit.sanitising import escape_controls


def error_block(
    error: JobkitError,
    terminal: Terminal,
    *,
    root: Path | None = None,
    kind: str = "error",
    frames: bool = False,
) -> list[str]:
    """*error* over several lines. *kind* is ``error`` or ``warning``; *frames* adds jobkit's own."""
    style = "error" if kind == "error" else "caution"
    label = terminal.style(f"{kind}[{error.code}]", style)
    first, *rest = _clean(error.message).split("\n")
    lines = [f"{label}: {terminal.style(first, 'strong')}", *(f"  {line}" for line in rest)]
    place = error.location(root)
    if place is not None:
        lines.append(f"  {terminal.style('-->', 'accent')} {_clean(place)}")
    theirs: str | None = getattr(error, "traceback", None)
    if theirs:
        lines += [f"  {line}" for line in traceback_lines(theirs, terminal, root=root)]
    elif error.path is not None and error.line is not None:
        quoted = excerpt(error.path, error.line, error.message, terminal, shown=error.shown_keys)
        lines += [f"  {line}" for line in quoted]
    if error.help:
        lines += _help(error.help, terminal)
    if frames:
        lines += [_clean(line) for line in "".join(traceback.format_exception(error)).splitlines()]
    return lines


def error_line(
    error: JobkitError, terminal: Terminal, *, root: Path | None = None, kind: str = "error"
) -> str:
    """*error* in one line: code, place, message. *kind* is ``error`` or ``warning``."""
    label = terminal.style(f"{kind}[{error.code}]", "error" if kind == "error" else "caution")
    place = error.location(root)
    message = _clean(error.message).partition("\n")[0]
    return f"{label}: {_clean(place)}: {message}" if place else f"{label}: {message}"


def _help(text: str, terminal: Terminal) -> list[str]:
    first, *rest = _clean(text).split("\n")
    lead = "  help: "
    return [
        f"  {terminal.style('help:', 'accent')} {first}",
        *(" " * display_width(lead) + line for line in rest),
    ]


def _clean(text: str) -> str:
    return "\n".join(escape_controls(line) for line in text.split("\n"))
