"""Reading the run store: configuration without collecting jobs, and what died is shown as lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.stores import is_foreign, open_store, with_plugins
from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.records import RunRecord
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.cli.span_rows import Rows
    from jobkit.config import Config
    from jobkit.stores.base import RunPage, RunQuery, Store

T = TypeVar("T")


class History:
    """The store as readers see it: a run whose process is dead is ``lost``, written or not."""

    def __init__(self, store: Store, lost: frozenset[str]) -> None:
        self.store = store
        self._lost = lost

    @property
    def url(self) -> str:
        """The store's address, safe to show."""
        return self.store.url

    async def run(self, reference: int | str) -> RunRecord:
        """The run of that number or id. RunNotFound if there is none."""
        return self._seen(await self.store.run(reference))

    async def page(self, query: RunQuery) -> RunPage:
        """The runs that *query* selects, newest first."""
        page = await self.store.runs(query)
        return replace(page, runs=self._all_seen(page.runs)) if self._lost else page

    async def rows(self, query: RunQuery) -> Rows:
        """The runs that *query* selects, and the spans that fit it between them, newest first.

        *query* asks for a first page: those that follow are of runs alone.
        """
        from jobkit.cli.span_rows import extensions_of, merged, spans_for

        runs, spans = await self.page(query), await spans_for(self.store, query)
        return merged(runs, spans, await extensions_of(self.store, spans.spans), query.limit)

    async def recent(self, names: Iterable[str], limit: int) -> dict[str, tuple[RunRecord, ...]]:
        """The newest *limit* runs of each job, newest first."""
        from jobkit.stores.base import RunQuery

        return {name: (await self.page(RunQuery(jobs=(name,), limit=limit))).runs for name in names}

    async def last_runs(self) -> Mapping[str, RunRecord]:
        """The newest run of each job that has one."""
        return {name: self._seen(run) for name, run in (await self.store.last_runs()).items()}

    def _all_seen(self, runs: Iterable[RunRecord]) -> tuple[RunRecord, ...]:
        return tuple(map(self._seen, runs))

    def _seen(self, run: RunRecord) -> RunRecord:
        if run.id in self._lost and not run.status.finished:
            return replace(run, status=RunStatus.LOST)
        return run


def configuration(session: Session, *, store: bool = True) -> Config:
    """The configuration of the project around here; collects nothing. ConfigError.

    Where the *store* is of a plugin's kind, the plugins are loaded.
    """
    from jobkit.config import load_config

    config = load_config(project_root(session), env=session.options.env)
    return with_plugins(session, config) if store else config


def project_root(session: Session) -> Path:
    """The root of the project around here; errors are then shown relative to it. ConfigError."""
    from jobkit.config import require_root

    root = require_root(Path(session.options.directory or "."))
    session.output.root = root
    return root


@asynccontextmanager
async def opened(config: Config) -> AsyncIterator[History]:
    """The store that *config* names, entered, after the runs of dead processes were settled.

    Reading makes nothing: neither folder nor file. Only what has to be written down, or a store whose
    tables have to be brought up to date first, is opened for writing.
    """
    async with AsyncExitStack() as stack:
        yield await _opened_for_reading(stack, config) or await _opened_for_writing(stack, config)


async def _opened_for_reading(stack: AsyncExitStack, config: Config) -> History | None:
    from jobkit.runner.settling import settle_dead

    try:
        store = await stack.enter_async_context(open_store(config, read_only=True))
        lost = await settle_dead(store)
    except StoreError as error:
        await stack.aclose()
        if isinstance(error, StoreUnavailable) and is_foreign(config):
            raise  # a server that does not answer is not waited for twice
        return None  # opening it for writing mends it, or says what is wrong with it
    if lost and await _settled(config):
        lost = frozenset()
    return History(store, lost)


async def _settled(config: Config) -> bool:
    """Whether the runs of dead processes could be settled. Where they could not they are shown as lost."""
    try:
        async with AsyncExitStack() as stack:
            await _opened_for_writing(stack, config)
    except StoreError:
        return False  # such as somebody else's: it can be read all the same
    return True


async def _opened_for_writing(stack: AsyncExitStack, config: Config) -> History:
    from jobkit.runner.settling import settle_dead

    store = await stack.enter_async_context(open_store(config))
    return History(store, await settle_dead(store))


def read(config: Config, question: Callable[[History], Awaitable[T]]) -> T:
    """The answer of the store that *config* names to *question*."""
    import anyio

    async def ask() -> T:
        async with opened(config) as history:
            return await question(history)

    return anyio.run(ask)


def read_or_report(
    session: Session, config: Config, question: Callable[[History], Awaitable[T]], otherwise: T
) -> tuple[T, int]:
    """The answer and exit code 0; if the store cannot be used, its error on stderr, *otherwise*, and 6.

    For verbs that have something to say without the store.
    """
    try:
        return read(config, question), ExitCode.OK
    except StoreError as error:
        session.output.report(error)
        return otherwise, ExitCode.UNUSABLE
