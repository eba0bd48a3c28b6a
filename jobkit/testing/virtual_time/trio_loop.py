"""trio's event loop in virtual time."""

from __future__ import annotations

import math

import trio

from jobkit.testing.virtual_time.timeline import Loop


class VirtualTrioClock(trio.abc.Clock, trio.abc.Instrument):
    """Clock and instrument of one ``trio.run``: its time is that of *virtual*."""

    def __init__(self, virtual: Loop) -> None:
        self.virtual = virtual
        self._looked = False

    # -- the clock ----------------------------------------------------------------------------------------

    def start_clock(self) -> None:
        token = trio.lowlevel.current_trio_token()

        def wake() -> None:
            try:
                token.run_sync_soon(lambda: None, idempotent=False)
            except trio.RunFinishedError:
                return  # nobody is left who waits

        self.virtual.wake = wake

    def current_time(self) -> float:
        return self.virtual.timeline.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Asked when no task can go on, at each look for what happens outside."""
        if deadline <= self.virtual.timeline.now:
            return 0
        if not self._looked:
            # Who has released the loop until now has said before what it had to say: look for that first.
            self._standing = self.virtual.standing
            self._looked = True
            return 0
        self._looked = False
        if self._standing:
            return self.virtual.wait()
        if deadline == math.inf and self._listens():
            return math.inf
        self.virtual.jump(deadline)
        return 0

    # -- the instrument -----------------------------------------------------------------------------------

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._looked = False
        self.virtual.active()

    def _listens(self) -> bool:
        """Whether a task waits for the network, a pipe or the like."""
        statistics = trio.lowlevel.current_statistics().io_statistics
        tasks = getattr(statistics, "tasks_waiting_read", 0) + getattr(statistics, "tasks_waiting_write", 0)
        return tasks > 1  # the loop itself listens for calls from other threads
