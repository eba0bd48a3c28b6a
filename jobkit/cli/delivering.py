"""What sinks get of the runs of ``jobkit run``: one attempt, and the rest is left to others."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from jobkit.cli.interruption import Interruption
from jobkit.exceptions import StoreError
from jobkit.sinks.delivery import Delivery
from jobkit.sinks.report import DeliveryReport

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.records import RunRecord
    from jobkit.stores.base import Store

#: After how many seconds somebody who waits is told what for.
PATIENCE = 1.0
#: How many seconds after a signal the event loop has to be alive.
ALIVE_AFTER = 1.0


class FinalDelivery:
    """The sinks of *project* while its jobs run here. Nothing that it does changes how the command ends.

    *say* writes a line for people, None says nothing; *end* ends the process at once. A sink that holds the
    event loop hears no cancellation: then the first signal ends the process, after a moment.
    """

    def __init__(
        self,
        project: Project,
        store: Store,
        say: Callable[[str], bool] | None,
        end: Callable[[], object],
    ) -> None:
        self._project = project
        self._store = store
        self._say = say
        self._end = end
        self._stack = AsyncExitStack()
        self._heard = threading.Event()
        self._delivery = Delivery(project.sinks, store, hooks=project.hooks, secrets=project.config.secrets)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._delivery)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Local sinks are given what waits for them, within their time: a signal does not end that sooner.
        interruption = Interruption()
        with interruption.watched(self._heard.set, self._told_while_closing, self._end):
            await self._stack.aclose()

    def finished(self, run: RunRecord) -> None:
        """A run has ended, and is recorded."""
        self._delivery.finished(run)

    async def deliver(self, *, interrupted: bool) -> None:
        """One attempt for each sink, unless somebody is *interrupted*; then say what is left."""
        report = None if interrupted else await self._attempt()
        if report is None:
            report = await self._left()
        for line in report.words():
            self._tell(line)

    async def _attempt(self) -> DeliveryReport | None:
        """What came of it; None if it was interrupted."""
        report: DeliveryReport | None = None
        interruption = Interruption()
        with (
            anyio.CancelScope() as scope,
            interruption.watched(partial(self._cancel, scope), self._told, self._end),
        ):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._explain)
                report = await self._delivery.once()
                tasks.cancel_scope.cancel()
        return report

    async def _explain(self) -> None:
        await anyio.sleep(PATIENCE)
        self._tell("delivering to sinks; Ctrl-C leaves the rest to a scheduler, or the next `jobkit run`")

    async def _left(self) -> DeliveryReport:
        """What waits, although nobody has tried."""
        mine = {_name_of(provided.value) for provided in self._project.sinks}
        try:
            states = await self._store.sinks()
        except StoreError:  # whatever waits, waits on
            return DeliveryReport()
        return DeliveryReport(
            waiting={state.name: state.waiting for state in states if state.waiting and state.name in mine}
        )

    def _cancel(self, scope: anyio.CancelScope) -> None:
        self._heard.set()
        scope.cancel()

    def _end_unless_heard(self) -> None:
        """In a thread of its own: nothing else goes on while a sink holds the event loop."""
        if not self._heard.wait(ALIVE_AFTER):
            self._tell("a sink holds up everything: ended without it")
            self._end()

    def _told_while_closing(self, name: str) -> bool:
        self._heard.clear()
        _thread.start_new_thread(self._end_unless_heard, ())
        return self._tell(f"{name}: sinks are being closed; once more ends it at once")

    def _told(self, name: str) -> bool:
        # In a signal's handler: `threading` takes locks for a thread, which the interrupted code may hold.
        _thread.start_new_thread(self._end_unless_heard, ())
        rest = "what is not delivered yet is left to a scheduler or the next `jobkit run`"
        return self._tell(f"{name}: {rest}")

    def _tell(self, line: str) -> bool:
        return self._say is None or self._say(line)


def _name_of(sink: object) -> str | None:
    try:
        name = getattr(sink, "name", None)
    except Exception:  # one that cannot be asked was reported when the sinks were registered
        return None
    return name if isinstance(name, str) else None
