"""When and how often a failed attempt is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobkit.durations import parse_duration


@dataclass(frozen=True, slots=True)
class Retry:
    """Further attempts after the first, with growing pauses.

    *retries* counts further attempts (0 to 1000). The pause before the n-th of them is ``delay *
    backoff**(n-1)``, capped at *max_delay* (durations as everywhere), and with *jitter* a share of
    it that depends on the run's id alone. *on* limits which exceptions are tried again; a timeout, a
    lost attempt and ``JobResult.failure`` always are.
    """

    retries: int = 0
    delay: timedelta | str | float = timedelta(seconds=10)
    backoff: float = 2.0
    max_delay: timedelta | str | float = timedelta(minutes=10)
    jitter: bool = True
    on: tuple[type[BaseException], ...] = (Exception,)

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int):
            raise TypeError(f"retries is a whole number, not {type(self.retries).__name__}")
        if not 0 <= self.retries <= 1000:
            raise ValueError(f"retries lies between 0 and 1000, and it is {self.retries}")
        if isinstance(self.backoff, bool) or not isinstance(self.backoff, int | float):
            raise TypeError(f"backoff is a number, not {type(self.backoff).__name__}")
        if not 1 <= self.backoff <= 100:
            raise ValueError(f"backoff lies between 1 and 100, and it is {self.backoff}")
        if not isinstance(self.jitter, bool):
            raise TypeError(f"jitter is true or false, not {type(self.jitter).__name__}")
        object.__setattr__(self, "delay", parse_duration(self.delay))
        object.__setattr__(self, "max_delay", parse_duration(self.max_delay))
        object.__setattr__(self, "on", _exceptions(self.on))

    def pause(self, retry: int, run_id: str) -> timedelta:
        """The pause before the *retry*-th further attempt (from 1) of the run *run_id*."""
        first = parse_duration(self.delay).total_seconds()
        longest = parse_duration(self.max_delay).total_seconds()
        try:
            seconds = min(first * float(self.backoff) ** (retry - 1), longest)
        except OverflowError:
            seconds = longest if first else 0.0
        return timedelta(seconds=seconds * _share(run_id, retry) if self.jitter else seconds)

    def covers(self, error: BaseException) -> bool:
        """Whether *error* is one of those that are tried again."""
        return isinstance(error, self.on)


def _share(run_id: str, retry: int) -> float:
    """A number in [0, 1) that is the same in every process for this run and retry."""
    import hashlib  # loads OpenSSL, which a process that only collects jobs does not need

    digest = hashlib.blake2b(f"{run_id}/{retry}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    kinds = value if isinstance(value, tuple | list) else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            name = kind.__name__ if isinstance(kind, type) else f"an object of type {type(kind).__name__}"
            raise TypeError(f"on holds exception classes, not {name:.60}")
    return tuple(kinds)
