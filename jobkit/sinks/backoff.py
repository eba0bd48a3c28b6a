"""How long to wait before something is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

#: Beyond that many doublings every delay is the longest one.
_DOUBLINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The times of a delivery, in seconds of the event loop's clock.

    *poll* is how often it is looked whether anything waits; delays grow from *first*, doubling, to *most*;
    *linger* is how long what was delivered may stay unsettled, to be settled together; *grace* is what a
    call that was told to stop has for cleaning up; *enroll* is how often sinks are registered anew. *seed*
    makes the delays of tests the same each time.
    """

    poll: float = 5.0
    first: float = 1.0
    most: float = 300.0
    linger: float = 0.1
    grace: float = 1.0
    enroll: float = 3600.0
    seed: int | str | None = None


class Backoff:
    """Delays that double, each somewhere between a half and the whole of its length.

    The spread keeps many that failed together from trying again together.
    """

    def __init__(self, pace: Pace, name: str = "") -> None:
        self._first = pace.first
        self._most = pace.most
        self._random = Random() if pace.seed is None else Random(f"{pace.seed} {name}")

    def seconds(self, failures: int) -> float:
        """How long to wait after that many failures in a row, from 1."""
        whole = min(self._first * 2.0 ** min(max(failures, 1) - 1, _DOUBLINGS), self._most)
        return whole * (0.5 + 0.5 * self._random.random())
