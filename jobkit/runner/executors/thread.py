"""Plain functions, each call in a worker thread, with what cannot be helped: threads that do not end."""

from __future__ import annotations

import math
import threading
import traceback
from collections.abc import Callable
from typing import Any

import anyio

from jobkit.exceptions import RunRefused
from jobkit.runner.stacks import thread_frames

#: Once so many threads of a process did not end, it starts no new ones.
MOST_ABANDONED = 10


class ThreadCall:
    """One call in a worker thread."""

    def __init__(self, call: Callable[[], Any], label: str) -> None:
        self.label = label
        #: Set on the event loop once a call that nobody waited for has ended after all.
        self.ended = anyio.Event()
        self._call = call
        self._lock = threading.Lock()
        self._over = False
        self._tell: Callable[[], None] | None = None
        self._thread: int | None = None
        self._returned: Any = None
        self._raised: BaseException | None = None

    def execute(self) -> None:
        """Make the call, in the thread it was given to; never raises."""
        with self._lock:
            if self._over:
                return
            self._thread = threading.get_ident()
        try:
            self._returned = self._call()
        except BaseException as error:  # it is carried over to the one who waits
            self._raised = error
        with self._lock:
            self._over = True
            tell = self._tell
        if tell is not None:
            tell()

    def outcome(self) -> Any:
        """What the call returned; raises what it raised. Only after it is over."""
        if self._raised is not None:
            raise self._raised
        return self._returned

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._over

    def tell(self, listener: Callable[[], None]) -> bool:
        """Call *listener* in the thread when the call ends; False if it has ended, or now never begins."""
        with self._lock:
            self._tell = listener
            if self._thread is None:  # whoever waited was cancelled before a thread took it up
                self._over = True
            return not self._over

    @property
    def raised(self) -> BaseException | None:
        """What the call raised, once it is over."""
        return self._raised

    def stack(self) -> traceback.StackSummary | None:
        """Where the thread is at this moment."""
        frame = thread_frames().get(self._thread or 0)
        return traceback.extract_stack(frame) if frame is not None and not self._over else None


class Threads:
    """The worker threads of this process that jobs run in, and those that were left behind.

    *soon* lets a call happen on the event loop, from any thread.
    """

    def __init__(self, soon: Callable[[Callable[[], object]], None]) -> None:
        self._soon = soon
        # Runs are limited before they start; a limit here too would let parents that wait for their
        # children hold the very threads that the children wait for.
        self._limiter = anyio.CapacityLimiter(math.inf)
        self._abandoned: list[ThreadCall] = []

    @property
    def abandoned(self) -> tuple[str, ...]:
        """The labels of the calls that were left behind and still go on. From any thread."""
        return tuple(call.label for call in self._abandoned if not call.over)

    @property
    def has_room(self) -> bool:
        """Whether another thread may be started. From any thread."""
        return len(self.abandoned) < MOST_ABANDONED

    def check_room(self) -> None:
        """Raise RunRefused if too many threads did not end for another to be started."""
        going_on = self.abandoned
        if len(going_on) >= MOST_ABANDONED:
            raise RunRefused(
                f"{len(going_on)} threads of earlier runs did not end in time and still go on "
                f"({', '.join(going_on[:3])}, …): this process starts no further ones",
                code="JK521",
                help="restart the process, and let jobs in threads ask `ctx.cancelled`, "
                'or give them executor="process"',
            )

    async def execute(self, call: ThreadCall) -> None:
        """Let *call* happen in a thread and wait for it. Cancelled: the thread goes on, nobody waits."""
        await anyio.to_thread.run_sync(call.execute, abandon_on_cancel=True, limiter=self._limiter)

    async def wind_up(self, call: ThreadCall, seconds: float) -> bool:
        """Give a call that nobody waits for time to notice; False if it is left behind."""
        if call.tell(lambda: self._soon(call.ended.set)):
            with anyio.move_on_after(seconds, shield=True):
                await call.ended.wait()
        if not call.over:
            self._abandoned = [*(other for other in self._abandoned if not other.over), call]
        return call.over
