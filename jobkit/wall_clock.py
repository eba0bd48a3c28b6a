"""Sleeping until an instant of the wall clock, which may be set meanwhile.

Linux tells at once: a timer on the wall clock can be cancelled by its being set. Elsewhere the clocks are
compared every ten seconds, while somebody waits.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ctypes

#: How often the clocks are compared where the platform does not tell, in seconds.
COMPARED_EVERY = 10.0
#: So many timers of the platform at once, at most: each is an open file. Further sleepers compare clocks.
MOST_TIMERS = 64

# Of <sys/timerfd.h>, the same on every architecture.
_ABSTIME, _CANCEL_ON_SET = 1, 2
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK if sys.platform != "win32" else 0, 0o2000000

#: A clock that differs by so many seconds from the machine's is another one.
_SAME = 0.5

_open_timers = 0


async def sleep_until(instant: float, now: Callable[[], float]) -> None:
    """Return once ``now()``, in seconds since the epoch by the wall clock, has reached *instant*.

    *now* is asked again whenever the wall clock was set; a clock that is not the machine's is compared.
    """
    import anyio

    while (remaining := instant - now()) > 0:
        timer = _timer(instant) if abs(now() - time.time()) < _SAME else None
        if timer is None:
            await anyio.sleep(min(remaining, COMPARED_EVERY))
            continue
        try:
            await anyio.wait_readable(timer)
        finally:
            _close(timer)


def _timer(instant: float) -> int | None:
    """A descriptor that is readable at *instant*, or once the wall clock was set; None if there is none."""
    global _open_timers
    functions = _functions() if _open_timers < MOST_TIMERS else None
    if functions is None:
        return None
    create, arm = functions
    timer = create()
    if timer < 0:  # no more files can be opened
        return None
    if not arm(timer, instant):
        os.close(timer)
        return None
    _open_timers += 1
    return timer


def _close(timer: int) -> None:
    global _open_timers
    _open_timers -= 1
    os.close(timer)


@functools.cache
def _functions() -> tuple[Callable[[], int], Callable[[int, float], bool]] | None:
    """How a timer is made, and armed; None where there are none."""
    if not sys.platform.startswith("linux"):
        return None
    if sys.version_info >= (3, 13):
        return _create_by_python, _arm_by_python
    # The layout of its arguments is certain where `long` and the seconds of a time have 64 bits.
    return _by_ctypes() if sys.maxsize > 2**32 else None


def _create_by_python() -> int:
    system: Any = os
    try:
        return int(system.timerfd_create(time.CLOCK_REALTIME, flags=system.TFD_NONBLOCK | system.TFD_CLOEXEC))
    except OSError:
        return -1


def _arm_by_python(timer: int, instant: float) -> bool:
    system: Any = os
    try:
        system.timerfd_settime(timer, flags=_ABSTIME | _CANCEL_ON_SET, initial=instant)
    except OSError:
        return False
    return True


def _by_ctypes() -> tuple[Callable[[], int], Callable[[int, float], bool]] | None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    try:
        create, settime = libc.timerfd_create, libc.timerfd_settime
    except AttributeError:
        return None

    def arm(timer: int, instant: float) -> bool:
        seconds, fraction = divmod(max(instant, 1e-9), 1)
        # Interval of seconds and nanoseconds: none; then the instant.
        when: ctypes.Array[ctypes.c_long] = (ctypes.c_long * 4)(0, 0, int(seconds), int(fraction * 1e9))
        return bool(settime(timer, _ABSTIME | _CANCEL_ON_SET, ctypes.byref(when), None) == 0)

    return lambda: int(create(time.CLOCK_REALTIME, _NONBLOCK | _CLOEXEC)), arm
