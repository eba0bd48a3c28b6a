"""Pausing and resuming jobs in the store, and saying what is in force afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from jobkit.cli.job_view import JobView
from jobkit.cli.orders import confirm, current_actor
from jobkit.cli.pauses import next_fire, pause_text, pauses_of, to_plain_pause, until_text, who_text
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, near, zone_label
from jobkit.cli.selection import job_named
from jobkit.cli.session import Session
from jobkit.cli.standing import why
from jobkit.records import to_plain

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.stores.base import Store
    from jobkit.stores.control import Pause
    from jobkit.stores.replicas import ReplicaState

T = TypeVar("T")

#: How many schedulers are named.
_NAMED = 5
#: A pause begins a moment after its end was reckoned.
_ROUNDING = timedelta(seconds=0.5)


@dataclass(slots=True)
class Done:
    """What was asked for and written, by job (None: all), and what was there before and is there now."""

    project: Project
    now: datetime
    before: Sequence[Pause] = ()
    changed: dict[str | None, Pause | None] = field(default_factory=dict)
    after: Sequence[Pause] = ()
    schedulers: Sequence[ReplicaState] = ()

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.project.config.scheduler.timezone)

    def of(self, job: str | None, pauses: Sequence[Pause]) -> Pause | None:
        """The pause of just *job*."""
        return next((pause for pause in pauses if pause.job == job), None)


def pause(
    session: Session,
    names: Sequence[str],
    *,
    span: timedelta | None,
    reason: str | None,
    actor: str | None,
    consent: bool,
) -> None:
    """Pause the jobs of these names, all jobs if there are none. What is refused is refused before.

    All of them in a protected environment only with *consent*, or after it was asked for. RunRefused.
    """
    with loaded(session) as project:
        targets: list[str | None] = [job_named(name, project.jobs, project.errors).name for name in names]
        mention_broken(session, project)
        if not names and not consent:
            confirm(session, project, "Pause all jobs", help="-y pauses all jobs without asking")
        who = actor or current_actor()

        async def change(store: Store) -> Done:
            now = await store.now()
            done = Done(project, now, await store.pauses())
            until = None if span is None else now + span
            for job in dict.fromkeys(targets or [None]):
                done.changed[job] = await store.pause(job, until=until, by=who, reason=reason)
            return await _as_it_is(store, done)

        done = _changed(project, change)
        session.output.answer(
            {
                "paused": [to_plain_pause(kept) for kept in done.changed.values() if kept is not None],
                "schedulers": [_scheduler(state) for state in done.schedulers],
            }
        )
        session.output.lines(_blocks(done, _paused, session.output.terminal))


def resume(session: Session, names: Sequence[str], *, actor: str | None) -> None:
    """End the pauses of these jobs, that of all jobs if there are none named.

    A name that no job has any more is taken if there is a pause of it.
    """
    with loaded(session) as project:
        mention_broken(session, project)
        who = actor or current_actor()

        async def change(store: Store) -> Done:
            done = Done(project, await store.now(), await store.pauses())
            paused = {pause.job for pause in done.before}
            targets: list[str | None] = [
                name if name in paused else job_named(name, project.jobs, project.errors).name
                for name in names
            ]
            for job in dict.fromkeys(targets or [None]):
                done.changed[job] = await store.resume(job, by=who)
            return await _as_it_is(store, done)

        done = _changed(project, change)
        session.output.answer(
            {
                "resumed": [to_plain_pause(kept) for kept in done.changed.values() if kept is not None],
                "not_paused": [job for job, kept in done.changed.items() if kept is None],
                "still": [to_plain_pause(kept) for kept in done.after],
            }
        )
        session.output.lines(_blocks(done, _resumed, session.output.terminal))


def _changed(project: Project, change: Callable[[Store], Awaitable[T]]) -> T:
    import anyio

    from jobkit.runner.settling import settle_dead

    async def ask() -> T:
        async with project.open_store() as store:
            await settle_dead(store, project.jobs)
            return await change(store)

    return anyio.run(ask)


async def _as_it_is(store: Store, done: Done) -> Done:
    done.now = await store.now()
    done.after = await store.pauses()
    done.schedulers = [
        state
        for state in await store.replicas()
        if state.live and state.replica.kind == "scheduler" and not state.replica.owner.dead(expired=False)
    ]
    return done


# -- the screen -----------------------------------------------------------------------------------------


def _blocks(
    done: Done, facts: Callable[[Done, str | None], Iterator[str]], terminal: Terminal
) -> Iterator[str]:
    """For each job a line that says how it is now, and indented below it what there is to say."""
    for job in done.changed:
        held = done.of(job, done.after)
        name = terminal.style(job or "all jobs", "strong")
        verb = "is" if job is not None else "are"
        if held is not None:
            until = until_text(held, done.now, done.zone)
            yield f"{name} {verb} {terminal.style('paused', 'warning')} {until}{_zoned(held, done)}"
        elif job is not None and done.of(None, done.after) is not None:
            yield f"{name} stays {terminal.style('paused', 'warning')} with all jobs"
        elif done.changed[job] is None:
            yield f"{name} {verb} not paused" if job else "there is no pause of all jobs"
        else:
            yield f"{name} {terminal.style('goes on' if job else 'go on', 'good')}"
        for text in facts(done, job):
            yield from wrap(text, terminal.columns, "  ")


def _zoned(held: Pause, done: Done) -> str:
    if held.end is None:
        return ""
    label = zone_label(done.project.config.scheduler.timezone, done.now, done.zone)
    return f" {label}, for {distance(held.end - held.since + _ROUNDING)}"


def _paused(done: Done, job: str | None) -> Iterator[str]:
    kept = done.changed[job]
    if kept is not None and (kept.reason or job is None):
        yield f"by {kept.by}{f': {kept.reason}' if kept.reason else ''}"
    if (before := done.of(job, done.before)) is not None:
        yield f"instead of the pause {until_text(before, done.now, done.zone)}, {who_text(before, done.now)}"
    if job is None:
        yield f"that is {count(len(done.project.jobs), 'job')} now, and every one that is added"
    elif not (view := _view(done, job)).scheduled:
        yield f"it has no ticks now in any case: {why(view)}"
    by_hand = f"`jobkit run {job or 'NAME'}` still runs by hand"
    yield f"ticks meanwhile have no run, and are not made up for; {by_hand}"
    yield _obeyed(done)
    yield f"`jobkit resume{f' {job}' if job else ''}` ends it"


def _resumed(done: Done, job: str | None) -> Iterator[str]:
    ended = done.changed[job]
    if job is None:
        if ended is not None:
            yield f"paused {who_text(ended, done.now)}"
        if own := [pause.job for pause in done.after if pause.job is not None]:
            yield f"still paused on their own: {', '.join(own)} (`jobkit resume {own[0]}`)"
        return
    whole = done.of(None, done.after)
    if whole is not None:
        yield f"{pause_text(whole, done.now, done.zone)}: `jobkit resume` ends that"
    if ended is not None:
        lead = "its own pause has ended, which was" if whole is not None else "it was paused"
        yield f"{lead} {who_text(ended, done.now)}"
    if job not in done.project.jobs:
        yield "no job has this name any more"
    elif whole is None:
        yield from _next(done, job)
    if ended is not None:
        yield _obeyed(done)


def _next(done: Done, job: str) -> Iterator[str]:
    view = _view(done, job)
    times = view.spec.times
    if not view.scheduled or not view.config.scheduler.enabled or times is None:
        yield why(view)
    elif (fire := next_fire(times, pauses_of(job, done.after), done.now)) is not None:
        yield f"next: {near(fire, done.now, done.zone)}, in {distance(fire - done.now)}"


def _view(done: Done, job: str) -> JobView:
    return JobView(done.project.jobs[job], done.project.config, done.now)


def _obeyed(done: Done) -> str:
    """Which schedulers hear of it."""
    if not done.schedulers:
        return "no scheduler is running now; the next one that starts obeys it"
    named = [
        f"{state.replica.node} (process {state.replica.owner.pid})" for state in done.schedulers[:_NAMED]
    ]
    more = [f"{len(done.schedulers) - _NAMED} more"] if len(done.schedulers) > _NAMED else []
    return f"obeyed by {', '.join([*named, *more])}"


def _scheduler(state: ReplicaState) -> dict[str, Any]:
    replica = state.replica
    return {
        "id": replica.id,
        "node": replica.node,
        "host": replica.owner.host,
        "pid": replica.owner.pid,
        "heartbeat_at": to_plain(state.heartbeat_at),
    }
