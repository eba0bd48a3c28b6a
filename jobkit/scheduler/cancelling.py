"""Requests to cancel runs reach the process that executes them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from jobkit.exceptions import StoreError
from jobkit.statuses import Reason
from jobkit.stores.values import cancelled_message
from jobkit.stores.waking import POLL

if TYPE_CHECKING:
    from jobkit.runner import Runner
    from jobkit.scheduler.connection import Connection
    from jobkit.stores.base import Store
    from jobkit.stores.control import CancelRequest

#: A run gives way to one of its own job in the words ``run 1423``.
_FOR_A_RUN: Final = "run "
#: Seconds after which a run is looked for once more that is asked to end, and does not go on here: its lease
#: may have been taken a moment ago.
BEGINNING: Final = 0.3
#: Seconds until the next look where nothing was heard and nothing goes on here: a hint is lost only when a
#: process dies just after it has written.
IDLE_POLL: Final = 30.0
#: Seconds that a process has been at work before it listens: a run that is shorter costs nothing more.
_FIRST_LOOK: Final = 0.2
#: Seconds between two looks at the least, however much is written.
BREATH: Final = 0.1


class CancelWatch:
    """Stops the runs that go on here and that somebody asked to end. Belongs to the event loop.

    With *connection* a store that is away is asked until it answers. Without, as where the run alone matters,
    whatever is wrong with the store ends the look, silently: the runner says what is wrong with it, and the
    next look comes.
    """

    def __init__(self, store: Store, runner: Runner, connection: Connection | None = None) -> None:
        self._store = store
        self._runner = runner
        self._connection = connection
        self._told: set[str] = set()
        self._elsewhere: set[str] = set()
        self._free: anyio.Event | None = None

    async def look(self) -> float:
        """Have the runs end that are asked to now; within how many seconds to look again at the latest."""
        return BEGINNING if await self._tell() else POLL

    async def serve(self) -> None:
        """Look each time that somebody may have asked, until cancelled; from a moment after the start on."""
        await anyio.sleep(_FIRST_LOOK)
        await self._listen(0.0)  # what is written from here on ends a wait
        while True:
            while self._free is not None:
                await self._free.wait()
            within = await self.look()
            await anyio.sleep(BREATH)
            idle = within == POLL and not self._runner.going_on
            await self._listen(IDLE_POLL if idle else within)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Leave it to somebody else to wait and to call :meth:`look`, as long as this is entered.

        Of two who wait at a time, one may take what the other was to hear.
        """
        self._free = free = anyio.Event()
        try:
            yield
        finally:
            self._free = None
            free.set()

    async def _tell(self) -> bool:
        """Whether a request is new that is for no run that goes on here."""
        requests = await self._requests()
        here = self._runner.going_on
        for run_id in requests.keys() & here - self._told:
            self._runner.cancel(run_id, reason_of(requests[run_id]), message=message_of(requests[run_id]))
        self._told = requests.keys() & here
        before, self._elsewhere = self._elsewhere, requests.keys() - here
        return bool(self._elsewhere - before)

    async def _requests(self) -> dict[str, CancelRequest]:
        if self._connection is not None:
            return await self._connection.insist(self._store.cancel_requests, "read what is to be cancelled")
        try:
            return await self._store.cancel_requests()
        except StoreError:
            return {}  # see above: the next look comes

    async def _listen(self, seconds: float) -> None:
        try:
            await self._store.wait(seconds)
        except StoreError:
            await anyio.sleep(seconds)  # the store is away, and with it whoever could ask


def reason_of(request: CancelRequest) -> Reason | None:
    """Why a run ends that is asked to; people have words of their own, so none of ours."""
    return Reason.SUPERSEDED if _is_for_a_run(request) else None


def message_of(request: CancelRequest) -> str:
    """What its record says of it."""
    if _is_for_a_run(request):
        return f"{request.by} of the same job took its place"
    return cancelled_message(request.by, request.reason)


def _is_for_a_run(request: CancelRequest) -> bool:
    return request.by.startswith(_FOR_A_RUN) and request.by.removeprefix(_FOR_A_RUN).isdecimal()


async def watched(watch: CancelWatch, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """*work*, and the *watch* while it goes on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.serve)
        await work()
        tasks.cancel_scope.cancel()
