"""Several processes on one file, and processes that are killed."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus
from jobkit.stores.base import NewRun, RunQuery
from jobkit.stores.sqlite.store import SqliteStore
from tests.stores.sqlite.children import Child, is_whole

Open = Callable[..., SqliteStore]


@pytest.fixture
def anyio_backend() -> str:
    """The loop of this process has no part in what its children do."""
    return "asyncio"


HAMMER = """
async def work():
    for _ in range(25):
        record, lease = await store.add_and_start(new(), request)
        await store.finish(lease, done())
        say(record.number)

async def main():
    async with store:
        say("open")
        sys.stdin.readline()
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)

anyio.run(main)
"""


async def test_processes_that_all_write(open_store: Open, child: Callable[[str], Child]) -> None:
    """Four that make the file together and hammer on it: every run is there, numbers without gaps."""
    children = [child(HAMMER) for _ in range(4)]
    for one in children:
        assert json.loads(one.output.readline()) == ["open"]
    for one in children:
        one.go_on()
    numbers = [answer[0] for one in children for answer in one.answers()]
    assert sorted(map(int, map(str, numbers))) == list(range(1, 401))
    async with open_store() as store:
        found = (await store.runs(RunQuery(limit=1000))).runs
    assert len(found) == 400
    assert {record.status for record in found} == {RunStatus.SUCCEEDED}


TAKER = """
async def main():
    async with store:
        wanted = [record.id for record in (await store.runs(RunQuery(limit=100))).runs]
        say("open")
        sys.stdin.readline()
        async def take(run):
            lease = await store.start_attempt(run, request)
            if lease is not None:
                await store.finish(lease, done())
                say(run)
        async with anyio.create_task_group() as tasks:
            for run in wanted:
                tasks.start_soon(take, run)

anyio.run(main)
"""


async def test_processes_that_want_the_same_runs(
    open_store: Open, child: Callable[[str], Child], new: Callable[..., NewRun]
) -> None:
    """Each run is started by exactly one of them."""
    async with open_store() as store:
        wanted = [(await store.add_run(new())).id for _ in range(60)]
    children = [child(TAKER) for _ in range(3)]
    for one in children:
        one.output.readline()
    for one in children:
        one.go_on()
    taken = Counter(answer[0] for one in children for answer in one.answers())
    assert set(taken) == set(wanted)
    assert set(taken.values()) == {1}


async def test_processes_that_open_it_for_the_first_time(
    open_store: Open, child: Callable[[str], Child], database: Path
) -> None:
    """They make one database between them, and leave nothing beside it."""
    script = """
async def main():
    sys.stdin.readline()
    async with store:
        say((await store.add_run(new())).number)

anyio.run(main)
"""
    children = [child(script) for _ in range(6)]
    for one in children:
        one.go_on()
    numbers = [answer[0] for one in children for answer in one.answers()]
    assert sorted(map(str, numbers)) == [str(number) for number in range(1, 7)]
    assert sorted(path.name for path in database.parent.iterdir()) == [".gitignore", "jobkit.db"]


@pytest.mark.parametrize("moment", [1, 7, 40, 150])
async def test_a_killed_writer(
    open_store: Open, child: Callable[[str], Child], database: Path, moment: int
) -> None:
    """The file is whole, and what it had been told was written is there."""
    script = """
async def work():
    while True:
        record, lease = await store.add_and_start(new(parameters={"x": "y" * 2000}), request)
        say(record.id, "running")
        await store.finish(lease, done())
        say(record.id, "succeeded")

async def main():
    async with store, anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(work)

anyio.run(main)
"""
    victim = child(script)
    said = [victim.output.readline() for _ in range(moment)]
    victim.process.send_signal(signal.SIGKILL)
    rest, _ = victim.process.communicate()
    said += [line for line in rest.splitlines() if line.endswith("]")]
    told: dict[str, str] = {}
    for line in said:
        run, status = json.loads(line)
        told[run] = status
    async with open_store() as store:
        for run, status in told.items():
            assert (await store.run(run)).status in {status, RunStatus.SUCCEEDED}
        # Those that it had begun are settled by whoever comes next.
        for found in await store.open_leases():
            assert found.lease.owner.dead(expired=False)
            lost = await store.settle(found.lease, dead=True)
            assert lost is not None
            assert lost.status is RunStatus.LOST
        assert (await store.runs(RunQuery(statuses=[RunStatus.RUNNING]))).runs == ()
    assert is_whole(database)


async def test_a_process_killed_beside_another(
    open_store: Open, child: Callable[[str], Child], new: Callable[..., NewRun], database: Path
) -> None:
    """Whoever has the file open goes on as if nothing had been."""
    async with open_store() as store:
        victim = child(HAMMER)
        victim.output.readline()
        victim.go_on()
        victim.output.readline()
        victim.kill()
        record: RunRecord = await store.add_run(new())
        assert (await store.run(record.id)).number == record.number
    assert is_whole(database)


async def test_a_process_killed_while_it_makes_the_file(
    open_store: Open, child: Callable[[str], Child], database: Path
) -> None:
    """At any step: the next one makes it, or finds it whole."""
    script = """
from jobkit.stores.sqlite import schema
step, count = int(os.environ.get("STEP", "0")), 0

def killed(event, args):
    global count
    if event in {"open", "sqlite3.connect", "os.rename", "os.remove"} and str(path.parent) in str(args[0]):
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

async def main():
    sys.addaudithook(killed)
    async with store:
        say("open")

anyio.run(main)
"""
    survived = False
    for step in range(1, 40):
        one = child(script.replace('int(os.environ.get("STEP", "0"))', str(step)))
        one.process.communicate(timeout=60)
        survived = one.process.returncode == 0
        async with open_store() as store:
            assert (await store.runs(RunQuery())).runs == ()
        assert is_whole(database)
        for path in database.parent.iterdir():
            path.unlink()
        if survived:
            break
    assert survived
    assert step > 5


def test_a_fork_does_not_wait_for_ever(child: Callable[[str], Child]) -> None:
    """It is told to open a store of its own, and harms neither the file nor its parent."""
    script = """
async def main():
    async with store:
        await store.add_run(new())
        pid = os.fork()
        if pid == 0:
            for call in (store.add_run(new()), store.last_runs()):
                try:
                    await call
                except StoreError as error:
                    say("child", error.code)
            await store.__aexit__(None, None, None)
            os._exit(0)
        os.waitpid(pid, 0)
        say("parent", (await store.add_run(new())).number)

anyio.run(main)
"""
    assert child(script).answers() == [["child", "JK618"], ["child", "JK618"], ["parent", 2]]


async def test_a_full_disk(open_store: Open, child: Callable[[str], Child], database: Path) -> None:
    """As if the store were away: nothing is half-written, reading goes on, and with space it works."""
    script = """
import resource

async def main():
    async with store:
        record, lease = await store.add_and_start(new(), request)
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = max(found.stat().st_size for found in path.parent.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, unlimited[1]))
        for _ in range(3):
            try:
                await store.add_run(new(parameters={"x": "y" * 1_000_000}))
            except StoreError as error:
                say(type(error).__name__, error.code)
        try:
            store.renew([lease])
        except StoreError as error:
            say(type(error).__name__, error.code)
        say("reads", (await store.run(record.id)).number, len((await store.runs(RunQuery())).runs))
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        say("renewed", store.renew([lease]) == {record.id})
        await store.finish(lease, done())
        say("written", (await store.add_run(new(parameters={"x": "y" * 1_000_000}))).number)

anyio.run(main)
"""
    answers = child(script).answers()
    assert answers[:3] == [["StoreUnavailable", "JK614"]] * 3
    assert answers[-3:] == [["reads", 1, 1], ["renewed", True], ["written", 2]]
    async with open_store() as store:
        assert [record.number for record in (await store.runs(RunQuery())).runs] == [2, 1]
        assert (await store.run(1)).status is RunStatus.SUCCEEDED
    assert is_whole(database)


def test_a_disk_that_is_full_from_the_start(child: Callable[[str], Child], database: Path) -> None:
    """No half of a database stays behind."""
    script = """
import resource

async def main():
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        async with store:
            pass
    except StoreError as error:
        say(type(error).__name__, error.code)

anyio.run(main)
"""
    assert child(script).answers() == [["StoreUnavailable", "JK614"]]
    assert [path.name for path in database.parent.iterdir()] == [".gitignore"]
