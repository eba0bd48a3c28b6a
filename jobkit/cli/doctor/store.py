"""The run store: can it be reached, read, written; are its tables current; do its clock and ours agree."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jobkit.cli.doctor.finding import Finding, State, fail, from_error, ok, warn
from jobkit.cli.render.text import count
from jobkit.cli.sinks_view import Standing, standing_of, standing_words
from jobkit.cli.stores import open_store
from jobkit.durations import format_duration
from jobkit.exceptions import StoreError
from jobkit.stores.remarks import Remark, remarks_of

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import SchemaStatus, Store

_LEAST_SPACE = 100 * 1024 * 1024
_SKEW = timedelta(minutes=10)
#: A tick that is claimed two seconds late counts as missed; none is claimed a second early.
_TOLERATED = timedelta(seconds=1)
_STATES = {"ok": State.OK, "warning": State.WARN, "error": State.FAIL}


async def look_at_store(config: Config, clock: Callable[[], datetime]) -> AsyncIterator[Finding]:
    """All checks of the store that *config* names, which is read, and not even made; *clock* is this
    machine's."""
    try:
        store = open_store(config, read_only=True)
        schema = await store.schema()
        remarks = await remarks_of(store)
    except StoreError as error:
        yield from_error("store", error, config.root)
        return
    path = schema.details.get("path")
    if schema.by_hand and schema.pending:
        yield _to_be_upgraded(store, schema)
        for remark in remarks:
            yield _remark(remark)
        return
    if not schema.applied:
        yield _to_be_made(store, config, path)
        return
    yield _tables(store, schema)
    if path is not None:
        for finding in (
            _writable(Path(path)),
            _journal(Path(path)),
            _space(Path(path).parent, schema.details),
        ):
            yield finding
    for remark in remarks:
        yield _remark(remark)
    async for finding in _reading(store, config, clock):
        yield finding


def _to_be_upgraded(store: Store, schema: SchemaStatus) -> Finding:
    """Nothing runs before somebody has said so."""
    lacks = f"lacks {count(len(schema.pending), 'migration')}" if schema.applied else "has no tables yet"
    place = f" in the schema {schema.details['schema']}" if "schema" in schema.details else ""
    error = StoreError(
        f"{store.url} {lacks}{place}: nothing can run",
        code="JK609",
        help="jobkit db upgrade, once for all hosts",
    )
    return from_error("store", error, None)


def _remark(remark: Remark) -> Finding:
    return Finding(remark.subject, _STATES[remark.level], remark.message, remark.help)


def _to_be_made(store: Store, config: Config, path: str | None) -> Finding:
    if path is None:
        return ok("store", f"{store.url}, empty")
    folder = Path(path).parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail(
            "store",
            f"{store.url} does not exist, and {folder} is read-only for this user",
            "make that folder writable, or name another place in [scheduler] store",
        )
    return ok("store", f"{store.url}, made by the first run")


def _tables(store: Store, schema: SchemaStatus) -> Finding:
    if schema.pending:
        return warn(
            "store",
            f"{store.url} lacks {len(schema.pending)} of its migrations",
            "jobkit db upgrade",
        )
    return ok("store", f"{store.url}, its tables are current")


def _writable(path: Path) -> Finding:
    for place, needed in ((path.parent, os.W_OK | os.X_OK), (path, os.R_OK | os.W_OK)):
        if not os.access(place, needed):
            return warn(
                "store",
                f"{place} cannot be written to by this user: history can be read, nothing can run",
                "run jobkit as the user that it belongs to, or change its owner",
            )
    return ok("store", "it can be written to")


def _journal(path: Path) -> Finding:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.Error as error:
        return warn("store", f"its journal could not be looked at: {error}", "jobkit db status says more")
    if mode != "wal":
        return warn(
            "store",
            f"its journal is in mode {mode!r}: readers and writers wait for each other",
            "the next run sets it to WAL; if not, something else has the file open",
        )
    return ok("store", f"SQLite {sqlite3.sqlite_version}, journal in WAL mode")


def _space(folder: Path, details: Mapping[str, Any]) -> Finding:
    free = shutil.disk_usage(folder).free
    used = f"{_megabytes(details.get('bytes', 0))} used"
    if free < _LEAST_SPACE:
        return warn(
            "store",
            f"{used}, only {_megabytes(free)} free on its disk",
            "make room; `jobkit db prune --before 7d` forgets old runs",
        )
    return ok("store", f"{used}, more than {_megabytes(_LEAST_SPACE)} free on its disk")


def _megabytes(number: int) -> str:
    return f"{number / 1024 / 1024:.1f} MB" if number < 10 * 1024 * 1024 else f"{number // 1024 // 1024} MB"


def _sink(standing: Standing, now: datetime, zone: ZoneInfo) -> Finding:
    state = standing.state
    words, waiting = standing_words(standing, now, zone), f"{count(state.waiting, 'result')} waiting"
    if words != "ok" and state.waiting:
        said = state.error or standing.failure
        error = f": {said}" if said else ""
        return warn(
            "sinks",
            f"{state.name} {words}, {waiting}{error}",
            "see that its plugin is there, and what it delivers to can be reached; it tries again by itself",
        )
    if state.dead:
        return warn(
            "sinks",
            f"{state.name} would not take {count(state.dead, 'result')}",
            f"jobkit db dead-letters --sink {state.name}",
        )
    return ok("sinks", f"{state.name}, {waiting}")


async def _reading(store: Store, config: Config, clock: Callable[[], datetime]) -> AsyncIterator[Finding]:
    before = clock()
    try:
        async with store:
            asked = clock()
            there = await store.now()
            answered = clock()
            last = max(
                (run.queued_at for run in (await store.last_runs()).values() if run.queued_at), default=before
            )
            found = [await standing_of(store, state) for state in await store.sinks()]
    except StoreError as error:
        yield from_error("store", error, config.root, state=State.FAIL)
        return
    for standing in found:
        yield _sink(standing, before, ZoneInfo(config.scheduler.timezone))
    if last - answered > _SKEW:
        yield fail(
            "clock",
            f"the newest run was asked for {last - answered} from now: a clock went back",
            "set this machine's clock by NTP",
        )
    # An embedded store has this machine's clock; only another one can differ.
    elif "path" in (await store.schema()).details:
        yield ok("clock", "no run is from the future")
    else:
        yield _clocks(there - (asked + (answered - asked) / 2), (answered - asked) / 2)


def _clocks(ahead: timedelta, unsure: timedelta) -> Finding:
    """How the store's clock, *ahead* of this machine's, give or take *unsure*, agrees with it."""
    by = f"{abs(ahead).total_seconds():.1f} s"
    if abs(ahead) > _SKEW:
        by = format_duration(timedelta(seconds=round(abs(ahead).total_seconds())))
        mend = "set both by NTP; until then schedules fire by the store's"
        return fail("clock", f"the store's clock and this machine's differ by {by}", mend)
    if abs(ahead) <= _TOLERATED + unsure:
        return ok("clock", f"this machine's and the store's differ by {by}")
    follows = (
        "ticks are claimed so much late, and count as missed from two seconds on"
        if ahead > timedelta(0)
        else "schedules fire by the store's, and logs say other times than runs"
    )
    behind = "behind" if ahead > timedelta(0) else "ahead of"
    return warn("clock", f"this machine's is {by} {behind} the store's: {follows}", "set both by NTP")
