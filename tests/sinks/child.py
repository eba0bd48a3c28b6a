"""A process with a store and a sink, to be killed: ``child.py record|deliver FOLDER PORT [COUNT]``."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import anyio

from jobkit.plugins.provided import Provided
from jobkit.records import RunRecord
from jobkit.sinks.backoff import Pace
from jobkit.sinks.delivery import Delivery
from jobkit.stores.base import Store
from jobkit.stores.opening import open_store
from tests.sinks.conftest import Hooks, finish

PACE = Pace(poll=0.05, first=0.05, most=0.2, linger=0.01)


class Wire:
    """Sends each run as a line and waits for one."""

    name = "wire"

    def __init__(self, port: int) -> None:
        self.port = port

    def emit(self, run: RunRecord) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(json.dumps([run.number, run.job]).encode() + b"\n")
            if connection.recv(3) != b"ok\n":
                raise ConnectionError("no answer")


async def record(it: Delivery, store: Store, count: int) -> None:
    for index in range(count):
        it.finished(await finish(store, "ab"[index % 2]))
    report = await it.once()
    print("\n".join(report.words()), flush=True)
    print("recorded", flush=True)
    await anyio.sleep_forever()


async def deliver(it: Delivery, store: Store) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.serve)
        while (await store.sinks())[0].waiting:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()


async def main(*words: str) -> None:
    what, folder, port, count = (*words, "0")[:4]
    async with open_store("sqlite:///runs.db", project="tests", root=Path(folder)) as store:
        sinks = [Provided(Wire(int(port)), "shop")]
        async with Delivery(sinks, store, hooks=Hooks(), pace=PACE) as it:
            if what == "record":
                await record(it, store, int(count))
            else:
                await deliver(it, store)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
