"""Reload: a scheduler that goes on takes up job files and configuration that have changed.

Files are looked at in a thread. They are executed on the event loop, where the import limit holds, one file
at a time: between two files everything else goes on.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import anyio.to_thread

from jobkit.collection.exchange import signature_at
from jobkit.exceptions import JobkitError, relative_to
from jobkit.logs import get_logger
from jobkit.project_reload import Reload, ReloadReport
from jobkit.scheduler.watched import Watched

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.project_reload import Steps

__all__ = ["ReloadReport", "Reloader"]

#: Seconds without a change after which an edit is taken for complete.
CALM: Final = 0.1


class Reloader:
    """Takes up what has changed in the files of *project*, whose jobs and configuration are then others.

    ``on_reload`` is called with the report after each time that anything was taken up. Runs that go on keep
    the functions and modules that they have. Belongs to the event loop; calls wait for each other.
    """

    def __init__(self, project: Project) -> None:
        self.on_reload: list[Callable[[ReloadReport], None]] = []
        #: False where somebody else shows what is broken.
        self.logs_errors = True
        self._project = project
        self._watched = Watched(project)
        self._reload = Reload(project)
        self._turn = anyio.Lock()
        self._woken = anyio.Event()

    async def look(self) -> bool:
        """Whether anything that matters has changed since it was last taken up. Opens no file."""
        async with self._turn:
            changed, _ = await anyio.to_thread.run_sync(self._watched.changes)
        return bool(changed)

    async def calm(self) -> None:
        """Return once no file changes any more: editors write in several steps."""
        async with self._turn:
            _, before = await anyio.to_thread.run_sync(self._watched.changes)
            while True:
                await anyio.sleep(CALM)
                _, now = await anyio.to_thread.run_sync(self._watched.changes)
                if now == before:
                    return
                before = now

    async def reload(self) -> ReloadReport:
        """Take up job files and configuration. What is broken stays as it was, and is in the report."""
        async with self._turn:
            changed, now = await anyio.to_thread.run_sync(self._watched.changes)
            importlib.invalidate_caches()
            base = self._project.finder.extensions
            report = await _taken(
                self._reload.everything(touched=[path for path in changed if path.startswith(base)])
            )
            self._watched.saw(now)
            root = self._project.root
            outside = [relative_to(Path(path), root) for path in sorted(self._watched.outside())]
            needs = tuple(dict.fromkeys((*report.needs_restart, *outside)))
            report = replace(report, needs_restart=needs)
            self._tell(report)
            return report

    async def take_overrides(self) -> ReloadReport | None:
        """Take up what ``jobkit enable`` and ``disable`` have written, nothing else; None if that is old."""
        async with self._turn:
            if not self._watched.overrides_changed():
                return None
            signature = signature_at(self._watched.overrides)
            report = await _taken(self._reload.overrides())
            self._watched.saw_overrides(signature)
            self._tell(report)
            return report

    def wake(self) -> None:
        """Somebody may have written the overrides. On the event loop only."""
        self._woken.set()

    async def serve(self) -> None:
        """Look at the overrides each time that somebody wakes it, until cancelled."""
        while True:
            await self.take_overrides()
            await self._woken.wait()
            self._woken = anyio.Event()

    def _tell(self, report: ReloadReport) -> None:
        log = get_logger()
        root = self._project.root
        for error in report.errors if self.logs_errors else ():
            log.error(
                "reload.broken",
                code=error.code,
                where=error.location(root),
                error=error.message,
                help=error.help,
            )
        tell = log.warning if report.errors or report.needs_restart else log.info
        tell(
            "jobs.reloaded",
            added=list(report.added),
            changed=list(report.changed),
            removed=list(report.removed),
            kept=list(report.kept),
            needs_restart=list(report.needs_restart),
        )
        for listener in self.on_reload:
            listener(report)


async def _taken(steps: Steps) -> ReloadReport:
    """Go through *steps*, letting others have their turn after each."""
    try:
        while True:
            next(steps)
            await anyio.lowlevel.checkpoint()
    except StopIteration as end:
        report: ReloadReport = end.value
        return report
    except JobkitError as error:
        return ReloadReport(errors=(error,))
    finally:
        steps.close()
