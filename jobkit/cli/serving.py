"""``jobkit start`` once the project is loaded: a scheduler on an event loop, and signals that it hears."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.last_words import end_at_once
from jobkit.cli.projects import problems
from jobkit.cli.signals import EarlyHangups, Signals
from jobkit.cli.starting import banner, off_by, standing_text
from jobkit.cli.systemd import EXTEND_EVERY, Supervisor
from jobkit.exceptions import ConfigError, JobkitError, StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.processes import ProcessIdentity
from jobkit.runner.outcome import Stop
from jobkit.runner.steady_loop import SteadyLoop
from jobkit.scheduler.scheduler import Scheduler
from jobkit.statuses import Reason

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.project import Project
    from jobkit.scheduler.reload import ReloadReport

#: Seconds between two looks whether files have changed, with ``--reload``.
LOOK_EVERY: Final = 0.5
#: Seconds between two attempts to reach the store, with ``--wait-store``.
_RETRY: Final = 1.0
#: What is left after the grace for cancelling, recording and saying good-bye; the rest is for last words.
_ENDING: Final = timedelta(seconds=6.2)


@dataclass(slots=True)
class Served:
    """How it ended: *recorded* says whether every run that went on here was, *restart* names what has changed
    and only a new process can take up."""

    recorded: bool = True
    signal: str | None = None
    restart: tuple[str, ...] = ()


def serve(
    project: Project,
    session: Session,
    *,
    reload: bool,
    patience: timedelta | None,
    hangups: EarlyHangups | None = None,
) -> Served:
    """Serve *project* until a signal comes.

    *patience* is how long the store is waited for; *hangups* came while the project was loaded.

    Raises StoreError if the store cannot be used, and ConfigError for an engine that does not exist.
    """
    service = _Service(project, session, reload=reload, patience=patience, hangups=hangups)
    # What was loaded stays: to look through it for garbage would hold up a loop with very many jobs.
    gc.collect()
    gc.freeze()
    return anyio.run(service.run, backend_options={"loop_factory": SteadyLoop})


class _Service:
    def __init__(
        self,
        project: Project,
        session: Session,
        *,
        reload: bool,
        patience: timedelta | None,
        hangups: EarlyHangups | None,
    ) -> None:
        self._hangups = hangups
        self._project = project
        self._session = session
        self._reloads = reload
        self._patience = patience
        self._supervisor = Supervisor.of(os.environ)
        self._served = Served()
        #: What is broken and was shown.
        self._shown = _by_place(problems(project))
        self._stop = anyio.Event()
        self._reload_wanted = anyio.Event()
        self._scheduler: Scheduler
        self._entered_store = False

    async def run(self) -> Served:
        signals = Signals(
            stop=self._asked_to_stop,
            hurry=self._hurry,
            reload=self._asked_to_reload,
            end=self._end,
            patience=self._project.config.scheduler.shutdown_grace + _ENDING,
        )
        with signals.heard():
            if self._hangups is not None and self._hangups.count:
                self._reload_wanted.set()
            async with AsyncExitStack() as stack:
                entered = await self._entered(stack)
                if entered is not None:
                    self._scheduler, self._entered_store = entered, True
                    await self._serve()
            self._served.signal = signals.first
        self._supervisor.close()
        if entered is not None:
            self._served.recorded = await self._all_recorded()
        return self._served

    # -- beginning ------------------------------------------------------------------------------------------

    async def _entered(self, stack: AsyncExitStack) -> Scheduler | None:
        """The scheduler, its store open; None if it is to stop before that."""
        clock = self._session.clock
        until = clock.monotonic() + (self._patience or timedelta(0)).total_seconds()
        told = False
        while True:
            scheduler = Scheduler(
                self._project,
                clock=self._session.given_clock,
                stalled=partial(os._exit, ExitCode.INTERNAL),
            )
            try:
                return await stack.enter_async_context(scheduler)
            except StoreUnavailable as error:
                if self._stop.is_set():
                    return None
                if clock.monotonic() >= until:
                    raise
                if not told:
                    self._session.output.mention(error, kind="warning")
                    self._session.output.aside("waiting for the store (--wait-store)")
                    told = True
            self._supervisor.extend("waiting for the store")
            with anyio.move_on_after(_RETRY):
                await self._stop.wait()

    async def _serve(self) -> None:
        lines = [*banner(self._project, self._session)]
        self._session.output.aside(*lines)
        if not lines and not self._project.config.scheduler.enabled:
            get_logger().warning("scheduler.off", where=off_by(self._project), does="only queued runs")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report_phases)
            tasks.start_soon(self._heed_reloads)
            if self._supervisor.watchdog is not None:
                tasks.start_soon(self._feed, self._supervisor.watchdog / 2)
            if self._reloads:
                tasks.start_soon(self._watch)
            await self._scheduler.serve_until(self._stop)
            tasks.cancel_scope.cancel()

    # -- what the supervisor is told ------------------------------------------------------------------------

    async def _report_phases(self) -> None:
        """Ready once the startup list is through and ticks fire; starting and stopping may take longer than
        a supervisor waits by itself."""
        if not self._supervisor:
            return
        while self._scheduler.state in ("entered", "starting"):
            self._supervisor.extend("starting")
            await self._until_begun()
        if not self._stop.is_set():
            self._supervisor.ready(self._status())
        await self._stop.wait()
        self._supervisor.stopping()
        while True:
            self._supervisor.extend("stopping")
            await anyio.sleep(EXTEND_EVERY)

    async def _until_begun(self) -> None:
        with anyio.move_on_after(EXTEND_EVERY):
            serving = self._scheduler.serving
            if serving is None:  # it is about to begin
                await anyio.sleep(0.01)
            else:
                await serving.begun.wait()

    async def _feed(self, seconds: float) -> None:
        while True:
            self._supervisor.alive()
            await anyio.sleep(seconds)

    def _status(self) -> str:
        return standing_text(self._project)

    # -- reloading ------------------------------------------------------------------------------------------

    async def _heed_reloads(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted = anyio.Event()
            began = self._scheduler.state == "serving"
            if began:
                self._supervisor.reloading()
            report = await self._scheduler.reload()
            if began:
                self._supervisor.ready(self._status())
            if self._reloads:
                self._after(report)

    async def _watch(self) -> None:
        """Take up what changes, as soon as it has stopped changing for a moment."""
        reloader = self._scheduler.reloader
        reloader.logs_errors = False
        while True:
            await anyio.sleep(LOOK_EVERY)
            if await reloader.look():
                await reloader.calm()
                self._after(await self._scheduler.reload())

    def _after(self, report: ReloadReport) -> None:
        """Show what is broken as ``check`` does; end if only a new process can go on from here."""
        output = self._session.output
        before, self._shown = self._shown, _by_place(report.errors)
        fresh = [error for place, error in self._shown.items() if place not in before]
        for error in fresh:
            output.report(error)
        if report.kept and fresh:
            output.aside(f"still in force as it was before: {', '.join(report.kept)}")
        if not report.needs_restart:
            return
        names = ", ".join(report.needs_restart)
        if any(isinstance(error, ConfigError) for error in report.errors):
            output.aside(f"a new process is needed for {names}: it starts once the configuration is mended")
            return
        output.aside(f"a new process is needed for {names}: restarting")
        self._served.restart = report.needs_restart
        self._stop.set()

    # -- ending ---------------------------------------------------------------------------------------------

    def _asked_to_stop(self) -> None:
        self._served.restart = ()
        self._stop.set()

    def _asked_to_reload(self) -> None:
        self._reload_wanted.set()

    def _hurry(self) -> None:
        self._served.restart = ()
        self._stop.set()
        if self._entered_store:
            self._scheduler.hurry()

    def _end(self) -> None:
        """In a thread of its own: whatever the event loop does, the process ends."""
        end_at_once(self._project, Stop.because(Reason.SHUTDOWN), self._session, code=ExitCode.OK)

    async def _all_recorded(self) -> bool:
        """Whether the store has an end for all that went on here, but for threads that will not end."""
        own = ProcessIdentity.current()
        try:
            async with self._project.open_store(read_only=True) as store:
                left = [each for each in await store.open_leases() if each.lease.owner == own]
        except StoreError as error:
            self._report(error)
            return False
        return not [each for each in left if not each.abandoned]

    def _report(self, error: JobkitError) -> None:
        self._session.output.report(error)


def _by_place(errors: Iterable[JobkitError]) -> dict[str, JobkitError]:
    return {f"{error.location()} {error}": error for error in errors}
