"""``jobkit run --pdb`` on a real terminal: the debugger opens where a job raises, and the run is recorded."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_pty import Screen, terminal

JOBS = """\
import os
import anyio
from jobkit import JobResult, Retry, submit_job

@submit_job(retries=Retry(retries=2, delay=0), timeout="0.2s")
async def on_loop(ctx):
    ctx.progress(1, 2, "half")
    answer = 6 * 7
    await anyio.sleep(0)
    raise LookupError("nothing there")

@submit_job
def in_thread(ctx):
    print("the job says hello")
    colour = "mauve"
    raise LookupError("nothing there")

@submit_job(executor="process")
def apart(ctx):
    pid = os.getpid()
    raise LookupError("nothing there")

@submit_job
async def says_no(ctx):
    return JobResult.failure("no")

@submit_job
async def parent(ctx):
    share = "half"
    await ctx.run_job("in_thread")

@submit_job
async def grouped(ctx):
    async def inner():
        depth = "deep"
        raise KeyError("under water")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(inner)

@submit_job
async def asks_too_much(ctx):
    wanted = "mist"
    await ctx.service(wanted)
"""


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    cli.file("extensions/a/jobs/jobs.py", JOBS)
    return cli


class Debugger:
    """What somebody types at the prompt, and what is shown until the next one."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def opened(self) -> str:
        return self._until_prompt(0)

    def ask(self, command: str) -> str:
        shown = len(self.screen.raw)
        self.screen.type(command + "\n")
        return self._until_prompt(shown)

    def _until_prompt(self, start: int) -> str:
        self.screen.wait_for(rf"(?s)\A.{{{start}}}.*\(Pdb\) \Z")
        return self.screen.raw[start:]


def test_the_debugger_opens_at_the_frame_of_an_async_job(jobs: CommandLine) -> None:
    """Its variables can be asked for as long as one likes; leaving ends the run as failed, at once."""
    with terminal(jobs, "run", "--pdb", "on_loop") as screen:
        debugger = Debugger(screen)
        opened = debugger.opened()
        assert "LookupError: nothing there" in opened
        assert '-> raise LookupError("nothing there")' in opened
        assert "42" in debugger.ask("p answer")
        # Longer than the job's timeout, which would end the run as timed out.
        debugger.ask("import time; time.sleep(0.4)")
        assert "Oldest frame" in debugger.ask("up")
        screen.type("q\n")
        assert screen.end() == 1
    assert screen.raw.count("raised this") == 1
    [run] = checked(jobs("history", "--json")).data
    assert (run.status, run.attempt, run.attempts) == ("failed", 1, 1)


def test_the_debugger_opens_at_the_frame_of_a_job_in_a_thread(jobs: CommandLine) -> None:
    """What it prints is shown, and kept out of the run's log; the end of input leaves it like `q`."""
    with terminal(jobs, "run", "--pdb", "in_thread") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert "'mauve'" in debugger.ask("p colour")
        assert "\nMAUVE" in debugger.ask("print(colour.upper())").replace("\r", "")
        screen.type("\x04")
        assert screen.end() == 1
    [run] = checked(jobs("history", "--json")).data
    assert run.status == "failed"
    logged = jobs("logs", "1").out
    assert "the job says hello" in logged
    assert "MAUVE" not in logged


def test_ctrl_c_at_the_prompt_cancels_nothing(jobs: CommandLine) -> None:
    """It throws away what was typed; the run has failed, not been interrupted."""
    with terminal(jobs, "run", "--pdb", "in_thread") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        time.sleep(0.3)  # Python shows its prompt a moment before a signal can end the reading
        shown = len(screen.raw)
        screen.type("\x03")
        screen.wait_for(rf"(?s)\A.{{{shown}}}.*KeyboardInterrupt.*\(Pdb\) \Z")
        screen.type("q\n")
        assert screen.end() == 1
    [run] = checked(jobs("history", "--json")).data
    assert (run.status, run.reason) == ("failed", None)


def test_a_process_job_is_debugged_in_this_process(jobs: CommandLine) -> None:
    """Nobody could type into another process: the job runs in the one that has the terminal."""
    with terminal(jobs, "run", "--pdb", "apart") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert str(screen.process.pid) in debugger.ask("p pid")
        screen.type("q\n")
        assert screen.end() == 1


def test_each_run_that_raises_is_debugged_in_turn(jobs: CommandLine) -> None:
    """After the first was left the next one runs; `restart` begins nothing again."""
    with terminal(jobs, "run", "--pdb", "in_thread", "on_loop") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert "42" in debugger.ask("restart") + debugger.ask("p answer")
        screen.type("q\n")
        assert screen.end() == 1
    assert [run.status for run in checked(jobs("history", "--json")).data] == ["failed", "failed"]


def test_a_child_is_debugged_before_its_parent(jobs: CommandLine) -> None:
    """First at the frame of the child, then at that of the parent which its failure made raise."""
    with terminal(jobs, "run", "--pdb", "parent") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert "'mauve'" in debugger.ask("p colour")
        assert "#1 parent raised this" in debugger.ask("q")
        assert "'half'" in debugger.ask("p share")
        screen.type("q\n")
        assert screen.end() == 1
    assert {run.status for run in checked(jobs("history", "--json")).data} == {"failed"}


def test_an_error_of_ours_opens_where_the_job_caused_it(jobs: CommandLine) -> None:
    """What jobkit raises in a job is looked at in the job's own frame."""
    with terminal(jobs, "run", "--pdb", "asks_too_much") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert "'mist'" in debugger.ask("p wanted")
        screen.type("q\n")
        assert screen.end() == 1


def test_of_a_group_it_is_the_exception_inside(jobs: CommandLine) -> None:
    """What a task of the job has raised is looked at where the task raised it."""
    with terminal(jobs, "run", "--pdb", "grouped") as screen:
        debugger = Debugger(screen)
        assert "KeyError: 'under water'" in debugger.opened()
        assert "'deep'" in debugger.ask("p depth")
        screen.type("q\n")
        assert screen.end() == 1


def test_the_lease_is_renewed_while_the_debugger_is_open(jobs: CommandLine) -> None:
    """Looking for longer than a lease lasts does not make the run look dead."""
    jobs.file("jobkit.toml", '[scheduler]\nlease = "1s"\n')

    def renewed_until() -> int:
        with closing(sqlite3.connect(jobs.root / ".jobkit" / "jobkit.db")) as store:
            return int(store.execute("SELECT lease_expires_at FROM runs").fetchone()[0])

    with terminal(jobs, "run", "--pdb", "on_loop") as screen:
        debugger = Debugger(screen)
        debugger.opened()
        before = renewed_until()
        debugger.ask("import time; time.sleep(1.2)")
        assert renewed_until() > before
        screen.type("q\n")
        assert screen.end() == 1
    [run] = checked(jobs("history", "--json")).data
    assert run.status == "failed"


def test_a_result_of_failure_is_no_exception(jobs: CommandLine) -> None:
    """There is nothing to look at: the run ends without a prompt."""
    with terminal(jobs, "run", "--pdb", "says_no") as screen:
        assert screen.end() == 1
    assert "(Pdb)" not in screen.raw


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--json",), "--pdb cannot go with --json"),
        (("-j", "2"), "--pdb cannot go with -j"),
        (("--timeout", "5s"), "--pdb cannot go with --timeout"),
    ],
)
def test_what_pdb_cannot_go_with(jobs: CommandLine, arguments: tuple[str, ...], reason: str) -> None:
    """Exit code 4, a reason, and nothing runs."""
    with terminal(jobs, "run", "--pdb", "in_thread", *arguments) as screen:
        assert screen.end() == 4
    assert reason in screen.plain
    assert checked(jobs("history", "--json")).data == []


def test_pdb_needs_a_terminal(jobs: CommandLine) -> None:
    """Without one nobody could type: exit code 4."""
    ended = jobs.process("run", "--pdb", "in_thread")
    assert ended.code == 4
    assert "--pdb needs a terminal" in ended.err


def test_standard_output_may_be_a_file(jobs: CommandLine) -> None:
    """The answer goes there, the debugger to the terminal."""
    shell = 'exec "$0" -m jobkit run --pdb in_thread >answer.txt 2>aside.txt'
    with terminal(jobs, program=("/bin/sh", "-c", shell, sys.executable)) as screen:
        debugger = Debugger(screen)
        debugger.opened()
        assert "'mauve'" in debugger.ask("p colour")
        screen.type("q\n")
        assert screen.end() == 1
    assert "FAILED" in (jobs.root / "answer.txt").read_text(encoding="utf-8")
    assert "(Pdb)" not in (jobs.root / "aside.txt").read_text(encoding="utf-8")
