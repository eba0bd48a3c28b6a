"""A line of a configuration file as it may be quoted: without the values that are, or may be, secret.

What a plugin declared as secret is known only where its table was read; so in what concerns plugins a value
is shown if it is known to be none, and everywhere else unless its key looks like a secret's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from jobkit.cli.render.masked import without
from jobkit.config.positions import NestedTooDeeply, Path, Scan
from jobkit.redaction import Redactor, looks_secret

_LONG = re.compile(r'"{3}|\'{3}')
_HEADER = re.compile(r"\s*\[\[?[^\[\]=]*\]\]?\s*(?:#.*)?")
_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
#: Tables below which a name of the user's own comes next, and says nothing about what is in it.
_NAMED = ("jobs", "plugins")
_FREE = ("parameters",)


class _Value(NamedTuple):
    path: Path
    start: int
    end: int


class _Values(Scan):
    """A scan that remembers from where to where in the text each value stands."""

    def __init__(self, text: str) -> None:
        self.values: list[_Value] = []
        self.text = text
        self._ended = 0
        super().__init__(text)

    def _next(self, *, skip_lines: bool = False) -> None:
        self._ended = self._offset
        super()._next(skip_lines=skip_lines)

    def _value(self, path: Path) -> None:
        start = self._start
        super()._value(path)
        self.values.append(_Value(path, start, self._ended))


def quotable_line(text: str, number: int, shown: Collection[str] | None) -> str | None:
    """Line *number* (from 1) of the TOML *text* without secrets; None if it is better not quoted.

    *shown* are the keys of a plugin's table that are declared and not secret, where they are known.
    """
    lines = text.split("\n")
    if not 0 < number <= len(lines):
        return None
    line = lines[number - 1]
    start = sum(len(each) + 1 for each in lines[: number - 1])
    try:
        scan = _Values(text)
    except NestedTooDeeply:
        return _of_broken(lines, number)
    if not scan.complete:
        return _of_broken(lines, number)
    return without(line, start, ((value.start, value.end) for value in _hidden(scan, shown)))


def _hidden(scan: _Values, shown: Collection[str] | None) -> Iterator[_Value]:
    for value in scan.values:
        if hides(value.path, shown, container=scan.text[value.start] in "[{"):
            yield value


def hides(path: Path, shown: Collection[str] | None, *, container: bool = False) -> bool:
    """Whether the value at *path* must not be quoted, nor anything in it."""
    keys = [key for key in path if isinstance(key, str)]
    if keys[:2] == ["tool", "jobkit"]:
        keys = keys[2:]
    for depth, key in enumerate(keys):
        if depth == 1 and keys[0] in _NAMED:
            continue  # the name of a job or of a plugin
        if looks_secret(key):
            return True
        if key.lower().startswith("plugin") and depth in (0, 2):
            below = keys[depth + 2 :]
            hidden = any(name not in (shown or ()) or looks_secret(name) for name in below)
            return hidden if below else not container
        if key in _FREE and depth == 2:
            below = keys[depth + 1 :]
            return any(name not in (shown or ()) for name in below) if below else not container
    return False


def _of_broken(lines: list[str], number: int) -> str | None:
    """The line of a file that is no TOML: what is a value in it cannot be told, so none is shown.

    A line in a text over several lines cannot be told from others at all.
    """
    line, above = lines[number - 1], lines[: number - 1]
    if any(_LONG.search(each) for each in (*above, line)):
        return None
    if _HEADER.fullmatch(line):
        return line
    key = _KEY.match(line)
    if key is None or "{" in line or _may_hide(above, key[1]):
        return None
    return Redactor().text(line)


def _may_hide(above: list[str], key: str) -> bool:
    """Whether the value behind *key* may be secret, by its own name and by what stands *above* it."""
    table, open_brackets = "", 0
    for line in above:
        if _HEADER.fullmatch(line):
            table, open_brackets = line.split("#")[0].strip(" \t[]"), 0
        else:
            open_brackets += sum(map(line.count, "[{")) - sum(map(line.count, "]}"))
    names = [name.strip().strip("\"'") for name in f"{table}.{key}".split(".") if name.strip()]
    return open_brackets != 0 or hides(tuple(names), None)
