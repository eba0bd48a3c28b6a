"""The lines of one attempt on their way to the store: the first ones, the last ones, and a count between."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any, NamedTuple

from jobkit.records import LogLine

#: How many lines are kept from the beginning, and how many from the end of an attempt.
HEAD_LINES = 1000
TAIL_LINES = 1000
#: How many characters both may hold.
HEAD_SIZE = 512 * 1024
TAIL_SIZE = 512 * 1024

#: Lines of one run are numbered over all its attempts, which may be executed by different processes: each
#: attempt has its own range.
PER_ATTEMPT = 1_000_000_000


class _Line(NamedTuple):
    """A line before it is a LogLine: making those costs more than all the rest, and most are made at once."""

    sequence: int
    at: datetime
    level: str
    event: str
    source: str
    fields: dict[str, Any]
    size: int


class LineBuffer:
    """Bounded: the middle of what does not fit is dropped, and a line says how much. Not thread-safe."""

    def __init__(self, attempt: int) -> None:
        self._attempt = attempt
        self._sequence = (max(attempt, 1) - 1) * PER_ATTEMPT
        self._new: list[_Line] = []
        self._tail: deque[_Line] = deque()
        self._head_lines = 0
        self._head_size = 0
        self._tail_size = 0
        self._dropped = 0
        self._notice: int | None = None
        self._closed = False

    def add(self, at: datetime, level: str, event: str, source: str, fields: dict[str, Any]) -> None:
        """Append a line; behind the end it is dropped (a thread that was left behind may still write)."""
        if self._closed:
            return
        self._sequence += 1
        size = len(event) + _size(fields)
        line = _Line(self._sequence, at, level, event, source, fields, size)
        fits = self._head_lines < HEAD_LINES and self._head_size + size <= HEAD_SIZE
        if self._notice is None and fits:
            self._head_lines += 1
            self._head_size += size
            self._new.append(line)
            return
        if self._notice is None:
            self._notice = self._sequence
            self._new.append(self._line_about_more(at))
        self._tail.append(line)
        self._tail_size += size
        while len(self._tail) > TAIL_LINES or (self._tail_size > TAIL_SIZE and len(self._tail) > 1):
            self._tail_size -= self._tail.popleft().size
            self._dropped += 1

    def close(self, at: datetime) -> None:
        """No more lines come: those kept from the end can be drained. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._dropped and self._notice is not None:
            self._new.append(self._line_about_dropped(at))
        self._new += self._tail
        self._tail.clear()

    def drain(self) -> list[LogLine]:
        """The lines since the last call, in order."""
        lines, self._new = self._new, []
        return [
            LogLine(line.sequence, line.at, line.level, line.event, self._attempt, line.source, line.fields)
            for line in lines
        ]

    def _line_about_more(self, at: datetime) -> _Line:
        """Stands in the place of the first line that may be dropped, until the end tells which were."""
        event = f"… more lines follow; the last {TAIL_LINES:,} are shown when the attempt ends"
        return _Line(self._sequence, at, "info", event, "log", {}, 0)

    def _line_about_dropped(self, at: datetime) -> _Line:
        assert self._notice is not None
        event = f"… {self._dropped:,} lines dropped here"
        return _Line(self._notice, at, "warning", event, "log", {"dropped": self._dropped}, 0)


def _size(value: Any) -> int:
    """About how many characters *value* has when it is written."""
    if type(value) is str:
        return len(value)
    if type(value) is dict:
        return sum([len(key) + _size(item) for key, item in value.items()])
    if type(value) is list:
        return sum(map(_size, value))
    return 8
