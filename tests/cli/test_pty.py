"""The program on a real terminal: colour, width, moving lines, Ctrl-C, questions."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

PATIENCE = 30.0

# Makes standard input the terminal that controls the new session: Ctrl-C comes from there.
_ON_THIS_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""

JOBS = """\
import anyio
from jobkit import JobResult, submit_job

@submit_job
async def counting(ctx, *, forever: bool = False):
    for step in range(4):
        ctx.progress(step, 4, "counting")
        await anyio.sleep(0.3)
        print("step", step)
    if forever:
        await anyio.sleep_forever()
    return JobResult.success("counted").with_stats(4, 0)

@submit_job
def bad(ctx):
    raise LookupError("nothing there")
"""


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.master = master
        self.raw = ""

    def wait_for(self, pattern: str) -> None:
        """Read until *pattern* is found in what was shown so far."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.raw):
            assert time.monotonic() < deadline, self.raw
            assert self._read(deadline), (pattern, self.raw)

    def _read(self, deadline: float) -> bool:
        if not select.select([self.master], [], [], max(deadline - time.monotonic(), 0))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # on Linux the end of a terminal is an error
            return False
        self.raw += data.decode()
        return bool(data)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self.process.wait(PATIENCE)

    @property
    def plain(self) -> str:
        """What was shown, without colours."""
        return re.sub(r"\x1b\[[\d;]*m", "", self.raw).replace("\r\n", "\n")


@contextmanager
def terminal(
    cli: CommandLine,
    *arguments: str,
    columns: int = 100,
    program: Sequence[str] = (sys.executable, "-m", "jobkit"),
    **environ: str,
) -> Iterator[Screen]:
    """Start ``jobkit ARGUMENTS``, or another *program*, on a terminal with that many columns."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_THIS_TERMINAL, *program, *arguments],
        cwd=cli.root, env={**cli.environ(), "TERM": "xterm", **environ},
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    try:
        yield Screen(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    cli.file("extensions/a/jobs/jobs.py", JOBS)
    return cli


def test_progress_moves_on_one_line(jobs: CommandLine) -> None:
    """A bar is drawn, redrawn in place, and gone in the end; lines of the run stand above it."""
    with terminal(jobs, "run", "counting") as screen:
        assert screen.end() == 0
    assert "\x1b[K" in screen.raw
    assert re.search(r"counting: counting +━*╸?─+ +\d/4 +\d+%", screen.plain)
    last = screen.plain.rpartition("\x1b[K")[2]
    assert "ok  #1 counting" in last
    assert "━" not in last
    assert screen.plain.count("step 2\n") == 1


def test_every_run_begins_and_ends_once(jobs: CommandLine) -> None:
    """On a terminal the canonical log lines are not shown beside header and result."""
    with terminal(jobs, "run", "counting") as screen:
        assert screen.end() == 0
    assert screen.plain.count("run #1 counting") == 1
    assert "run.started" not in screen.raw
    assert "run.finished" not in screen.raw


def test_failures_are_red_and_NO_COLOR_is_respected(jobs: CommandLine) -> None:  # noqa: N802
    """Colour on a terminal; none with NO_COLOR; the words are the same."""
    with terminal(jobs, "run", "bad") as coloured:
        assert coloured.end() == 1
    with terminal(jobs, "run", "bad", NO_COLOR="1") as plain:
        assert plain.end() == 1
    assert "\x1b[1;31mFAILED\x1b[0m" in coloured.raw
    assert not re.search(r"\x1b\[[\d;]*m", plain.raw)
    assert "E   LookupError: nothing there" in plain.plain
    assert "E   LookupError: nothing there" in coloured.plain


def test_a_dumb_terminal_gets_plain_lines(jobs: CommandLine) -> None:
    """TERM=dumb: neither colour nor movement, progress as lines."""
    with terminal(jobs, "run", "counting", TERM="dumb") as screen:
        assert screen.end() == 0
    assert "\x1b" not in screen.raw
    assert re.search(r"counting: counting +\d/4", screen.raw)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_screens_are_as_wide_as_the_terminal(jobs: CommandLine, columns: int) -> None:
    """Rules fill it, tables and bars stay inside."""
    with terminal(jobs, "run", "bad", columns=columns, NO_COLOR="1") as screen:
        screen.end()
    rules = [line for line in screen.plain.splitlines() if line.startswith("━")]
    assert [len(rule) for rule in rules] == [columns]
    with terminal(jobs, "history", columns=columns, NO_COLOR="1") as screen:
        screen.end()
    table = screen.plain.partition("RUN")[2].splitlines()
    assert table
    assert max(map(len, table)) <= columns


def test_ctrl_c_on_the_keyboard(jobs: CommandLine) -> None:
    """The terminal's interrupt cancels the run: exit code 2, recorded."""
    with terminal(jobs, "run", "counting", "-p", "forever=true") as screen:
        screen.wait_for("step 3")
        screen.type("\x03")
        assert screen.end() == 2
    assert "SIGINT" in screen.plain
    assert "Traceback" not in screen.raw
    [run] = checked(jobs("history", "--json")).data
    assert (run.status, run.reason) == ("cancelled", "interrupted")


@pytest.mark.parametrize(("answer", "code"), [("y\n", 1), ("yes\n", 1), ("\n", 7), ("n\n", 7), ("\x04", 7)])
def test_a_protected_environment_asks(jobs: CommandLine, answer: str, code: int) -> None:
    """Yes runs (and this job fails), anything else is no."""
    jobs.file("jobkit.toml", "[project]\nprotected = true\n")
    with terminal(jobs, "run", "bad") as screen:
        screen.wait_for(r"Run bad\? \[y/N\]")
        screen.type(answer)
        assert screen.end() == code


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 7)])
def test_a_protected_environment_asks_before_all_jobs_are_paused(
    jobs: CommandLine, answer: str, code: int
) -> None:
    """Yes pauses them, anything else is no."""
    jobs.file("jobkit.toml", "[project]\nprotected = true\n")
    with terminal(jobs, "pause") as screen:
        screen.wait_for(r"Pause all jobs\? \[y/N\]")
        screen.type(answer)
        assert screen.end() == code
    assert ("all jobs are paused until somebody resumes" in screen.plain) == (code == 0)


def test_json_on_a_terminal_is_still_one_object(jobs: CommandLine) -> None:
    """Progress does not move while the answer is an object."""
    with terminal(jobs, "run", "counting", "--json") as screen:
        assert screen.end() == 0
    assert "\x1b[K" not in screen.raw
    assert '"schema": "jobkit.run/1"' in screen.plain
