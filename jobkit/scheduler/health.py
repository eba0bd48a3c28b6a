"""Does everything run that should? The checks of ``jobkit health``, over one :class:`~.snapshot.Snapshot`.

An *error* is something that does not happen and should: it makes the deployment unhealthy. A *warning* is
something that somebody should look at and that keeps nothing from running, or only what it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

from jobkit.durations import format_duration
from jobkit.scheduler.differences import by_detail, differing, replica_name, superseded
from jobkit.scheduler.presence import stays

if TYPE_CHECKING:
    from jobkit.scheduler.snapshot import Snapshot
    from jobkit.stores.outbox import SinkState
    from jobkit.stores.replicas import ReplicaState

Level = Literal["ok", "warning", "error"]

#: Of many alike, so many are named one by one.
NAMED: Final = 10
#: So many abandoned threads keep a process from starting jobs in further ones.
MOST_ABANDONED: Final = 10
#: A result that waits for a sink longer than this is a matter for somebody.
SINK_WAITS: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: *code* is a word for programs, *message* a sentence, *help* what to do.

    *jobs* and *nodes* are those that it is about.
    """

    level: Level
    code: str
    message: str
    help: str | None = None
    jobs: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` gives it."""
        return {
            "level": self.level,
            "code": self.code,
            "message": self.message,
            "help": self.help,
            "jobs": [*self.jobs],
            "nodes": [*self.nodes],
        }


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether none of *findings* is an error."""
    return all(finding.level != "error" for finding in findings)


def examine(seen: Snapshot) -> list[Finding]:
    """All findings, in the order in which they are shown."""
    return [finding for check in _CHECKS for finding in check(seen)]


# -- who serves ---------------------------------------------------------------------------------------


def _store(seen: Snapshot) -> Iterator[Finding]:
    if seen.schema is not None and seen.schema.pending:
        waiting = ", ".join(seen.schema.pending)
        yield Finding("warning", "store.schema", f"{seen.store} lacks {waiting}", "jobkit db upgrade")
    else:
        yield Finding("ok", "store.reached", f"{seen.store}, its tables are current")


def _schedulers(seen: Snapshot) -> Iterator[Finding]:
    live = [state for state in seen.live if state.replica.kind == "scheduler"]
    if seen.off is not None:
        yield Finding(
            "warning",
            "scheduler.off",
            f"the scheduler is off ({seen.off}): nothing is scheduled",
            "set [scheduler] enabled = true where jobs are to fire",
        )
    elif not live:
        yield Finding("error", "scheduler.none", _nobody(seen), "start one: `jobkit start`")
    for state in seen.live:
        node = (state.replica.node,)
        yield Finding("ok", f"{state.replica.kind}.live", _described(state, seen.now), nodes=node)


def _nobody(seen: Snapshot) -> str:
    if not (past := stays(seen.gone, seen.farewells)):
        return "no scheduler has ever run with this store, so nothing is late and nothing fires"
    last = max(past, key=lambda stay: stay.until or seen.now)
    who = f"the last one, {last.node} (pid {last.pid}),"
    assert last.until is not None, "those that are gone have gone at some time"
    ago = f"{_age(seen.now - last.until)} ago ({_at(last.until, seen)})"
    if last.vanished:
        return f"no scheduler is running: {who} vanished; it was last heard of {ago}"
    return f"no scheduler is running: {who} stopped {ago}"


def _described(state: ReplicaState, now: datetime) -> str:
    version = state.replica.details.get("version")
    facts = [
        f"{state.replica.kind} {replica_name(state)}",
        f"for {_age(now - state.registered_at)}",
        f"heard of {_age(now - state.heartbeat_at)} ago",
        *([f"jobkit {version}"] if version is not None else []),
    ]
    return ", ".join(facts)


# -- what should run ----------------------------------------------------------------------------------


def _late(seen: Snapshot) -> Iterator[Finding]:
    found = sorted(seen.late.values(), key=lambda late: late.since)
    for late in found[:NAMED]:
        on = f" on {late.node}" if late.node else ""
        last = "it never has" if late.succeeded is None else f"the last that did: {_at(late.succeeded, seen)}"
        yield Finding(
            "error",
            "job.late",
            f"{late.job}{on} is late: {_at(late.tick, seen)} should have succeeded, and has not; {last}",
            f"`jobkit why {late.job}` says what became of it",
            (late.job,),
            (late.node,) if late.node else (),
        )
    if len(found) > NAMED:
        names = tuple(late.job for late in found[NAMED:])
        more = "1 more job is late" if len(names) == 1 else f"{len(names)} more jobs are late"
        yield Finding("error", "job.late", more, "`jobkit list` marks them", names)


def _failing(seen: Snapshot) -> Iterator[Finding]:
    """What replicas say of themselves."""
    for state in seen.live:
        for failure in state.replica.details.get("failing", []):
            jobs = tuple(failure["jobs"])
            more = f" and {failure['more']:,} more" if failure["more"] else ""
            of = f" of {', '.join(jobs)}{more}" if jobs else ""
            code = f" ({failure['code']})" if failure["code"] else ""
            yield Finding(
                "error",
                "scheduler.failing",
                f"{replica_name(state)} cannot {failure['what']}{of} since "
                f"{_at(datetime.fromisoformat(failure['since']), seen)}: {failure['error']}{code}",
                failure["help"] or "its log says more",
                jobs,
                (state.replica.node,),
            )


def _clocks(seen: Snapshot) -> Iterator[Finding]:
    if seen.steps:
        event = seen.steps[0].event
        jobs = tuple(dict.fromkeys(each.event.job for each in seen.steps if each.event.job is not None))
        about = f", seen by {', '.join(jobs)}" if jobs else ""
        yield Finding(
            "error",
            "clock.stepped",
            f"a clock was stepped {_age(seen.now - event.at)} ago ({_at(event.at, seen)}{about})",
            "see that the hosts keep time (chrony, systemd-timesyncd); this finding goes after a day",
            jobs,
        )


def _nodes(seen: Snapshot) -> Iterator[Finding]:
    """One name for several: an error where there are jobs that each node has for itself."""
    sharing = [state.replica for state in seen.live if state.replica.details.get("node_shared_with")]
    twice = {each.node for each in sharing if any(key.endswith(f"@{each.node}") for key in each.schedules)}
    alike = {each.node for each in sharing} - twice
    if twice:
        yield _shared("error", sorted(twice), "each runs its jobs")
    if alike:
        yield _shared("warning", sorted(alike), "nothing says which of them ran what")


def _shared(level: Level, nodes: list[str], effect: str) -> Finding:
    return Finding(
        level,
        "node.shared",
        f"several schedulers live under one name of a node ({_named(nodes)}): {effect}",
        "give each its own [scheduler] node",
        nodes=tuple(nodes),
    )


def _threads(seen: Snapshot) -> Iterator[Finding]:
    for state in seen.live:
        number = state.replica.details.get("abandoned_threads")
        if not isinstance(number, int) or number < 1:
            continue
        full = number >= MOST_ABANDONED
        threads = f"{number} thread{'s' if number > 1 else ''} of jobs that timed out or were cancelled"
        effect = ": no further thread jobs start there" if full else ""
        yield Finding(
            "error" if full else "warning",
            "threads.abandoned",
            f"{replica_name(state)} still has {threads}{effect}",
            "have these jobs check ctx.cancelled, or give them a timeout below what they wait for; "
            "a restart ends the threads",
            nodes=(state.replica.node,),
        )


def _jobs(seen: Snapshot) -> Iterator[Finding]:
    if seen.broken:
        places = dict.fromkeys(
            f"{error.path.name}:{error.line}" if error.path is not None else error.code
            for error in seen.broken
        )
        yield Finding(
            "warning",
            "files.broken",
            f"{_count(len(places), 'file')} could not be loaded: {_named(places)}",
            "`jobkit check` says why; their jobs are not scheduled",
        )
    if seen.errors:
        yield Finding(
            "warning",
            "jobs.error",
            f"{_count(len(seen.errors), 'job')} cannot be scheduled: {_named(seen.errors)}",
            "`jobkit check` says why",
            tuple(seen.errors),
        )


def _deployment(seen: Snapshot) -> Iterator[Finding]:
    for key, names in [*superseded(seen.live, seen.states).items()][:NAMED]:
        yield Finding(
            "warning",
            "job.superseded",
            f"{key} has another schedule on {', '.join(names)} than is in force: no ticks are made there",
            "finish the deployment, or reload what still has the old files",
            (key.partition("@")[0],),
        )
    differences = differing(seen.live)
    for difference in differences[:NAMED]:
        yield Finding(
            "warning",
            "config.differs",
            f"{difference.job} is not the same everywhere: {difference.text}",
            "bring files and configuration in line, and reload; to stop it everywhere: "
            f"`jobkit pause {difference.job}`",
            (difference.job,),
        )
    if len(differences) > NAMED:
        names = tuple(difference.job for difference in differences[NAMED:])
        yield Finding("warning", "config.differs", f"{len(names)} more jobs differ", jobs=names)
    zones = by_detail(seen.live, "tzdata")
    if len(zones) > 1:
        found = "; ".join(f"{version} on {', '.join(where)}" for version, where in sorted(zones.items()))
        yield Finding(
            "warning",
            "tzdata.differs",
            f"the replicas have different zone data: {found}",
            "install the same version of tzdata everywhere, and restart",
        )


# -- what waits ---------------------------------------------------------------------------------------


def _runs(seen: Snapshot) -> Iterator[Finding]:
    known = {job for state in seen.live for job in state.replica.jobs}
    unknown = [run for run in seen.waiting if run.id in seen.startable and run.job not in known]
    free = [run for run in seen.waiting if run.id in seen.startable and run.job in known]
    limited = [run for run in seen.waiting if run.id in seen.limited]
    for runs, why, help in (
        (unknown, "and no live replica has their jobs", "start one that has them, or `jobkit cancel RUN`"),
        (free, "though nothing keeps them", "see whether the processes are full: max_concurrent_runs"),
        (limited, "for a limit", "`jobkit history --status running` shows who has them"),
    ):
        if runs:
            jobs = tuple(dict.fromkeys(run.job for run in runs))
            oldest = min(run.queued_at or seen.now for run in runs)
            yield Finding(
                "warning",
                "runs.waiting",
                f"{_count(len(runs), 'run')} of {_named(jobs)} "
                f"{'has' if len(runs) == 1 else 'have'} waited for up to {_age(seen.now - oldest)} {why}",
                help,
                jobs,
            )


def _sinks(seen: Snapshot) -> Iterator[Finding]:
    for sink in seen.sinks:
        if sink.suspended_until is not None and sink.suspended_until > seen.now:
            said = f": {sink.error}" if sink.error else ""
            yield Finding(
                "warning",
                "sink.suspended",
                f"sink {sink.name} takes nothing, and is tried again at {_at(sink.suspended_until, seen)}"
                f"{_waiting(sink, seen.now)}{said}",
                "`jobkit db status` shows all sinks",
            )
        elif sink.oldest is not None and seen.now - sink.oldest > SINK_WAITS:
            yield Finding(
                "warning",
                "sink.waiting",
                f"sink {sink.name} is behind{_waiting(sink, seen.now)}",
                "`jobkit db status` shows all sinks; a running scheduler delivers",
            )
        if sink.dead:
            yield Finding(
                "warning",
                "sink.dead_letters",
                f"sink {sink.name} has given up {_count(sink.dead, 'result')}",
                f"`jobkit db dead-letters --sink {sink.name}` shows, repeats or drops them",
            )


def _waiting(sink: SinkState, now: datetime) -> str:
    if sink.oldest is None:
        return ""
    return f"; {_count(sink.waiting, 'result')} wait, the oldest for {_age(now - sink.oldest)}"


def _pauses(seen: Snapshot) -> Iterator[Finding]:
    for pause in seen.pauses:
        what = pause.job or "everything"
        until = f" until {_at(pause.end, seen)}" if pause.end is not None else ""
        why = f": {pause.reason}" if pause.reason else ""
        yield Finding(
            "warning" if pause.job is None else "ok",
            "paused",
            f"{what} is paused{until}, by {pause.by} {_age(seen.now - pause.since)} ago{why}",
            f"`jobkit resume{f' {pause.job}' if pause.job else ''}` ends it",
            (pause.job,) if pause.job else (),
        )


_CHECKS: Final[Sequence[Callable[[Snapshot], Iterator[Finding]]]] = (
    _store, _schedulers, _failing, _late, _clocks, _nodes, _threads, _jobs, _deployment, _runs, _sinks,
    _pauses,
)  # fmt: skip


# -- words --------------------------------------------------------------------------------------------


def _age(span: timedelta) -> str:
    """In whole seconds, minutes beyond an hour, hours beyond two days."""
    seconds = max(0, int(span.total_seconds()))
    unit = 1 if seconds < 3600 else 60 if seconds < 2 * 86_400 else 3600
    return format_duration(timedelta(seconds=seconds // unit * unit))


def _at(instant: datetime, seen: Snapshot) -> str:
    return instant.astimezone(ZoneInfo(seen.timezone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _named(names: Iterable[str]) -> str:
    found = [*names]
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{', '.join(found[:NAMED])}{more}"
