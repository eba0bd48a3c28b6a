"""Reading one TOML file: with bounds, and with errors that say where."""

from __future__ import annotations

import math
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobkit.config.positions import DEEPEST, NestedTooDeeply, Position, Scan, positions_of
from jobkit.config.positions import Path as KeyPath
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.sanitising import bounded

#: The largest configuration file that is read, in bytes.
LARGEST = 1024 * 1024

_INTEGERS = range(-(2**63), 2**63)
# Patterns of errors: compiled when there is one, which is rare.
_PLACE = r"(?s)(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)\Z"
_NO_QUOTES = r"\s*(?P<key>[\w.-]+)\s*=\s*(?P<word>[A-Za-z_$/~][^\"'#\[\]{}]*?)\s*(?:#.*)?\Z"
_LONG_NUMBER = r"[0-9_]{500}"


@dataclass(frozen=True, slots=True)
class Document:
    """What one file says, and where: *data* is the table that concerns us, *prefix* its path in the file."""

    path: Path
    data: dict[str, Any]
    positions: dict[KeyPath, Position] = field(default_factory=dict)
    prefix: KeyPath = ()

    def line(self, path: KeyPath) -> int | None:
        """The line of the key at *path*, or of the closest table around it; None if no line is sure."""
        whole = (*self.prefix, *path)
        while whole:
            if whole in self.positions:
                return self.positions[whole].line
            whole = whole[:-1]
        return None

    def origin(self, layer: str, path: KeyPath) -> Origin:
        """The provenance of the value at *path*."""
        return Origin(layer, self.path, self.line(path))

    def below(self, *keys: str) -> Document | None:
        """The same file seen from the table at *keys*; None if there is none."""
        data: Any = self.data
        for key in keys:
            if not isinstance(data, dict) or key not in data:
                return None
            data = data[key]
        if not isinstance(data, dict):
            raise ConfigError(
                f"`{'.'.join(keys)}` is a table, not {type(data).__name__}",
                code="JK205",
                path=self.path,
                line=self.line(keys),
                help=f"write [{'.'.join(keys)}] and the keys below it",
            )
        return Document(self.path, data, self.positions, (*self.prefix, *keys))


def exists(path: Path) -> bool:
    """Whether something of that name is there, be it a link to nothing."""
    return os.path.lexists(path)


def read_document(path: Path) -> Document:
    """Read the TOML file at *path*. Raises ConfigError, and nothing else, if that cannot be done."""
    text = read_text(path)
    try:
        Scan(text)  # first, and linear: the reader needs minutes for some texts nested without end
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except NestedTooDeeply as error:
        raise _broken(path, f"it is {error}", error.line) from None
    except RecursionError:
        raise _broken(path, f"it is nested more than {DEEPEST} levels deep") from None
    except ValueError:  # Python refuses to read a number of thousands of digits
        found = re.search(_LONG_NUMBER, text)
        line = text.count("\n", 0, found.start()) + 1 if found is not None else None
        raise _broken(path, "it holds a number with too many digits", line) from None
    return Document(path, data, positions_of(text, data))


def read_text(path: Path) -> str:
    """The text of a configuration file, line ends made ``\\n``. Raises ConfigError."""
    data = _read_bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unreadable(path, "it is UTF-16", "save it as UTF-8")
    if data.startswith(b"\xef\xbb\xbf"):  # a byte order mark says nothing in UTF-8, but some editors write it
        data = data[3:]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"it is not UTF-8: byte 0x{data[error.start]:02x}"
        raise _unreadable(path, what, "save it as UTF-8", line) from None
    return text.replace("\r\n", "\n")


def _read_bytes(path: Path) -> bytes:
    try:
        # Asked before opening: opening a named pipe would wait for somebody to write into it.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise _unreadable(path, "it is not a regular file", "put a file in its place")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _unreadable(path, "it is a link to nothing", "mend the link, or remove it") from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise _unreadable(path, reason, "make it readable for the user that runs jobkit") from None
    if len(data) > LARGEST:
        raise _unreadable(
            path, f"it is larger than {LARGEST // 1024:,} KiB", "move data into files of its own"
        )
    return data


def unusable_values(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Values that TOML allows and that nothing could be done with: the path of each, and what it is."""
    waiting: list[tuple[KeyPath, Any]] = [((), data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            yield path, f"a finite number is expected, not {value}"
        elif isinstance(value, int) and value not in _INTEGERS:
            yield path, "a number of at most 64 bits is expected"
        elif isinstance(value, str) and "\0" in value:
            yield path, "the text holds a NUL character"


# -- errors -----------------------------------------------------------------------------------------


def _unreadable(path: Path, reason: str, help: str, line: int | None = None) -> ConfigError:
    return ConfigError(f"{path.name} cannot be read: {reason}", code="JK203", path=path, line=line, help=help)


def _broken(path: Path, reason: str, line: int | None = None, help: str | None = None) -> ConfigError:
    message = f"{path.name} cannot be used as TOML: {reason}"
    return ConfigError(message, code="JK201", path=path, line=line, help=help)


def _syntax_error(path: Path, text: str, said: str) -> ConfigError:
    match = re.match(_PLACE, said)
    if match is None:
        return _broken(path, bounded(said, 200))
    what = bounded(match["what"], 200)
    line = int(match["line"] or text.count("\n") + 1)
    if (twice := _given_twice(text, line)) is not None:
        return _broken(path, *twice)
    if match["line"] is None:
        return _broken(path, f"{what} at its end", line)
    column = match["column"]
    return _broken(path, f"{what} (column {column})", line, _advice(text.split("\n")[line - 1]))


def _given_twice(text: str, line: int) -> tuple[str, int, str] | None:
    """If the reader stumbled over a key that is there already: what to say, where, and what to do."""
    for repeated in Scan(text).repeated:
        second = repeated.second.line
        if second == line or second == line - 1:  # for a header the reader is already behind it
            name = bounded(".".join(map(str, repeated.path)), 120)
            first = repeated.first.line
            what = f"`{name}` is given twice, " + (
                "both here" if first == second else f"first in line {first}"
            )
            return what, second, "remove one of the two"
    return None


def _advice(line: str) -> str | None:
    match = re.match(_NO_QUOTES, line)
    if match is None:
        return None
    key, word = match["key"], bounded(match["word"], 80)
    if word in ("True", "False"):
        return f"write {key} = {word.lower()}"
    return f'text stands in quotes: {key} = "{word}"'
