"""What a job says about how it went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self

from jobkit.statuses import RunStatus

_ALLOWED = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.SKIPPED)
_NO_DATA: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobResult:
    """The outcome that a job returns; every method gives a new one, none changes it.

    ``processed`` and ``errors`` are counts (integers, not negative) or None when not counted;
    ``duration_ms`` is measured by the runner unless given. ValueError for anything else.
    """

    status: RunStatus = RunStatus.SUCCEEDED
    message: str | None = None
    processed: int | None = None
    errors: int | None = None
    duration_ms: float | None = None
    data: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA)

    def __post_init__(self) -> None:
        if self.status not in _ALLOWED:
            raise ValueError(f"a job may end {', '.join(_ALLOWED)}, not {self.status!r}")
        if not isinstance(self.status, RunStatus):
            object.__setattr__(self, "status", RunStatus(self.status))
        if self.message is not None and not isinstance(self.message, str):
            raise ValueError(f"a message is text, not {type(self.message).__name__}")
        _check_count("processed", self.processed)
        _check_count("errors", self.errors)
        _check_duration(self.duration_ms)
        if not isinstance(self.data, Mapping):
            raise ValueError(f"data is a mapping, not {type(self.data).__name__}")
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

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


def _check_count(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is a whole number, not {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name} cannot be negative, and it is {value}")


def _check_duration(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"a duration is a number of milliseconds, not {type(value).__name__}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"a duration is finite and not negative, and it is {value}")
