"""What plugins put around the call of a job in the job's own thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Literal

import anyio

from jobkit.context import RunCancelled
from jobkit.hookspecs import RULES

if TYPE_CHECKING:
    from jobkit.plugins.around import RunContext
    from jobkit.runner.executors.thread import ThreadCall, Threads
    from jobkit.runner.site import Site
    from jobkit.runner.wrapping import Timed


def patience() -> float:
    """How long entering, or leaving, one wrapper may take, in seconds."""
    return RULES["jobkit_run_context"].timeout or float("inf")


def allowance() -> float:
    """How long plugins may hold up an attempt beyond its limit, in seconds.

    Each of them is cut off after its own time; this is for one that holds up what would cut it off.
    """
    return 3 * patience()


class AroundCall:
    """The plain wrappers of one attempt, around the call in its thread.

    A thread cannot be stopped, so a wrapper that does not come back is left behind with it: before the call,
    the job is called in another thread without them; after it, what the job returned counts.
    ``call`` belongs to the thread, everything else to the event loop.
    """

    def __init__(self, wrappers: RunContext, site: Site, attempt: Timed) -> None:
        self._wrappers = wrappers
        self._clock = site.clock
        self._portal = site.portal
        self._attempt = attempt
        self._state: Literal["entering", "called", "leaving", "given up"] = "entering"
        self._scope = anyio.CancelScope()
        self._returned: object = None
        self._raised: BaseException | None = None
        self._ended = 0.0

    # -- in the thread ------------------------------------------------------------------------------------

    def call(self, job: Callable[[], object]) -> object:
        """What *job* returns, called inside the wrappers."""
        began = self._clock.monotonic()
        with self._wrappers.in_thread():
            if not self._tell(lambda: self._entered(self._clock.monotonic() - began)):
                raise RunCancelled("the run is to stop")
            try:
                self._returned = job()
            except BaseException as error:  # wrappers are to see it, and it is kept for whoever waits
                self._raised = error
            self._ended = self._clock.monotonic()
            self._tell(self._leaving)
            if self._raised is not None:
                raise self._raised
            return self._returned

    def _tell(self, fact: Callable[[], bool]) -> bool:
        try:
            return self._portal.call(fact)
        except (RuntimeError, CancelledError):  # the event loop has ended, and nobody waits
            return False

    # -- on the event loop --------------------------------------------------------------------------------

    async def execute(self, threads: Threads, call: ThreadCall) -> bool:
        """Let *call*, which is to call :meth:`call`, happen; False if the job was not called by it."""
        self._attempt.pause()
        began = self._clock.monotonic()
        self._scope.deadline = anyio.current_time() + patience()
        with self._scope:
            await threads.execute(call)
        if not self._scope.cancelled_caught:
            if self._state == "leaving":
                self._attempt.resume(self._clock.monotonic() - self._ended)
            return True
        self._wrappers.overdue()
        called = self._state == "leaving"
        self._attempt.resume(self._clock.monotonic() - (self._ended if called else began))
        if not called:
            self._state = "given up"
        await threads.wind_up(call, 0)
        return called

    def outcome(self, call: ThreadCall) -> Any:
        """What the job returned; raises what it raised."""
        if self._state != "leaving":  # it was to stop before the job was called
            return call.outcome()
        if self._raised is not None:
            raise self._raised
        return self._returned

    def _entered(self, seconds: float) -> bool:
        if self._state == "given up":
            return False
        self._attempt.resume(seconds)
        if self._attempt.stopping:
            return False
        self._state, self._scope.deadline = "called", float("inf")
        return True

    def _leaving(self) -> bool:
        if self._state == "called":
            self._state = "leaving"
            self._attempt.pause()
            self._scope.deadline = anyio.current_time() + patience()
        return True
