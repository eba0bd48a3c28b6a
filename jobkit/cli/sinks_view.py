"""How the sinks of a store stand: what waits, since when, what was given up, and what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.text import count, wrap
from jobkit.cli.render.times import distance, near
from jobkit.exceptions import StoreError
from jobkit.records import to_plain
from jobkit.sanitising import escape_controls
from jobkit.stores.outbox_store import FORGOTTEN_AFTER

if TYPE_CHECKING:
    from jobkit.cli.render.terminal import Terminal
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import SinkState


async def sinks_of(store: Store) -> list[SinkState]:
    """The sinks that *store*, not entered yet, knows; none where it cannot say."""
    try:
        schema = await store.schema()
        if not schema.applied or schema.pending:
            return []
        async with store:
            return [*await store.sinks()]
    except StoreError:
        return []  # what is wrong with it is said by whoever asks for its tables


def sink_to_json(state: SinkState) -> dict[str, Any]:
    """One sink, as ``--json`` gives it."""
    owner = state.owner
    return {
        "name": state.name,
        "waiting": state.waiting,
        "oldest": to_plain(state.oldest),
        "dead": state.dead,
        "failures": state.failures,
        "suspended_until": to_plain(state.suspended_until),
        "error": state.error,
        "delivered_at": to_plain(state.delivered_at),
        "seen_at": to_plain(state.seen_at),
        "max_age": to_plain(state.max_age),
        "owner": f"{owner.host}:{owner.pid}" if owner is not None else None,
    }


def standing(state: SinkState, now: datetime, zone: ZoneInfo) -> str:
    """In a few words, how it stands."""
    if state.suspended_until is not None and state.suspended_until > now:
        return f"suspended until {near(state.suspended_until, now, zone)}"
    if now - state.seen_at > FORGOTTEN_AFTER:
        return f"not seen for {distance(now - state.seen_at)}"
    return f"failed {count(state.failures, 'time')}" if state.failures else "ok"


def sink_lines(states: Sequence[SinkState], now: datetime, zone: ZoneInfo, terminal: Terminal) -> list[str]:
    """A table, below it what the sinks said last, and how to see what was given up."""
    columns = [
        Column("SINK", shrink_to=12),
        Column("WAITING", right=True),
        Column("OLDEST", right=True),
        Column("DEAD", right=True),
        Column("STANDS"),
        Column("DELIVERED", optional=1),
    ]
    lines = table(columns, [_row(state, now, zone) for state in states], terminal)
    for state in states:
        if state.error:
            lines += wrap(escape_controls(f"{state.name}: {state.error}"), terminal.columns, "  ")
    if any(state.dead for state in states):
        lines += ["", "jobkit db dead-letters shows what was given up"]
    return lines


def _row(state: SinkState, now: datetime, zone: ZoneInfo) -> Row:
    words = standing(state, now, zone)
    return [
        escape_controls(state.name),
        str(state.waiting),
        distance(now - state.oldest) if state.oldest is not None else "-",
        Cell(str(state.dead), "error") if state.dead else "-",
        Cell(words, "good" if words == "ok" else "warning"),
        f"{distance(now - state.delivered_at)} ago" if state.delivered_at is not None else "never",
    ]
