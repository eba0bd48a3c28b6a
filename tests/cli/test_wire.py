"""Signals are heard whatever the main thread does, and by nobody whom they were not sent to."""

from __future__ import annotations

import os
import signal

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_process import going, wait_for_file

#: The query never ends, and no Python code of the main thread is executed meanwhile.
JOBS = """\
import asyncio, multiprocessing, os, pathlib, signal, sqlite3, time
from jobkit import JobResult, submit_job

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"

@submit_job
async def in_c(ctx):
    pathlib.Path("begun").touch()
    sqlite3.connect(":memory:").execute(ENDLESS)

@submit_job
async def with_a_handler(ctx):
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
    pathlib.Path("begun").touch()
    time.sleep(600)

def child():
    pathlib.Path("child").write_text(str(os.getpid()))
    pathlib.Path("begun").touch()
    time.sleep(600)

@submit_job
def forks(ctx):
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    while not pathlib.Path("begun").exists():
        time.sleep(0.01)
    process.terminate()
    process.join()
    return JobResult.success(f"ended by {signal.Signals(-process.exitcode).name}")

@submit_job
def waits_for_a_fork(ctx):
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    return JobResult.success(f"ended with {process.exitcode}")
"""


@pytest.fixture
def shop(cli: CommandLine) -> CommandLine:
    cli.file("extensions/a/jobs/a.py", JOBS)
    return cli


@pytest.mark.parametrize("name", ["in_c", "with_a_handler"])
def test_two_signals_end_what_holds_the_main_thread(shop: CommandLine, name: str) -> None:
    """Both are heard at once: the first is answered while the job goes on, the second ends it."""
    with going(shop, "run", name) as program:
        wait_for_file(shop.root / "begun")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("once more ends it")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2
    [run] = checked(shop("history", "--json")).data
    assert run.status == "cancelled"


def test_two_signals_one_after_the_other_are_two(shop: CommandLine) -> None:
    """However short the time between them: none is lost on the way into a wait."""
    with going(shop, "run", "in_c") as program:
        wait_for_file(shop.root / "begun")
        program.process.send_signal(signal.SIGTERM)
        program.process.send_signal(signal.SIGINT)
        assert program.end().code == 2


def test_a_child_of_a_job_can_be_terminated(shop: CommandLine) -> None:
    """What jobkit does with signals is not inherited by what a job forks."""
    ended = shop.process("run", "forks", "--json")
    [run] = checked(ended).data
    assert (run.status, run.message) == ("succeeded", "ended by SIGTERM")


def test_a_signal_for_a_child_is_not_heard(shop: CommandLine) -> None:
    """It was not sent to this process."""
    with going(shop, "run", "waits_for_a_fork", "--json") as program:
        wait_for_file(shop.root / "begun")
        os.kill(int((shop.root / "child").read_text()), signal.SIGINT)
        ended = program.end()
    [run] = checked(ended).data
    assert (run.status, run.message) == ("succeeded", "ended with 1")
    assert "cancelling" not in ended.err
