"""Watching the event loop from outside: a job that holds it holds every other run, and cannot say so.

The loop is asked to answer from time to time, while leases are held and no longer. What it does meanwhile is
nobody's business; only that it does not answer counts.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING

from jobkit.logs import get_logger
from jobkit.runner.stacks import thread_frames
from jobkit.runner.whose import run_on

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.clock import Clock, Ticker

#: A loop that has not answered for so long is blocked, in seconds.
BLOCKED = 1.0
#: How often it is asked, and looked whether it has answered.
INTERVAL = timedelta(seconds=BLOCKED / 2)
# A process that was stopped and goes on has not been blocked: between two looks no more than this counts.
_LONGEST_LOOK = 4 * BLOCKED


class LoopGuard:
    """Says who blocks the event loop, and ends the process if it is blocked for *stall*.

    *soon* has something called on the loop, from any thread. *watched* says whether there still is something
    to watch for. *end* is called in the watching thread once the loop stood still for so long, after the
    stacks of all threads were logged; None for a process that is not ours to end.
    Made on the event loop; ``watch`` belongs to it, ``stalled`` and ``stop`` to any thread.
    """

    def __init__(
        self,
        clock: Clock,
        stall: timedelta,
        soon: Callable[[Callable[[], None]], None],
        watched: Callable[[], bool],
        end: Callable[[], None] | None,
    ) -> None:
        self._clock = clock
        self._stall = stall.total_seconds()
        self._soon = soon
        self._watched = watched
        self._end = end
        self._loop_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._ticker: Ticker | None = None
        #: When it was asked what it has not answered yet.
        self._asked: float | None = None
        self._looked = 0.0
        self._still = 0.0
        #: Who was told that it is blocked, until it is not any more.
        self._told: FilteringBoundLogger | None = None

    @property
    def stalled(self) -> bool:
        """Whether the loop has stood still for so long that nothing can be expected of it."""
        return self._still >= self._stall

    def watch(self) -> None:
        """Watch as long as there is something to watch for. Idempotent, and cheap."""
        with self._lock:
            if self._ticker is None:
                self._asked, self._still = None, 0.0
                self._ticker = self._clock.every(INTERVAL, self._look, name="jobkit-loop-guard")

    def stop(self) -> None:
        """Watch no more; waits for a look in progress. Idempotent."""
        with self._lock:
            ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.stop()

    # -- in the thread that watches ------------------------------------------------------------------

    def _look(self) -> None:
        now = self._clock.monotonic()
        with self._lock:
            if self._ticker is None:
                return
            if not self._watched():  # an idle process does not wake up for nothing
                self._ticker.stop()
                self._ticker = None
                return
            asked, passed, self._looked = self._asked, now - self._looked, now
            stalled = self.stalled
            if asked is None:
                self._asked = now
            else:
                self._still += min(passed, _LONGEST_LOOK)
            gives_up = self.stalled and not stalled
        if asked is None:
            self._soon(self._answer)
            return
        if self._told is None and now - asked >= BLOCKED:
            self._tell(asked, now - asked)
        if gives_up:
            self._give_up()

    def _tell(self, asked: float, seconds: float) -> None:
        frame = thread_frames().get(self._loop_thread)
        if frame is None:
            return  # the loop's thread has ended
        # What a run does is a line of that run.
        log = run_on(frame) or get_logger()
        log.warning("loop.blocked", seconds=round(seconds, 1), stack_info=frame)
        with self._lock:
            answered = self._asked != asked
            if not answered:
                self._told = log
        if answered:  # meanwhile
            log.info("loop.released", seconds=round(self._clock.monotonic() - asked, 1))

    def _give_up(self) -> None:
        frames = thread_frames()
        log = get_logger()
        log.critical("loop.stalled", seconds=round(self._still), ends=self._end is not None)
        for name, frame in _named(frames).items():
            log.critical("loop.stack", thread=name, stack_info=frame)
        if self._end is not None:
            self._end()

    # -- on the event loop -----------------------------------------------------------------------------

    def _answer(self) -> None:
        with self._lock:
            asked, self._asked, self._still = self._asked, None, 0.0
            told, self._told = self._told, None
        if told is not None and asked is not None:
            told.info("loop.released", seconds=round(self._clock.monotonic() - asked, 1))


def calls_soon() -> Callable[[Callable[[], None]], None]:
    """What has something called on the event loop that runs here, from any thread.

    Once the loop has ended that does nothing.
    """
    # Trio's own loop can run inside asyncio's, so it is asked first; not imported means not running.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        call, gone = trio.lowlevel.current_trio_token().run_sync_soon, trio.RunFinishedError
    else:
        import asyncio

        call, gone = asyncio.get_running_loop().call_soon_threadsafe, RuntimeError

    def soon(called: Callable[[], None]) -> None:
        with suppress(gone):  # the event loop is gone, and with it whoever would be blocked
            call(called)

    return soon


def _named(frames: dict[int, FrameType]) -> dict[str, FrameType]:
    """Frames by what people call their threads."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {f"{names.get(ident, 'thread')} ({ident})": frame for ident, frame in frames.items()}
