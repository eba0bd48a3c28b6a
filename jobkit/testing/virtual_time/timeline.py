"""When virtual time goes on, and by how much. Knows no event loop."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from jobkit.testing.virtual_time.errors import VirtualTimeError, held_up, nothing_left


@dataclass(slots=True, order=True)
class Moment:
    """Something that happens at *at*. One that does not *count* is nothing that anybody waits for."""

    at: float
    number: int
    happen: Callable[[Loop], None] | None = field(compare=False)
    counts: bool = field(compare=False, default=True)


class Timeline:
    """The time of one clock, in seconds, and what happens on it besides the timers of event loops.

    All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.lock = threading.RLock()
        self._moments: list[Moment] = []
        self._number = 0
        self._counting = 0

    def add(self, at: float, happen: Callable[[Loop], None], *, counts: bool = True) -> Moment:
        """Have *happen* called, with the loop whose turn it is and in its thread, once it is *at*."""
        with self.lock:
            self._number += 1
            moment = Moment(at, self._number, happen, counts)
            heapq.heappush(self._moments, moment)
            self._counting += counts
        return moment

    def remove(self, moment: Moment) -> None:
        """Do not let it happen. Idempotent."""
        with self.lock:
            if moment.happen is not None:
                moment.happen = None
                self._counting -= moment.counts

    def advance(self, deadline: float, loop: Loop) -> bool:
        """Go on to the next thing that happens, a timer of *loop* at *deadline* being one of them.

        False if nothing that counts is left.
        """
        with self.lock:
            while self._moments and self._moments[0].happen is None:
                heapq.heappop(self._moments)
            if deadline == math.inf and not self._counting:
                return False
            # At one instant tasks come first: what they do then does not race with a thread.
            if not self._moments or self._moments[0].at >= deadline:
                self.now = max(self.now, deadline)
                return True
            moment = heapq.heappop(self._moments)
            self.now = max(self.now, moment.at)
            self._counting -= moment.counts
            happen, moment.happen = moment.happen, None
        if happen is not None:
            happen(loop)
        return True


class Hold:
    """Keeps a loop from letting time pass until it is released; ``suspended`` takes that back for a while.

    For any thread.
    """

    def __init__(self, loop: Loop, what: str) -> None:
        self._loop = loop
        self._what = what
        self._released = False
        self._suspended = 0
        loop.change(what, 1)

    def release(self) -> None:
        """Idempotent."""
        with self._loop.lock:
            if self._released:
                return
            self._released = True
            holding = not self._suspended
        if holding:
            self._loop.change(self._what, -1)

    def suspend(self) -> None:
        """Let time pass until :meth:`resume`; calls may be nested."""
        with self._loop.lock:
            self._suspended += 1
            holding = self._suspended == 1 and not self._released
        if holding:
            self._loop.change(self._what, -1)

    def resume(self) -> None:
        with self._loop.lock:
            self._suspended -= 1
            holding = self._suspended == 0 and not self._released
        if holding:
            self._loop.change(self._what, 1)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """``suspend``, and at the end ``resume``."""
        self.suspend()
        try:
            yield
        finally:
            self.resume()


class Loop:
    """What one event loop may do when none of its tasks can go on.

    *wake* makes it look again, from any thread. *patience* is how long it waits, in seconds of real time,
    for those who hold it. ``hold`` and ``change`` are for any thread, the rest is for the loop's.
    """

    def __init__(self, timeline: Timeline, patience: float) -> None:
        self.timeline = timeline
        self.lock = threading.RLock()
        self.wake: Callable[[], None] = lambda: None
        self.fail: Callable[[VirtualTimeError], None] | None = None
        self._patience = patience
        self._holds: dict[str, int] = {}
        self._held_since: float | None = None

    def hold(self, what: str) -> Hold:
        """Let no time pass until that is released; *what* is for the error's text."""
        return Hold(self, what)

    @contextmanager
    def held(self, what: str) -> Iterator[Hold]:
        """``hold``, and at the end ``release``."""
        hold = self.hold(what)
        try:
            yield hold
        finally:
            hold.release()

    def change(self, what: str, by: int) -> None:
        with self.lock:
            self._holds[what] = self._holds.get(what, 0) + by
            if not self._holds[what]:
                del self._holds[what]
            idle = not self._holds
        if idle:
            self.wake()

    @property
    def standing(self) -> bool:
        """Whether somebody keeps time from passing."""
        return bool(self._holds)

    def active(self) -> None:
        """A task could go on: whoever holds the loop has not begun to hold it up."""
        self._held_since = None

    def wait(self) -> float:
        """How long to wait, in seconds of real time, for those who hold the loop."""
        now = time.monotonic()
        if self._held_since is None:
            self._held_since = now
        left = self._held_since + self._patience - now
        if left > 0:
            return left
        with self.lock:
            by = list(self._holds)
        self._held_since = None
        if by:
            self._give_up(held_up(self._patience, by))
        return 0.0

    def jump(self, deadline: float) -> None:
        """Go on to the next thing that happens; *deadline* is the loop's next timer, or infinity."""
        if not self.timeline.advance(deadline, self):
            self._give_up(nothing_left(self.timeline.now))

    def _give_up(self, error: VirtualTimeError) -> None:
        fail, self.fail = self.fail, None
        if fail is None:  # they were told before, and cannot even clean up
            raise error
        fail(error)
