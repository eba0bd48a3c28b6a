"""A stored traceback, shown the way a test runner shows it: place first, then the line."""

from __future__ import annotations

import re
from pathlib import Path

from jobkit.cli.render.terminal import Terminal
from jobkit.exceptions import relative_to
from jobkit.sanitising import escape_controls, shorten

# Exception groups draw their frames beside a rule of `|`.
_FRAME = re.compile(r'^(?P<lead>[ |+]*)File "(?P<path>.+)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_HEADER = "Traceback (most recent call last):"
_LONGEST, _LONGEST_LINE = 400, 1000


def traceback_lines(text: str, terminal: Terminal, *, root: Path | None = None) -> list[str]:
    """The lines of a formatted traceback: ``path:line: in name``, the code, and the exception marked ``E``.

    Paths are relative to *root* where they lie inside.
    """
    lines = [shorten(escape_controls(line), _LONGEST_LINE) for line in text.splitlines()[:_LONGEST]]
    shown: list[str] = []
    for index, line in enumerate(lines):
        frame = _FRAME.match(line)
        if frame:
            place = f"{relative_to(Path(frame['path']), root)}:{frame['line']}"
            name = f": in {frame['name']}" if frame["name"] else ""
            shown.append(f"{frame['lead'].strip()}{terminal.style(place, 'accent')}{name}")
        elif line.startswith("    "):
            last = not any(_FRAME.match(later) for later in lines[index:])
            shown.append(_code_line(line, terminal, last=last))
        elif line.strip() and line.strip(" |+") != _HEADER:
            shown.append(f"{terminal.style('E', 'error')}   {terminal.style(line.strip(), 'bad')}")
    return shown


def _code_line(line: str, terminal: Terminal, *, last: bool) -> str:
    if line.strip(" ^~") == "":
        return terminal.style(line, "bad")
    return f"{terminal.style('>', 'error')}   {line[4:]}" if last else line
