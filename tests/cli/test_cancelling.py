"""``cancel``: runs that wait, runs that go on here and elsewhere, and those that do not end in time."""

from __future__ import annotations

import re
import signal
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, Store
from tests.cli.harness import CommandLine
from tests.cli.queues import with_store
from tests.cli.shapes import checked
from tests.cli.test_process import going, wait_for_file
from tests.cli.test_start import LONG, runs, started

pytestmark = pytest.mark.waits

JOBS = """\
from pathlib import Path
import time

import anyio
from jobkit import Retry, submit_job


@submit_job(overlap="allow")
async def report(ctx):
    Path("began").touch()
    while not Path("go").exists():
        await anyio.sleep(0.01)


@submit_job
def polite(ctx):
    Path("began").touch()
    while True:
        ctx.check_cancelled()
        time.sleep(0.01)


@submit_job
def busy(ctx):
    Path("began").touch()
    while not Path("go").exists():
        time.sleep(0.01)


@submit_job(retries=Retry(3, delay="1h"))
async def fails(ctx):
    Path("began").touch()
    raise OSError("away")
"""


@pytest.fixture(autouse=True)
def jobs(cli: CommandLine) -> None:
    """Jobs that go on until somebody ends them, or until there is a file `go`."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)


def made(cli: CommandLine, *, running: bool = True, status: RunStatus | None = None) -> RunRecord:
    """A run of `report` that this process has begun, that ended with *status*, or that still waits."""

    async def make(store: Store) -> RunRecord:
        new = NewRun(id=new_run_id(datetime.now(UTC)), job="report", extension="web", trigger=Trigger.API)
        if not running:
            return await store.add_run(new)
        record, lease = await store.add_and_start(new, LeaseRequest(ProcessIdentity.current(), "here"))
        if status is not None:
            await store.finish(lease, Outcome(status=status, finished_at=datetime.now(UTC), duration_ms=1))
        return record

    found: RunRecord = with_store(cli, make)
    return found


def one(cli: CommandLine, number: int = 1) -> Any:
    """The run as the history has it."""
    return next(run for run in checked(cli("--json", "history")).data if run.number == number)


# -- runs that nobody executes ------------------------------------------------------------------------


def test_a_queued_run_ends_at_once(cli: CommandLine) -> None:
    """Whose wish it was, and why, stand in its record."""
    made(cli, running=False)
    ended = cli("cancel", "1", "--reason", "wrong month", "--as", "ada@host-a")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "#1 report is cancelled; it had not begun\n"
    run = one(cli)
    assert run.status == "cancelled"
    assert "ada@host-a" in run.message
    assert "wrong month" in run.message


def test_the_answer_as_data(cli: CommandLine) -> None:
    """What became of it, what it was, and the run as it is now; `last` and `#1` name it, too."""
    made(cli, running=False)
    [answer] = checked(cli("cancel", "last", "--json")).data
    assert (answer.became, answer.was, answer.run.status) == ("cancelled", "queued", "cancelled")
    [answer] = checked(cli("cancel", "#1", "--json")).data
    assert (answer.became, answer.was) == ("over", "cancelled")


def test_a_run_that_waits_for_its_next_attempt_has_none(cli: CommandLine) -> None:
    """Cancelled at once, and never tried again."""
    with started(cli) as service:
        assert cli.process("run", "fails", "--queue").code == 0
        service.wait_for("run.retrying")
        ended = cli.process("cancel", "1")
        assert (ended.code, ended.out) == (0, "#1 fails is cancelled; it waited for its next attempt\n")
        assert service.end(signal.SIGTERM).code == 0
    run = one(cli)
    assert (run.status, run.attempt) == ("cancelled", 1)


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
def test_a_run_that_has_ended_stays_as_it_is(cli: CommandLine, status: RunStatus) -> None:
    """That is said, and is no error: it does not go on."""
    made(cli, status=status)
    ended = cli("cancel", "1", fixed=False)
    shown = {"succeeded": "ok", "failed": "FAILED"}[status.value]
    assert ended.code == 0
    assert re.fullmatch(rf"#1 report had ended \d+s ago already: {shown}\n", ended.out)
    assert one(cli).status == status.value


@pytest.mark.parametrize("reference", ["99", "nonsense", "01a20563-5dd3-72e8-9166-3b22fa755de0"])
def test_a_run_that_there_is_not(cli: CommandLine, reference: str) -> None:
    """JK603, exit code 4; nothing is asked of those that are named beside it."""
    made(cli, running=False)
    ended = cli("cancel", "1", reference)
    assert (ended.code, "error[JK603]" in ended.err) == (4, True)
    assert one(cli).status == "queued"


def test_nothing_has_ever_run(cli: CommandLine) -> None:
    """Exit code 4, and no store is made for that."""
    ended = cli("cancel", "1")
    assert (ended.code, "nothing has run yet" in ended.err) == (4, True)
    assert not (cli.root / ".jobkit" / "jobkit.db").exists()


def test_several_in_one_command(cli: CommandLine) -> None:
    """Each once, in the order in which they were named."""
    for _ in range(3):
        made(cli, running=False)
    answer = checked(cli("cancel", "3", "1", "3", "--json")).data
    assert [(each.run.number, each.became) for each in answer] == [(3, "cancelled"), (1, "cancelled")]
    assert one(cli, 2).status == "queued"


# -- runs that go on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("job", ["report", "polite"])
def test_a_run_of_another_process_ends_within_a_second(cli: CommandLine, job: str) -> None:
    """Code that awaits, and a thread that asks; that process says so, and its exit code is 1."""
    with going(cli, "run", job) as process:
        wait_for_file(cli.root / "began")
        began = time.monotonic()
        ended = cli("cancel", "last", "--reason", "enough", "--as", "ada", fixed=False)
        took = time.monotonic() - began
        assert process.end().code == 1
    assert ended.code == 0, ended.err
    assert re.fullmatch(rf"#1 {job} is cancelled after [\d.]+m?s\n", ended.out)
    assert took < 3, "about one second, and some patience with a busy machine"
    run = one(cli)
    assert run.status == "cancelled"
    assert "ada" in run.message
    assert "enough" in run.message


def test_a_run_that_nobody_asks_to_end_goes_on(cli: CommandLine) -> None:
    """The control: of two processes only the one whose run was named stops."""
    with going(cli, "run", "report") as first:
        wait_for_file(cli.root / "began")
        (cli.root / "began").unlink()
        with going(cli, "run", "report") as second:
            wait_for_file(cli.root / "began")
            assert cli("cancel", "2").code == 0
            assert second.end().code == 1
        assert one(cli, 1).status == "running"
        cli.file("go", "")
        assert first.end().code == 0


def test_a_run_of_a_scheduler_ends(cli: CommandLine) -> None:
    """And the scheduler goes on."""
    cli.file("extensions/a/jobs/long.py", LONG.format(seconds=600))
    with started(cli) as service:
        wait_for_file(cli.root / "began")
        [run] = [run for run in runs(cli) if run["status"] == "running"]
        (cli.root / "began").unlink()
        began = time.monotonic()
        ended = cli.process("cancel", str(run["number"]))
        assert (ended.code, "is cancelled after" in ended.out) == (0, True)
        assert time.monotonic() - began < 5
        wait_for_file(cli.root / "began")
        assert service.end(signal.SIGTERM).code == 0


def test_without_waiting(cli: CommandLine) -> None:
    """It is asked for, and that is all: exit code 0 although it goes on."""
    with going(cli, "run", "busy") as process:
        wait_for_file(cli.root / "began")
        ended = cli("cancel", "1", "--no-wait")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == "#1 busy is asked to end (`jobkit logs 1 -f` follows it)\n"
        [answer] = checked(cli("cancel", "1", "--no-wait", "--json")).data
        assert (answer.became, answer.was) == ("asked", "running")
        cli.file("go", "")
        process.end()


def test_jk539_a_run_that_does_not_end_in_time(cli: CommandLine) -> None:
    """JK539, exit code 1; following its page, with more patience, it is seen to end."""
    made(cli)
    ended = cli("cancel", "1", "--timeout", "200ms")
    assert ended.code == 1
    assert "error[JK539]: run 1 of report is asked to end, and did not end within 200ms" in ended.err
    assert "`jobkit explain JK539` says what may keep it" in ended.err
    answer = checked(cli("cancel", "1", "--timeout", "0.2", "--json"))
    assert [error.code for error in answer.errors] == ["JK539"]
    assert answer.data[0].became == "asked"

    async def end(store: Store) -> None:
        [held] = await store.open_leases()
        outcome = Outcome(status=RunStatus.CANCELLED, finished_at=datetime.now(UTC), duration_ms=1)
        await store.finish(held.lease, outcome)

    with_store(cli, end)
    assert cli("cancel", "1", "--timeout", "2m").code == 0


def test_a_process_that_died_is_not_waited_for(cli: CommandLine) -> None:
    """Its run is settled: it had ended before anybody asked."""
    with going(cli, "run", "report") as process:
        wait_for_file(cli.root / "began")
        process.process.kill()
        process.process.wait()
        ended = cli("cancel", "1")
    assert (ended.code, "already: LOST" in ended.out) == (0, True)


def test_a_process_that_dies_meanwhile(cli: CommandLine) -> None:
    """Is noticed while waiting: what becomes of its run is what becomes of any that dies."""
    with going(cli, "run", "busy") as process:
        wait_for_file(cli.root / "began")
        with going(cli, "cancel", "1", "--timeout", "30s") as asking:
            while not with_store(cli, lambda store: store.cancel_requests()):
                time.sleep(0.02)
            process.process.kill()
            ended = asking.end()
    assert (ended.code, ended.out) == (0, "#1 busy ended before it could be cancelled: LOST\n")
    assert one(cli).status == "lost"


@pytest.mark.parametrize("arguments", [[], ["1", "--timeout", "0"], ["1", "--timeout", "soon"]])
def test_what_makes_no_sense_is_refused(cli: CommandLine, arguments: list[str]) -> None:
    """Exit code 4."""
    assert cli("cancel", *arguments).code == 4
