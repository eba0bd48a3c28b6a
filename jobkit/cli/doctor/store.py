"""The run store: can it be reached, read, written; are its tables current; do its clock and ours agree."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jobkit.cli.doctor.finding import Finding, State, fail, from_error, ok, warn
from jobkit.cli.render.text import count
from jobkit.cli.sinks_view import Standing, standing_of, standing_words
from jobkit.cli.stores import open_store
from jobkit.exceptions import StoreError

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.base import SchemaStatus, Store

_LEAST_SPACE = 100 * 1024 * 1024
_SKEW = timedelta(minutes=10)


async def look_at_store(config: Config, now: datetime) -> AsyncIterator[Finding]:
    """All checks of the store that *config* names; it is read, and not even made."""
    try:
        store = open_store(config, read_only=True)
        schema = await store.schema()
    except StoreError as error:
        yield from_error("store", error, config.root)
        return
    path = schema.details.get("path")
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
    async for finding in _reading(store, config, now):
        yield finding


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


async def _reading(store: Store, config: Config, now: datetime) -> AsyncIterator[Finding]:
    try:
        async with store:
            there = await store.now()
            last = max(
                (run.queued_at for run in (await store.last_runs()).values() if run.queued_at), default=now
            )
            found = [await standing_of(store, state) for state in await store.sinks()]
    except StoreError as error:
        yield from_error("store", error, config.root, state=State.FAIL)
        return
    for standing in found:
        yield _sink(standing, now, ZoneInfo(config.scheduler.timezone))
    # An embedded store has this machine's clock; only another one can differ.
    if "path" not in (await store.schema()).details and abs(there - now) > _SKEW:
        yield fail(
            "clock",
            f"the store's clock and this machine's differ by {abs(there - now)}",
            "set both by NTP; until then schedules fire by the store's",
        )
    elif last - now > _SKEW:
        yield fail(
            "clock",
            f"the newest run was asked for {last - now} from now: a clock went back",
            "set this machine's clock by NTP",
        )
    else:
        yield ok("clock", "no run is from the future")
