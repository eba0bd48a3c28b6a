"""``jobkit db``: the run store, and the state of its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, VerbGroup, verb
from jobkit.cli.completing import completing
from jobkit.cli.dead_letters import dead_letters
from jobkit.cli.forgetting import forget_sink
from jobkit.cli.instants import parse_instant
from jobkit.cli.jsonl import jsonl_target
from jobkit.cli.paging import all_runs
from jobkit.cli.reading import History, configuration, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import full_moment
from jobkit.cli.session import Session
from jobkit.cli.sinks_view import sink_lines, sink_to_json, sinks_of
from jobkit.cli.stores import open_store
from jobkit.config import Config
from jobkit.durations import format_duration
from jobkit.exceptions import UsageError
from jobkit.records import to_plain
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.cli.render.terminal import Terminal
    from jobkit.stores.base import SchemaStatus, Store
    from jobkit.stores.remarks import Remark

_LEVELS = {"ok": "dim", "warning": "warning", "error": "error"}


@verb("status", examples=[("jobkit db status", "where runs are kept, and whether the tables are current")])
def status(session: Session) -> None:
    """Say where the store is, whether its tables are current, and how sinks stand.

    Of a server also how schedulers hear of each other, which rights there are, and how many connections are
    left.
    """
    import anyio

    from jobkit.stores.remarks import remarks_of

    config = configuration(session)
    schema, store = _ask(open_store(config), upgrade=False)
    _answer(session, config, schema, store, anyio.run(remarks_of, store))


@verb("upgrade", examples=[("jobkit db upgrade", "apply the migrations that wait")])
def upgrade(session: Session) -> None:
    """Apply the migrations that wait; doing it twice changes nothing."""
    config = configuration(session)
    schema, store = _ask(open_store(config), upgrade=True)
    _answer(session, config, schema, store)


@verb(
    "prune",
    examples=[
        ("jobkit db prune", "forget what [scheduler] retention says is old enough"),
        ("jobkit db prune --before 7d --dry-run", "how many runs are older than a week"),
    ],
)
@click.option("--before", cls=Option, metavar="TIME", help="Runs that were over by then (now - retention).")
@click.option("--dry-run", cls=Option, is_flag=True, help="Delete nothing, say how many it would be.")
def prune(session: Session, before: str | None, dry_run: bool) -> None:
    """Delete finished runs that are old enough, with their attempts and logs."""
    import anyio

    config = configuration(session)
    now = session.clock.now()
    zone = ZoneInfo(config.scheduler.timezone)
    retention = config.scheduler.retention
    limit = parse_instant(before, now, zone) if before else now - retention
    store = open_store(config)
    number = anyio.run(_count_old if dry_run else _delete_old, store, limit)
    session.output.answer({"store": store.url, "before": to_plain(limit), "runs": number, "dry_run": dry_run})
    verb_form = "would delete" if dry_run else "deleted"
    why = "" if before else f" (retention {format_duration(retention)})"
    session.output.lines(
        [
            *header([*place(config, now), store.url], session.output.terminal),
            f"{verb_form} {count(number, 'run')} that ended before {full_moment(limit, zone)}{why}",
        ]
    )


async def _delete_old(store: Store, before: datetime) -> int:
    if not (await store.schema()).applied:
        return 0  # there is no store yet, and deleting from it is no reason to make one
    async with store:
        return await store.prune(before)


async def _count_old(store: Store, before: datetime) -> int:
    from jobkit.stores.base import RunQuery

    if not (await store.schema()).applied:
        return 0
    number = 0
    async with store:
        async for runs in all_runs(store.runs, RunQuery(until=before)):
            number += sum(run.finished_at is not None and run.finished_at < before for run in runs)
    return number


@verb(
    "export",
    empty=None,
    examples=[
        ("jobkit db export > runs.jsonl", "every run, one JSON object per line, newest first"),
        ("jobkit db export --since 30d --output runs.jsonl", "a month, into a new file"),
    ],
)
@click.option(
    "--job",
    "jobs",
    cls=Option,
    metavar="NAME",
    multiple=True,
    help="Runs of this job; several add up.",
    shell_complete=completing("jobs"),
)
@click.option("--since", cls=Option, metavar="TIME", help="From then on: 2d, 'yesterday 03:00', RFC 3339.")
@click.option("--until", cls=Option, metavar="TIME", help="Before then.")
@click.option(
    "-o",
    "--output",
    "target",
    cls=Option,
    metavar="FILE",
    shell_complete=completing("files"),
    help="Into this file, which must not exist (stdout).",
)
def export(
    session: Session, jobs: tuple[str, ...], since: str | None, until: str | None, target: str | None
) -> None:
    """Write runs as JSON lines, in the shape that `history --json` has."""
    from jobkit.stores.base import RunQuery

    output = session.output
    if output.json and target is None:
        raise UsageError(
            "the runs and the one object of --json cannot both be written to stdout",
            help="leave --json away, or name a file with --output",
        )
    config = configuration(session)
    now, zone = session.clock.now(), ZoneInfo(config.scheduler.timezone)
    query = RunQuery(
        jobs=jobs or None,
        since=parse_instant(since, now, zone) if since else None,
        until=parse_instant(until, now, zone) if until else None,
    )
    with jsonl_target(output, target) as write:

        async def look(history: History) -> int:
            number = 0
            async for runs in all_runs(history.page, query):
                if not write(runs):
                    break
                number += len(runs)
            return number

        number = read(config, look)
    if target is not None:
        output.answer({"path": target, "runs": number})
        output.lines([f"wrote {count(number, 'run')} to {escape_controls(target)}"])


command = VerbGroup(
    "db",
    commands=[status, upgrade, prune, export, dead_letters, forget_sink],
    examples=[
        ("jobkit db status", "where runs are kept"),
        ("jobkit db prune --dry-run", "how many runs are older than they are to be kept"),
        ("jobkit db dead-letters", "results that no sink would take"),
    ],
    help="Look after the run store: its state, its tables, what it forgets, what is taken out of it, "
    "and what no sink would take.",
)


def _ask(store: Store, *, upgrade: bool) -> tuple[SchemaStatus, Store]:
    import anyio

    # Without entering the store: that would refuse one whose tables are not current.
    return anyio.run(store.upgrade if upgrade else store.schema), store


def _answer(
    session: Session, config: Config, schema: SchemaStatus, store: Store, remarks: Sequence[Remark] = ()
) -> None:
    import anyio

    output = session.output
    sinks = anyio.run(sinks_of, open_store(config, read_only=True))
    output.answer(
        {
            "store": store.url,
            "read_only": store.read_only,
            "applied": list(schema.applied),
            "pending": list(schema.pending),
            "details": dict(schema.details),
            "remarks": [remark.to_json() for remark in remarks],
            "sinks": [sink_to_json(sink) for sink in sinks],
        }
    )
    terminal = output.terminal
    state = (
        "current"
        if not schema.pending
        else f"{count(len(schema.pending), 'migration')} waiting (jobkit db upgrade)"
    )
    facts = {
        "store": store.url + (", read-only" if store.read_only else ""),
        "tables": f"{state}, {len(schema.applied)} applied",
        **{str(key): str(value) for key, value in schema.details.items()},
    }
    width = max(map(len, facts))
    now, zone = session.clock.now(), ZoneInfo(config.scheduler.timezone)
    output.lines(
        [
            *header(place(config, now), terminal),
            *(f"  {terminal.style(f'{key:{width}}', 'dim')}  {value}" for key, value in facts.items()),
            *_remark_lines(remarks, terminal),
            *(["", *sink_lines(sinks, now, zone, terminal)] if sinks else []),
        ]
    )


def _remark_lines(remarks: Sequence[Remark], terminal: Terminal) -> list[str]:
    """One line for each, in the order given, and what to do about it below."""
    width = max((len(remark.subject) for remark in remarks), default=0)
    lines = [""] if remarks else []
    for remark in remarks:
        lead = f"  {remark.subject:{width}}  "
        said = wrap(escape_controls(remark.message), terminal.columns, " " * len(lead))
        subject = terminal.style(remark.subject, _LEVELS[remark.level])
        lines += [lead.replace(remark.subject, subject, 1) + said[0].strip(), *said[1:]]
        if remark.help is not None and remark.level != "ok":
            lines += wrap(f"help: {escape_controls(remark.help)}", terminal.columns, " " * len(lead))
    return lines
