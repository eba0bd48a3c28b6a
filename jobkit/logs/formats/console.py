"""Lines for people: time, level, event, then the fields; whose line it is stands in front of the event."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import msgspec

from jobkit.logs.entry import Entry

_encode = msgspec.json.Encoder().encode
_needs_quotes = re.compile(r"[ ='\"]").search
_EVENT_WIDTH = 24

_DIM = "\x1b[2m"
_RESET = "\x1b[0m"
_LEVELS = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}


def renderer(*, colour: bool, encoding: str = "utf-8") -> Callable[[Entry], bytes]:
    """A ``render`` for a terminal with that encoding: what it cannot show becomes an escape."""

    def render(entry: Entry) -> bytes:
        return _line(entry, colour).encode(encoding, "backslashreplace")

    return render


def wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether *stream* is a terminal whose user wants colours (``NO_COLOR``, ``FORCE_COLOR``, ``TERM``)."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    try:
        return stream.isatty() and environment.get("TERM") != "dumb"
    except (OSError, ValueError, AttributeError):
        return False


def _line(entry: Entry, colour: bool) -> str:
    time = f"{entry.at.astimezone():%H:%M:%S}"
    level = f"{entry.level:8}"
    fields = "  ".join([_field(key, value, colour) for key, value in entry.fields.items()])
    event = f"{entry.event:{_EVENT_WIDTH}}  {fields}" if fields else entry.event
    whose = _whose(entry.run) if entry.run is not None else ""
    if colour:
        time = f"{_DIM}{time}{_RESET}"
        level = f"{_LEVELS.get(entry.level, '')}{level}{_RESET}"
        whose = whose and f"{_DIM}{whose}{_RESET}"
    line = f"{time} {level} {whose}{event}\n"
    return line if entry.exception is None else line + _block(entry.exception, colour)


def _whose(run: Mapping[str, Any]) -> str:
    """``web/cleanup#1423``, with the attempt behind it from the second on."""
    attempt = f".{run['attempt']}" if run["attempt"] > 1 else ""
    return f"{run['extension']}/{run['job']}#{run['run']}{attempt} "


def _field(key: str, value: Any, colour: bool) -> str:
    # A list or a table shows by itself where it ends.
    text = value if isinstance(value, str) else _encode(value).decode()
    if isinstance(value, str) and (not text or _needs_quotes(text) is not None):
        text = '"' + text.replace('"', '\\"') + '"'
    return f"{_DIM}{key}={_RESET}{text}" if colour else f"{key}={text}"


def _block(exception: str, colour: bool) -> str:
    """A traceback below its line, with a mark that no event's text can have at the beginning of a line."""
    lines = "".join([f"    | {line}\n" for line in exception.split("\n")])
    return f"{_DIM}{lines}{_RESET}" if colour else lines
