"""The wall clock of a host that is set wrong: for every Python that finds this folder on its path.

``WRONG_CLOCK`` says by how many seconds it is ahead. What jobkit reads is shifted, and so are the timers of
the platform that follow the wall clock; the server of the tests shows the right time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

from jobkit import clock, wall_clock

_AHEAD = float(os.environ["WRONG_CLOCK"])

_right_time, _right_time_ns = time.time, time.time_ns
_right_timers = wall_clock._functions


class _Wrong(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + timedelta(seconds=_AHEAD)


def _wrong_timers() -> tuple[Callable[[], int], Callable[[int, float], bool]] | None:
    found = _right_timers()
    if found is None:
        return None
    create, arm = found
    return create, lambda timer, instant: arm(timer, instant - _AHEAD)


_here: Any = (time, clock, wall_clock)  # for whoever checks types, they are what they were
_here[0].time = lambda: _right_time() + _AHEAD
_here[0].time_ns = lambda: _right_time_ns() + int(_AHEAD * 1e9)
_here[1].datetime = _Wrong
_here[2]._functions = _wrong_timers
