"""Processes that wake each other, and those that cannot."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit.exceptions import StoreError
from jobkit.stores import waking
from jobkit.stores.base import NewRun
from jobkit.stores.sqlite import wakes
from jobkit.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.children import Child

Open = Callable[..., SqliteStore]
New = Callable[..., NewRun]

SLEEPER = """
async def main():
    async with store:
        await store.wait(0)
        say("asleep")
        say(await store.wait(60))

anyio.run(main)
"""


@pytest.fixture
def anyio_backend() -> str:
    """The loop of this process has no part in what its children do."""
    return "asyncio"


@pytest.fixture
def names(database: Path) -> Callable[[], list[str]]:
    """The sockets that are there."""
    folder = database.with_name("jobkit.db-wakes")
    return lambda: [path.name for path in folder.iterdir()] if folder.exists() else []


async def test_another_process_is_woken(
    open_store: Open, child: Callable[[str], Child], new: New, names: Callable[[], list[str]]
) -> None:
    """Several of them, by one write; and nothing is left behind."""
    children = [child(SLEEPER) for _ in range(2)]
    for one in children:
        assert json.loads(one.output.readline()) == ["asleep"]
    assert len(names()) == 2
    async with open_store() as store:
        await store.add_run(new())
        assert [one.answers() for one in children] == [[[True]], [[True]]]
    assert names() == []


async def test_a_killed_process_is_forgotten(
    open_store: Open, child: Callable[[str], Child], new: New, names: Callable[[], list[str]]
) -> None:
    """Its socket is there until somebody finds that nobody listens."""
    victim = child(SLEEPER)
    victim.output.readline()
    victim.process.send_signal(signal.SIGKILL)
    victim.process.communicate()
    assert len(names()) == 1
    async with open_store() as store, open_store() as other:
        assert await other.wait(0) is False
        await store.add_run(new())
        assert len(names()) == 1
        assert await other.wait(60) is True


async def test_a_path_that_is_too_long_for_a_socket(open_store: Open, tmp_path: Path, new: New) -> None:
    """Names of sockets have a hundred bytes; projects lie deeper."""
    folder = tmp_path / ("d" * 90) / ("e" * 90)
    folder.mkdir(parents=True)
    async with open_store(folder / "x.db") as one, open_store(folder / "x.db") as other:
        assert await one.wait(0) is False
        await other.add_run(new())
        assert await one.wait(60) is True


async def test_where_there_are_no_sockets_it_looks_from_time_to_time(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait ends early, as if somebody had written; a short one just ends."""

    def refuse(*arguments: Any) -> socket.socket:
        raise OSError("no sockets here")

    monkeypatch.setattr("jobkit.stores.sqlite.wakes.socket.socket", refuse)
    monkeypatch.setattr(wakes, "POLL", 0.01)
    assert waking.POLL == 5
    async with open_store() as store:
        assert await store.wait(0.001) is False
        with anyio.fail_after(30):
            assert await store.wait(60) is True


async def test_a_wait_ends_with_its_store(open_store: Open) -> None:
    """Whoever sleeps is told that it was closed."""
    store = open_store()
    failed: list[str] = []

    async def sleep() -> None:
        with pytest.raises(StoreError) as refused:
            await store.wait(60)
        failed.append(refused.value.code or "")

    async with anyio.create_task_group() as tasks, store:
        tasks.start_soon(sleep)
        await anyio.wait_all_tasks_blocked()
    assert failed == ["JK618"]


async def test_nobody_sleeps_on_what_is_only_read(open_store: Open, new: New) -> None:
    """Readers come and go; a socket would be a trace."""
    async with open_store() as store:
        await store.add_run(new())
        async with open_store(read_only=True) as reader:
            with pytest.raises(StoreError) as refused:
                await reader.wait(0)
            assert refused.value.code == "JK617"
