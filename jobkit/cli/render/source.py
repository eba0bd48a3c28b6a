"""The line of a file that an error is about, quoted with a mark under it."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection
from pathlib import Path

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import cut, display_width
from jobkit.redaction import Redactor
from jobkit.sanitising import escape_controls

_LARGEST = 8 * 1024 * 1024
_LONGEST = 200
_QUOTED = re.compile(r"'([^']{2,})'|\"([^\"]{2,})\"|`([^`]{2,})`")


def excerpt(
    path: Path, line: int, message: str, terminal: Terminal, *, shown: Collection[str] | None = None
) -> list[str]:
    """Line *line* of *path* in a gutter, and below it a mark under what *message* quotes of it.

    Nothing if the file cannot be read. What is or may be secret is masked; *shown* are the keys of the
    plugin that the error is about whose values are none.
    """
    source = _source_line(path, line, shown)
    if not source:
        return []
    gutter = len(str(line))
    room = (terminal.width or _LONGEST) - gutter - 5
    shown = cut(source, room, terminal.glyphs.ellipsis)
    start, length = _marked(shown, message)
    bar = terminal.style("|", "accent")
    return [
        f"{terminal.style(str(line), 'accent')} {bar} {shown}",
        f"{' ' * gutter} {bar} {' ' * display_width(shown[:start])}"
        + terminal.style("^" * max(length, 1), "error"),
    ]


def _source_line(path: Path, line: int, shown: Collection[str] | None) -> str:
    try:
        status = path.lstat()
        # A FIFO would block for ever, and nobody wants to read a huge file for one line of it.
        if line < 1 or not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return ""
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    source = _quotable(path, text, line, shown)
    return escape_controls(source.expandtabs(4).rstrip()) if source is not None else ""


def _quotable(path: Path, text: str, line: int, shown: Collection[str] | None) -> str | None:
    if path.suffix == ".toml":
        from jobkit.cli.render import quoted_toml

        return quoted_toml.quotable_line(text, line, shown)
    if path.suffix == ".py":
        from jobkit.cli.render import quoted_python

        return quoted_python.quotable_line(text, line, shown)
    lines = text.splitlines()
    return Redactor().text(lines[line - 1]) if line <= len(lines) else None


def _marked(shown: str, message: str) -> tuple[int, int]:
    """Where the mark goes: under the longest quotation of *message* that stands in the line."""
    quoted = sorted((text for groups in _QUOTED.findall(message) for text in groups if text), key=len)
    for text in reversed(quoted):
        at = shown.find(text)
        if at >= 0:
            return at, display_width(text)
    stripped = shown.lstrip()
    return len(shown) - len(stripped), display_width(stripped)
