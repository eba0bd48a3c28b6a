"""Ending the process in the middle of its runs: what they were is recorded and answered, if it can be soon.

Nothing here relies on the event loop or on the main thread: a job may hold either of them for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import anyio

from jobkit.cli.exit_codes import ExitCode
from jobkit.exceptions import JobkitError
from jobkit.processes import ProcessIdentity
from jobkit.stores.base import Outcome

if TYPE_CHECKING:
    from jobkit.cli.reporter import Reporter
    from jobkit.cli.session import Session
    from jobkit.project import Project
    from jobkit.runner.outcome import Stop

#: How long recording may take, and after it everything, in seconds: somebody wants the process to end now.
RECORDING = 2.0
_ALTOGETHER = 2.5


def end_at_once(
    project: Project,
    stop: Stop,
    session: Session,
    reporter: Reporter | None = None,
    *,
    code: ExitCode = ExitCode.STOPPED,
) -> NoReturn:
    """Record the open runs of this process as *stop*, write the answer, end with *code*.

    To be called in a thread of its own; takes 2.5 seconds at most. *reporter* knows the runs that are the
    answer, if runs are. If something could not be recorded the code is that of an interruption.
    """
    recorded = False

    def say() -> None:
        nonlocal recorded
        recorded = _record(project, stop, session, reporter)
        if reporter is not None:
            reporter.stop()
            session.output.answer([run.to_json() for run in reporter.records])
        session.output.finish([])

    _limited(say)
    os._exit(code if recorded else ExitCode.STOPPED)


def _limited(call: Callable[[], None]) -> None:
    # Not to be waited for in this thread: the job may hold a lock that it needs.
    thread = threading.Thread(target=call, name="jobkit-last-words", daemon=True)
    thread.start()
    thread.join(_ALTOGETHER)


def _record(project: Project, stop: Stop, session: Session, reporter: Reporter | None) -> bool:
    try:
        anyio.run(_finish_all, project, stop, session, reporter)
        return True
    except (JobkitError, TimeoutError) as error:
        session.output.aside(f"what ran could not be recorded, and will be shown as lost: {error}")
        return False


async def _finish_all(project: Project, stop: Stop, session: Session, reporter: Reporter | None) -> None:
    with anyio.fail_after(RECORDING):
        # The store of the event loop that is stuck belongs to that loop.
        async with project.open_store() as store:
            for open_lease in await store.open_leases():
                lease = open_lease.lease
                if lease.owner != ProcessIdentity.current():
                    continue
                began = (await store.run(lease.run_id)).started_at
                now = session.clock.now()
                took = round((now - began) / timedelta(milliseconds=1)) if began is not None else 0
                outcome = Outcome(
                    status=stop.status,
                    finished_at=now,
                    duration_ms=max(took, 0),
                    message=stop.message,
                    reason=stop.reason,
                )
                record = await store.finish(lease, outcome)
                if record is not None and reporter is not None:
                    reporter.run_finished(record)
