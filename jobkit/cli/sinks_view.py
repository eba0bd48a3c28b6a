"""How the sinks of a store stand: what waits, since when, what was given up, and what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, near
from jobkit.cli.usage import did_you_mean, quoted
from jobkit.exceptions import StoreError, UsageError
from jobkit.records import to_plain
from jobkit.sanitising import escape_controls
from jobkit.stores.outbox_store import FORGOTTEN_AFTER

if TYPE_CHECKING:
    from jobkit.cli.render.terminal import Terminal
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import OutboxEntry, SinkState


_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sink stands: *failing* of what waits failed while others were taken, lastly with *failure*."""

    state: SinkState
    failing: int = 0
    failure: str | None = None


async def sinks_of(store: Store) -> list[Standing]:
    """The sinks that *store*, not entered yet, knows; none where it cannot say."""
    try:
        schema = await store.schema()
        if not schema.applied or schema.pending:
            return []
        async with store:
            return [await standing_of(store, state) for state in await store.sinks()]
    except StoreError:
        return []  # what is wrong with it is said by whoever asks for its tables


async def standing_of(store: Store, state: SinkState) -> Standing:
    """The same with what the sink's results say. Raises StoreError."""
    after, failing = 0, 0
    latest: OutboxEntry | None = None
    while state.waiting and (page := await store.outbox(state.name, after=after, limit=_PAGE)):
        for entry in page:
            if entry.failures:
                failing += 1
                if latest is None or _tried_at(entry) >= _tried_at(latest):
                    latest = entry
        after = page[-1].id
    return Standing(state, failing, latest.error if latest is not None else None)


def _tried_at(entry: OutboxEntry) -> datetime:
    """Not exactly: what is to be tried again last was most likely tried last."""
    return entry.not_before or entry.added_at


async def refuse_unknown_sink(store: Store, name: str) -> None:
    """Raises UsageError unless *store* knows a sink of that name, StoreError if it cannot say."""
    known = [state.name for state in await store.sinks()]
    if name not in known:
        raise unknown_sink(name, known)


def unknown_sink(name: str, known: Sequence[str]) -> UsageError:
    """Nothing was ever kept for a sink *name*."""
    return UsageError(
        f"there is no sink {quoted(name, 128)}",
        help=did_you_mean(name, known, "`jobkit db status` lists the sinks that results are kept for"),
    )


def sink_to_json(standing: Standing) -> dict[str, Any]:
    """One sink, as ``--json`` gives it."""
    state = standing.state
    owner = state.owner
    return {
        "name": state.name,
        "waiting": state.waiting,
        "oldest": to_plain(state.oldest),
        "dead": state.dead,
        "failures": state.failures,
        "suspended_until": to_plain(state.suspended_until),
        "error": state.error,
        "failing": standing.failing,
        "failure": standing.failure,
        "delivered_at": to_plain(state.delivered_at),
        "seen_at": to_plain(state.seen_at),
        "max_age": to_plain(state.max_age),
        "owner": f"{owner.host}:{owner.pid}" if owner is not None else None,
    }


def standing_words(standing: Standing, now: datetime, zone: ZoneInfo) -> str:
    """In a few words, how it stands."""
    state = standing.state
    if state.suspended_until is not None and state.suspended_until > now:
        return f"suspended until {near(state.suspended_until, now, zone)}"
    if now - state.seen_at > FORGOTTEN_AFTER:
        return f"not seen for {distance(now - state.seen_at)}"
    if standing.failing:
        return f"{count(standing.failing, 'run')} failing"
    return f"failed {count(state.failures, 'time')}" if state.failures else "ok"


def sink_lines(found: Sequence[Standing], now: datetime, zone: ZoneInfo, terminal: Terminal) -> list[str]:
    """A table, below it what the sinks said last, and how to see what was given up."""
    columns = [
        Column("SINK", shrink_to=12),
        Column("WAITING", right=True),
        Column("OLDEST", right=True),
        Column("DEAD", right=True),
        Column("STANDS"),
        Column("DELIVERED", optional=1),
    ]
    lines = table(columns, [_row(standing, now, zone) for standing in found], terminal)
    for standing in found:
        for error in filter(None, (standing.state.error, standing.failure)):
            lines += wrap(escape_controls(f"{standing.state.name}: {error}"), terminal.columns, "  ")
    if any(standing.state.dead for standing in found):
        lines += ["", "jobkit db dead-letters shows what was given up"]
    return lines


def _row(standing: Standing, now: datetime, zone: ZoneInfo) -> Row:
    state = standing.state
    words = standing_words(standing, now, zone)
    return [
        escape_controls(state.name),
        str(state.waiting),
        distance(now - state.oldest) if state.oldest is not None else "-",
        Cell(str(state.dead), "error") if state.dead else "-",
        Cell(words, "good" if words == "ok" else "warning"),
        f"{distance(now - state.delivered_at)} ago" if state.delivered_at is not None else "never",
    ]
