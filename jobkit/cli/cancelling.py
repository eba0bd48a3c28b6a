"""Having runs end, and saying what became of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import anyio

from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.orders import current_actor
from jobkit.cli.reading import History, configuration
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.times import distance, short_duration
from jobkit.cli.render.words import short_status, status_style
from jobkit.cli.run_references import find_run
from jobkit.cli.session import Session
from jobkit.cli.stores import open_store
from jobkit.durations import format_duration
from jobkit.exceptions import RunError, RunNotFound
from jobkit.records import RunRecord
from jobkit.runner.settling import settle_dead
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import Store

Became = Literal["cancelled", "asked", "ended", "over"]

_LOOK_AGAIN = 0.05
#: How often it is asked whether the processes that have the runs still live, in seconds.
_LIVES = 1.0


@dataclass(slots=True)
class Wanted:
    """A run that is to end: as it was, and as it is."""

    before: RunRecord
    now: RunRecord

    @property
    def became(self) -> Became:
        """``cancelled``; ``asked`` to end, and not over; ``ended`` otherwise meanwhile; ``over`` before."""
        if self.before.status.finished:
            return "over"
        if not self.now.status.finished:
            return "asked"
        return "cancelled" if self.now.status is RunStatus.CANCELLED else "ended"

    def to_json(self) -> dict[str, Any]:
        return {"became": self.became, "was": str(self.before.status), "run": self.now.to_json()}


def cancel(
    session: Session, references: Sequence[str], *, reason: str | None, actor: str | None, patience: timedelta
) -> int:
    """Ask for the end of the runs and wait for it as long as *patience*. All are looked up before that.

    The exit code is 1 if one goes on after that; RunNotFound for one that there is not.
    """
    config = configuration(session)
    who = actor or current_actor()
    wanted = anyio.run(_cancel, session, config, references, who, reason, patience)
    session.output.answer([each.to_json() for each in wanted])
    now = session.clock.now()
    session.output.lines(_line(each, now, session.output.terminal) for each in wanted)
    going_on = [each.now for each in wanted if each.became == "asked"]
    if not patience or not going_on:
        return ExitCode.OK
    for run in going_on:
        session.output.report(_still_running(run, patience))
    return ExitCode.FAILED


async def _cancel(
    session: Session,
    config: Config,
    references: Sequence[str],
    who: str,
    reason: str | None,
    patience: timedelta,
) -> list[Wanted]:
    store = open_store(config)
    if not (await store.schema()).applied:  # there is no store yet, and this is no reason to make one
        raise RunNotFound("nothing has run yet", code="JK603", help="`jobkit list` shows the jobs")
    async with store:
        await settle_dead(store)
        history = History(store, frozenset())
        found = {run.id: run for run in [await find_run(history, text) for text in references]}
        wanted = [
            Wanted(
                run,
                run if run.status.finished else await store.request_cancel(run.id, by=who, reason=reason),
            )
            for run in found.values()
        ]
        await _wait(session, store, wanted, patience)
        return wanted


async def _wait(session: Session, store: Store, wanted: Iterable[Wanted], patience: timedelta) -> None:
    with anyio.move_on_after(patience.total_seconds()):
        asked = session.clock.monotonic()
        while open_ones := [each for each in wanted if each.became == "asked"]:
            await anyio.sleep(_LOOK_AGAIN)
            if session.clock.monotonic() - asked > _LIVES:
                asked = session.clock.monotonic()
                await settle_dead(store)
            for each in open_ones:
                each.now = await store.run(each.now.id)


def _line(wanted: Wanted, now: datetime, terminal: Terminal) -> str:
    run = wanted.now
    name = f"#{run.number} {terminal.style(run.job, 'strong')}"
    status = terminal.style(short_status(run.status), status_style(run.status))
    if wanted.became == "over":
        ago = f" {distance(now - run.finished_at)} ago" if run.finished_at is not None else ""
        return f"{name} had ended{ago} already: {status}"
    if wanted.became == "ended":
        return f"{name} ended before it could be cancelled: {status}"
    if wanted.became == "asked":
        return f"{name} is asked to end (`jobkit logs {run.number} -f` follows it)"
    if wanted.before.status is RunStatus.QUEUED:
        left = "had not begun" if wanted.before.attempt == 0 else "waited for its next attempt"
        return f"{name} is {status}; it {left}"
    took = f" after {short_duration(run.duration_ms)}" if run.duration_ms is not None else ""
    return f"{name} is {status}{took}"


def _still_running(run: RunRecord, patience: timedelta) -> RunError:
    return RunError(
        f"run {run.number} of {run.job} is asked to end, and did not end within {format_duration(patience)}",
        code="JK539",
        help=f"`jobkit logs {run.number} -f` follows it; `jobkit explain JK539` says what may keep it",
    )
