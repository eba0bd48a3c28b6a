"""Services that hang: while they are opened or closed, politely or not. Nobody waits for them for ever."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from jobkit import ServiceSpec
from jobkit.exceptions import ServiceError
from jobkit.plugins.watchdog import Watchdog
from jobkit.services.graph import ServiceGraph
from jobkit.services.host import ServiceHost

if TYPE_CHECKING:
    from tests.services.conftest import MakeJob

#: How long the services here may take, in seconds.
CLEANUP = 0.05


async def db_only(ctx: object, db: object) -> None:
    """A job that uses ``db``."""


async def clinging() -> None:
    """Whatever it is told."""
    while True:
        try:
            await anyio.sleep_forever()
        except BaseException:  # even this one is left behind
            continue


async def closes_never() -> AsyncIterator[str]:
    """Hangs in closing."""
    yield "db"
    await anyio.sleep_forever()


async def closes_never_and_clings() -> AsyncIterator[str]:
    """And cannot be cancelled."""
    yield "db"
    async with anyio.create_task_group():
        await clinging()


async def opens_never_and_clings() -> str:
    """Hangs in opening, and cannot be cancelled."""
    await clinging()
    return "db"


def hosted(*services: ServiceSpec, reported: list[ServiceError], **more: Any) -> ServiceHost:
    """A host with little patience, and what it reports."""
    return ServiceHost(ServiceGraph(services), report=reported.append, cleanup=CLEANUP, **more)


@pytest.mark.parametrize("factory", [closes_never, closes_never_and_clings])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_service_that_hangs_in_closing_is_left_behind(job: MakeJob, factory: Any) -> None:
    """It is named with the place of its factory (JK410), and the others are closed all the same."""
    events: list[str] = []

    async def open_cache() -> AsyncIterator[str]:
        yield "cache"
        events.append("close cache")

    reported: list[ServiceError] = []
    cache, db = ServiceSpec(open_cache, name="cache"), ServiceSpec(factory, name="db")
    with anyio.fail_after(5):
        async with hosted(cache, db, reported=reported) as host:
            await host.get("cache")
            await host.run_scope(job(db_only)).open()
    [trouble] = reported
    assert (trouble.code, trouble.path, trouble.line) == ("JK410", *db.place)
    assert trouble.message.startswith("service `db` did not close in time: it had 0.05 s")
    assert events == ["close cache"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_an_opening_that_clings_is_left_behind(job: MakeJob) -> None:
    """Once nobody waits for it any more; the host can be left."""
    reported: list[ServiceError] = []
    with anyio.fail_after(5):
        async with hosted(ServiceSpec(opens_never_and_clings, name="db"), reported=reported) as host:
            with anyio.move_on_after(CLEANUP):
                await host.run_scope(job(db_only)).open()
    [trouble] = reported
    assert trouble.message.startswith("service `db` did not stop opening in time")


async def test_a_synchronous_factory_that_hangs_is_named(job: MakeJob) -> None:
    """While it is opened and while it is closed: everything waits for it meanwhile."""
    said: list[str] = []
    named = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        named.set()

    def open_db() -> Iterator[str]:
        assert named.wait(5)
        named.clear()
        yield "db"
        assert named.wait(5)

    spec = ServiceSpec(open_db, name="db")
    reported: list[ServiceError] = []
    async with ServiceHost(
        ServiceGraph([spec]), report=reported.append, watch=Watchdog(0.05, say).watch
    ) as host:
        assert await host.run_scope(job(db_only)).open() == ("db",)
    place = f"service `db` ({spec.place[0]}:{spec.place[1]}) has not returned for 0.05 s"
    assert [line.partition(";")[0] for line in said] == [f"opening {place}", f"closing {place}"]
    assert reported == []
