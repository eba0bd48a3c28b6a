"""``jobkit run --pdb`` on a real terminal: the debugger opens where a job raises, and the run is recorded."""

from __future__ import annotations

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
