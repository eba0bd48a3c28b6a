"""What a job says about how it went."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Self

from jobkit.durations import LONGEST
from jobkit.statuses import RunStatus

_ALLOWED = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SKIPPED)
_LARGEST_COUNT = 2**63 - 1
_LONGEST_MS = LONGEST / timedelta(milliseconds=1)
_NO_DATA: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobResult:
    """The outcome that a job returns; every method gives a new one, none changes it.

    ``processed`` and ``errors`` are counts (integers, not negative, at most 64 bits) or None when not
    counted; ``duration_ms`` is measured by the runner unless given. ValueError for anything else.
    """

    status: RunStatus = RunStatus.SUCCEEDED
    message: str | None = None
    processed: int | None = None
    errors: int | None = None
    duration_ms: float | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)

    def __post_init__(self) -> None:
        if self.status not in _ALLOWED:
            raise ValueError(f"a job may end {', '.join(_ALLOWED)}, not {self.status!r}")
        if not isinstance(self.status, RunStatus):
            object.__setattr__(self, "status", RunStatus(self.status))
        if self.message is not None and not isinstance(self.message, str):
            raise ValueError(f"a message is text, not {type(self.message).__name__}")
        object.__setattr__(self, "processed", _count("processed", self.processed))
        object.__setattr__(self, "errors", _count("errors", self.errors))
        _check_duration(self.duration_ms)
        if not isinstance(self.data, Mapping):
            raise ValueError(f"data is a mapping, not {type(self.data).__name__}")
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only view cannot be pickled or copied; what it shows can.
        values = [getattr(self, item.name) for item in fields(self)]
        return type(self), (*values[:-1], dict(self.data))

    @classmethod
    def success(cls, message: str | None = None) -> Self:
        """The job did what it is for."""
        return cls(RunStatus.SUCCEEDED, message)

    @classmethod
    def failure(cls, message: str) -> Self:
        """An expected failure: recorded without a traceback, retried like any other."""
        return cls(RunStatus.FAILED, message)

    @classmethod
    def skipped(cls, message: str | None = None) -> Self:
        """There was nothing to do, and that is fine."""
        return cls(RunStatus.SKIPPED, message)

    def with_stats(self, processed: int | None = None, errors: int | None = None) -> Self:
        """The same result with counts of what was processed and what went wrong."""
        return replace(self, processed=processed, errors=errors)

    def with_duration(self, ms: float) -> Self:
        """The same result with a duration in milliseconds instead of the measured one."""
        return replace(self, duration_ms=ms)

    def with_message(self, text: str | None) -> Self:
        """The same result with another message."""
        return replace(self, message=text)

    def with_data(self, data: Mapping[str, Any]) -> Self:
        """The same result with *data* (JSON values), kept in history and handed to sinks."""
        return replace(self, data=data)


def _count(name: str, value: Any) -> int | None:
    """*value* as a plain int: the integers of other libraries are integers too."""
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"{name} is a whole number, not {type(value).__name__}")
    count = operator.index(value)
    if count < 0:
        raise ValueError(f"{name} cannot be negative")
    if count > _LARGEST_COUNT:
        raise ValueError(f"{name} has at most 64 bits (up to {_LARGEST_COUNT})")
    return count


def _check_duration(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a duration is a number of milliseconds, not {type(value).__name__}")
    if not 0 <= value <= _LONGEST_MS:  # also False for what is not a number
        raise ValueError("a duration in milliseconds is finite, not negative, and at most a hundred years")
