"""The store of a command line's project, and schedulers that it knows of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.stores.base import Store
from jobkit.stores.opening import open_store
from jobkit.stores.replicas import Replica
from tests.cli.harness import CommandLine


def with_store(cli: CommandLine, work: Callable[[Store], Awaitable[Any]]) -> Any:
    """Do *work* with the project's store."""

    async def do() -> Any:
        url = "sqlite:///.jobkit/jobkit.db"
        async with open_store(url, project="shop", root=cli.root) as store:
            return await work(store)

    return anyio.run(do)


def serve(cli: CommandLine, *jobs: str, node: str = "host-a", owner: ProcessIdentity | None = None) -> None:
    """Have a scheduler be registered that knows *jobs*."""
    replica = Replica(
        id=new_run_id(datetime.now(UTC)),
        kind="scheduler",
        owner=owner or ProcessIdentity.current(),
        node=node,
        interval=timedelta(hours=1),
        jobs=dict.fromkeys(jobs, "hash"),
    )
    with_store(cli, lambda store: store.register_replica(replica))


def queued(cli: CommandLine) -> list[RunRecord]:
    """What a scheduler could start."""
    found: list[RunRecord] = with_store(cli, lambda store: store.queued())
    return found
