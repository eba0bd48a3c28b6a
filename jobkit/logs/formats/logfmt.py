"""``key=value`` pairs on one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from jobkit.logs.entry import Entry
from jobkit.records import format_instant

_encode = msgspec.json.Encoder().encode
_needs_quotes = re.compile(r'[ ="\\\n\t]').search
_OWN = frozenset(("timestamp", "level", "event", "stream", "exception"))


def render(entry: Entry) -> bytes:
    """``timestamp=… level=info event=run.finished run=1423 … rows=12``."""
    return (" ".join(pairs(entry)) + "\n").encode("utf-8", "backslashreplace")


def pairs(entry: Entry) -> Iterator[str]:
    """Each ``key=value`` of the line."""
    yield f"timestamp={format_instant(entry.at)}"
    yield f"level={entry.level}"
    yield f"event={quoted(entry.event)}"
    if entry.source in ("stdout", "stderr"):
        yield f"stream={entry.source}"
    taken = _OWN
    if entry.run is not None:
        taken = taken.union(entry.run)
        for key, value in entry.run.items():
            yield f"{key}={quoted(value)}"
    for key, value in entry.fields.items():
        name = _bare(key)
        yield f"{name}_={quoted(value)}" if name in taken else f"{name}={quoted(value)}"
    if entry.exception is not None:
        yield f"exception={quoted(entry.exception)}"


def quoted(value: Any) -> str:
    """*value* as one word, or in quotes with ``"``, ``\\`` and line feeds escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else "" if value is None else _encode(value).decode()
    if text and _needs_quotes(text) is None:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _bare(key: str) -> str:
    """A key that needs no quotes."""
    if key.isidentifier():
        return key
    return "".join(["_" if sign in ' ="\\' else sign for sign in key])


def text_of(entry: Entry) -> str:
    """Event and fields only, for a logger that adds time and level itself."""
    words = [entry.event, *(f"{_bare(key)}={quoted(value)}" for key, value in entry.fields.items())]
    text = " ".join(words)
    return text if entry.exception is None else f"{text}\n{entry.exception}"
