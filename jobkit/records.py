"""What is remembered: runs, attempts, log lines.

The members of :class:`RunRecord` are exactly those of a run's JSON (``jobkit history --json``), with
aware UTC datetimes. Everything here is frozen plain data and safe to share between tasks and threads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from jobkit.durations import format_duration
from jobkit.statuses import RunStatus, Trigger

if TYPE_CHECKING:
    from random import Random

_PLAIN = frozenset({str, int, float, bool})


@dataclass(frozen=True, slots=True)
class RunFailure:
    """The exception that ended a run: qualified class name, message, the user's frames.

    For an error of jobkit itself *code* and *help* say more; a run's JSON leaves them out.
    """

    type: str
    message: str
    traceback: str | None = None
    code: str | None = None
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run says it is; *total* None means unknown."""

    done: float
    total: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class TickSpan:
    """Consecutive ticks that one row accounts for."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run as history knows it. ``duration_ms`` is an integer; a span of skipped ticks has no
    number and carries ``ticks``."""

    id: str
    number: int | None
    job: str
    extension: str
    status: RunStatus
    trigger: Trigger
    scheduled_at: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_ms: int | None = None
    attempt: int = 0
    attempts: int = 1
    actor: str = ""
    node: str = ""
    enforce: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    message: str | None = None
    processed: int | None = None
    errors: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | None = None
    window: tuple[datetime, datetime] | None = None
    covers: TickSpan | None = None
    reason: str | None = None
    error: RunFailure | None = None
    cleanup_errors: tuple[RunFailure, ...] = ()
    parent: str | None = None
    retry_of: str | None = None
    ticks: TickSpan | None = None

    def to_json(self) -> dict[str, Any]:
        """This run as the JSON shape of the contract: plain values, times RFC 3339 UTC with ``Z``."""
        plain = {item.name: to_plain(getattr(self, item.name)) for item in fields(self)}
        return plain if self.id else {**plain, "id": None}  # a span of ticks


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One execution of a run; ``number`` counts from 1."""

    run_id: str
    number: int
    status: RunStatus
    started_at: datetime
    finished_at: datetime | None = None
    duration_ms: int | None = None
    node: str = ""
    message: str | None = None
    reason: str | None = None
    error: RunFailure | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {item.name: to_plain(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a run wrote: a structured event, a ``logging`` record or a printed line.

    ``sequence`` counts from 1 within the run and is the key for following it.
    """

    sequence: int
    at: datetime
    level: str
    event: str
    attempt: int
    source: str = "log"
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {item.name: to_plain(getattr(self, item.name)) for item in fields(self)}


def new_run_id(at: datetime) -> str:
    """A UUIDv7 for a run that is asked for at *at*; ids sort by that time, to the millisecond."""
    bits = _random_bits()
    high = int(at.timestamp() * 1000) << 16 | 0x7000 | bits >> 62
    low = 2 << 62 | bits & (1 << 62) - 1
    text = f"{high:016x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _random_bits() -> int:
    """74 of them. Asking the system each time would hand over to another thread each time."""
    global _generator
    if _generator is None:
        from random import Random

        # Not the module's own: a job may seed that one, and get the ids of yesterday.
        _generator = Random(os.urandom(32))
    return _generator.getrandbits(74)


def _forget_generator() -> None:
    global _generator
    _generator = None


_generator: Random | None = None
if hasattr(os, "register_at_fork"):
    # A fork would go on with the numbers of its parent.
    os.register_at_fork(after_in_child=_forget_generator)


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; fractions of a second only where there are some.

    ValueError for a datetime without a zone: nobody knows which instant it is.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant is an aware datetime")
    utc = instant.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="microseconds" if utc.microsecond else "seconds") + "Z"


def to_plain(value: Any) -> Any:
    """*value* as JSON knows it: records become objects, dates, paths and the like text, tuples lists."""
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, datetime):
        return format_instant(value) if value.tzinfo is not None else value.isoformat()
    if isinstance(value, Enum):
        return to_plain(value.value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, RunFailure):
        return {"type": value.type, "message": value.message, "traceback": value.traceback}
    if isinstance(value, TickSpan | Progress | LogLine):
        return {item.name: to_plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [to_plain(item) for item in value]
    return value
