"""Where in a TOML file each key stands.

The standard library's reader gives values without places. This scanner reads the same text for headers
and keys only and remembers line and column of each. It is no second reader: what it found is believed
only if it found exactly the keys that the reader found (see :func:`positions_of`).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Any, NamedTuple

#: How deep tables, arrays and dotted keys may be nested in a configuration file.
DEEPEST = 32

#: Keys and list indexes from the top of the file to one value.
Path = tuple[str | int, ...]

_TOKEN = re.compile(
    r"""
      (?P<skip>    [ \t\r]+ | \#[^\n]* )
    | (?P<line>    \n )
    | (?P<long>    \"{3}(?:[^"\\]|\\.|"{1,2}(?!"))*+"{3,5} | '{3}(?:[^']|'{1,2}(?!'))*+'{3,5} )
    | (?P<string>  "(?:[^"\\\n]|\\.)*+" | '[^'\n]*+' )
    | (?P<sign>    [\[\]{},=.] )
    | (?P<bare>    [^\s"'#\[\]{},=.]+ )
    """,
    re.VERBOSE | re.DOTALL,
)


class Position(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


class NestedTooDeeply(ValueError):
    """Tables, arrays or dotted keys below :data:`DEEPEST` levels; *line* says where."""

    def __init__(self, line: int) -> None:
        super().__init__(f"nested more than {DEEPEST} levels deep")
        self.line = line


class Repeated(NamedTuple):
    """A key or header that is given a second time."""

    path: Path
    first: Position
    second: Position


class _Lost(Exception):
    """The text is not what this scanner understands; most likely it is not TOML."""


def positions_of(text: str, data: dict[str, Any]) -> dict[Path, Position]:
    """The place of every key and list item of *data*, which was read from *text*.

    Empty if the scanner does not agree with *data* on what there is: no place is better than a wrong
    one.
    """
    scan = Scan(text)
    return scan.positions if scan.complete and scan.positions.keys() == _paths(data) else {}


def _paths(data: dict[str, Any]) -> set[Path]:
    found: set[Path] = set()
    waiting: list[tuple[Path, Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if path:
            found.add(path)
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
    return found


class Scan:
    """One pass over *text*: ``positions``, ``repeated`` keys, and whether the end was reached.

    Raises NestedTooDeeply. Anything else that is wrong only ends the pass: ``complete`` is False, and
    what was found until then is there.
    """

    def __init__(self, text: str) -> None:
        self.positions: dict[Path, Position] = {}
        self.repeated: list[Repeated] = []
        self.complete = False
        self._text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._offset = 0
        self._kind: str | None = None
        self._token = ""
        self._start = 0
        self._assigned: set[Path] = set()
        self._lengths: dict[Path, int] = {}
        try:
            self._document()
            self.complete = True
        except _Lost:
            pass  # whoever asked sees it by `complete`, and the reader says what is wrong

    # -- tokens -----------------------------------------------------------------------------------

    def _next(self, *, skip_lines: bool = False) -> None:
        """Step to the next token that is neither blank nor comment; ``_kind`` is None at the end."""
        while True:
            self._start = self._offset
            match = _TOKEN.match(self._text, self._offset)
            if match is None:
                if self._offset < len(self._text):
                    raise _Lost
                self._kind, self._token = None, ""
                return
            self._offset = match.end()
            if match.lastgroup == "skip" or (skip_lines and match.lastgroup == "line"):
                continue
            self._kind, self._token = match.lastgroup, match[0]
            return

    def _expect(self, sign: str) -> None:
        if self._token != sign or self._kind != "sign":
            raise _Lost

    def _place(self, offset: int) -> Position:
        line = bisect_right(self._lines, offset)
        return Position(line, offset - self._lines[line - 1] + 1)

    def _too_deep(self, path: Path) -> None:
        if len(path) > DEEPEST:
            raise NestedTooDeeply(self._place(self._start).line)

    # -- statements -------------------------------------------------------------------------------

    def _document(self) -> None:
        table: Path = ()
        self._next(skip_lines=True)
        while self._kind is not None:
            if self._token == "[" and self._kind == "sign":
                table = self._header()
            else:
                self._pair(table)
            if self._kind not in ("line", None):
                raise _Lost
            self._next(skip_lines=True)

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; the path that the following keys belong to."""
        start = self._start
        double = self._text.startswith("[[", start)
        if double:
            self._next()
        self._next()
        keys = self._dotted()
        self._expect("]")
        if double:
            self._next()
            self._expect("]")
        self._next()
        return self._enter(keys, self._place(start), double=double)

    def _enter(self, keys: list[str], place: Position, *, double: bool) -> Path:
        path: Path = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)
            last = number == len(keys)
            if last and not double:
                self._assign(path, place)
            else:
                self.positions.setdefault(path, place)
            if last and double:
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
                self.positions.setdefault(path, place)
        return path

    def _pair(self, table: Path) -> None:
        """``a.b = value``; stops behind the value."""
        place = self._place(self._start)
        path = table
        keys = self._dotted()
        self._expect("=")
        for key in keys[:-1]:
            path = (*path, key)
            self.positions.setdefault(path, place)
        path = (*path, keys[-1])
        self._assign(path, place)
        self._next()
        self._value(path)

    def _assign(self, path: Path, place: Position) -> None:
        if path in self._assigned:
            self.repeated.append(Repeated(path, self.positions[path], place))
        self._assigned.add(path)
        self.positions[path] = place

    def _dotted(self) -> list[str]:
        """The parts of a dotted key; stops at what follows it."""
        keys: list[str] = []
        while True:
            if self._kind == "bare":
                keys.append(self._token)
            elif self._kind == "string":
                keys.append(_unquoted(self._token))
            else:
                raise _Lost
            if len(keys) > DEEPEST:
                raise NestedTooDeeply(self._place(self._start).line)
            self._next()
            if self._token != "." or self._kind != "sign":
                return keys
            self._next()

    # -- values -----------------------------------------------------------------------------------

    def _value(self, path: Path) -> None:
        """Whatever may stand behind ``=``; stops at what follows it."""
        self._too_deep(path)
        if self._kind == "sign" and self._token == "[":
            self._array(path)
        elif self._kind == "sign" and self._token == "{":
            self._inline_table(path)
        elif self._kind in ("long", "string"):
            self._next()
        else:
            self._scalar()

    def _scalar(self) -> None:
        """A number, date or word; a date and its time may be parted by one blank, a number by a point."""
        if self._kind != "bare":
            raise _Lost
        while self._kind == "bare" or (self._kind == "sign" and self._token == "."):
            self._next()

    def _array(self, path: Path) -> None:
        index = 0
        self._next(skip_lines=True)
        while not (self._kind == "sign" and self._token == "]"):
            item = (*path, index)
            self.positions[item] = self._place(self._start)
            self._value(item)
            self._over_lines()
            index += 1
            if self._kind == "sign" and self._token == ",":
                self._next(skip_lines=True)
            elif self._token != "]":
                raise _Lost
        self._next()

    def _inline_table(self, path: Path) -> None:
        self._next(skip_lines=True)
        while not (self._kind == "sign" and self._token == "}"):
            self._pair(path)
            self._over_lines()
            if self._kind == "sign" and self._token == ",":
                self._next(skip_lines=True)
            elif self._token != "}":
                raise _Lost
        self._next()

    def _over_lines(self) -> None:
        if self._kind == "line":
            self._next(skip_lines=True)


def _unquoted(token: str) -> str:
    if "\\" not in token or token.startswith("'"):
        return token[1:-1]
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except tomllib.TOMLDecodeError:
        raise _Lost from None
