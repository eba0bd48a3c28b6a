"""The program as a process: descriptors, pipes, signals, what jobs leave behind."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine, Ended
from tests.cli.shapes import checked

#: Longest time that anything here may take; reaching it is a failure.
PATIENCE = 30.0


def job(body: str, name: str = "job", *, head: str = "") -> str:
    """A job file with one job; *body* is its body, lines separated by ``;``."""
    lines = "".join(f"    {line.strip()}\n" for line in body.split(";"))
    return f"{head}\nfrom jobkit import submit_job\n@submit_job\ndef {name}(ctx):\n{lines}"


class Going:
    """A program that goes on while the test does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.out = b""
        self.err = b""

    def wait_for(self, text: str) -> None:
        """Read both streams until *text* appeared on one of them."""
        deadline = time.monotonic() + PATIENCE
        wanted = text.encode()
        while wanted not in self.out + self.err:
            assert time.monotonic() < deadline, self.out + self.err
            assert self._read(deadline), (text, self.out, self.err)

    def _read(self, deadline: float) -> bool:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        streams = [self.process.stdout, self.process.stderr]
        ready, _, _ = select.select(streams, [], [], max(deadline - time.monotonic(), 0))
        got = False
        for stream in ready:
            data = os.read(stream.fileno(), 65536)
            got = got or bool(data)
            if stream is self.process.stdout:
                self.out += data
            else:
                self.err += data
        return got

    def end(self) -> Ended:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=PATIENCE)
        self.out += out
        self.err += err
        return Ended(self.process.returncode, self.out.decode(), self.err.decode())


@contextmanager
def going(cli: CommandLine, *arguments: str) -> Iterator[Going]:
    """Start ``jobkit ARGUMENTS``; it is killed if the test leaves it alone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobkit", *arguments],
        cwd=cli.root,
        env=cli.environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield Going(process)
    finally:
        process.kill()
        process.communicate()


def wait_for_file(path: Path) -> None:
    """Wait until the program under test has made *path*."""
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


NOISE = {
    "print": "print('{}')",
    "descriptor": "import os; os.write(1, b'{}')",
    "buffer": "import sys; sys.stdout.buffer.write(b'\\xff{}'); sys.stdout.flush()",
    "original": "import sys; sys.__stdout__.write('{}'); sys.__stdout__.flush()",
    "closed": "import sys; sys.stdout.close()",
    "closed-original": "import sys; sys.__stdout__.close()",
    "closed-descriptor": "import os; os.close(1)",
    "none": "import sys; sys.stdout = None; sys.stderr = None",
    "child": "import subprocess; subprocess.run(['echo', '{}'])",
    "folder": "import os; os.chdir('/')",
    "exit": "import sys; sys.exit(0)",
}


@pytest.mark.parametrize("noise", NOISE)
def test_with_json_stdout_is_one_object(cli: CommandLine, noise: str) -> None:
    """Whatever a job does to the standard streams, the answer is whole and alone."""
    cli.file("extensions/a/jobs/noise.py", job(NOISE[noise]))
    ended = cli.process("run", "job", "--json")
    [run] = checked(ended).data
    assert run.job == "job"
    assert ended.code == (1 if noise == "exit" else 0), ended.err


@pytest.mark.parametrize("noise", ["print", "descriptor", "closed", "child"])
def test_without_json_the_answer_is_whole_too(cli: CommandLine, noise: str) -> None:
    """What jobs print goes to stderr; the result stands on stdout."""
    cli.file("extensions/a/jobs/noise.py", job(NOISE[noise]))
    ended = cli.process("run", "job")
    assert "#1 job" in ended.out
    assert "{}" not in ended.out


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_descriptor_harms_nothing(cli: CommandLine, closed: int) -> None:
    """Started without stdin, stdout or stderr, the store is not written to by accident."""
    cli.file(
        "extensions/a/jobs/a.py", job("print('x'); import os; [os.write(n, b'x' * 999) for n in (1, 2)]")
    )
    script = f'exec "$@" {closed}>&-'
    done = subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "jobkit", "run", "job"],
        cwd=cli.root, env=cli.environ(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [run.status for run in checked(cli("history", "--json")).data] == ["succeeded"]


@pytest.mark.parametrize(
    "line",
    [
        "history | head -n 1",
        "history --format jsonl --limit 1000 | head -n 1",
        "list | true",
        "explain JK801 | true",
    ],
)
def test_a_reader_that_goes_away_is_no_error(cli: CommandLine, line: str) -> None:
    """Nothing on stderr, exit code 0."""
    cli.file("extensions/a/jobs/a.py", job("pass"))
    cli("run", "job")
    program = f"{sys.executable} -m jobkit {line}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", program],
        cwd=cli.root, env=cli.environ(), capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize(
    "left",
    [
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
        "import concurrent.futures as c, time; c.ThreadPoolExecutor().submit(time.sleep, 600)",
    ],
)
@pytest.mark.parametrize("where", ["file", "job"])
def test_the_process_waits_for_nobody(cli: CommandLine, left: str, where: str) -> None:
    """Threads that job files and jobs left behind do not keep the process once the answer is written."""
    cli.file("extensions/a/jobs/a.py", job("pass", head=left) if where == "file" else job(left))
    began = time.monotonic()
    for verb in (["list"], ["run", "job"]):
        assert cli.process(*verb).code == 0
    assert time.monotonic() - began < PATIENCE


def test_functions_registered_for_the_end_are_called(cli: CommandLine) -> None:
    """Even if a thread stays behind, atexit runs."""
    head = "import atexit, threading, time, pathlib\natexit.register(lambda: pathlib.Path('ended').touch())"
    cli.file(
        "extensions/a/jobs/a.py", job("threading.Thread(target=time.sleep, args=(600,)).start()", head=head)
    )
    assert cli.process("run", "job").code == 0
    assert (cli.root / "ended").exists()


FOREVER = """\
import anyio, time
from jobkit import submit_job

@submit_job
async def forever(ctx):
    ctx.log.info("begun")
    await anyio.sleep_forever()

@submit_job
def thread(ctx):
    ctx.log.info("begun")
    while True:
        ctx.check_cancelled()
        time.sleep(0.01)

@submit_job
async def blocking(ctx, *, marker: str):
    open(ctx.parameters["marker"], "w").close()
    time.sleep(600)

@submit_job
async def parent(ctx):
    await ctx.run_job("forever")
"""


@pytest.fixture
def forever(cli: CommandLine) -> CommandLine:
    cli.file("extensions/a/jobs/forever.py", FOREVER)
    return cli


@pytest.mark.parametrize("name", ["forever", "thread", "parent"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(forever: CommandLine, name: str, number: signal.Signals) -> None:
    """One signal cancels, exit code 2, everything is recorded; with --json the object has the run."""
    with going(forever, "run", name, "--json") as program:
        program.wait_for('"begun"')
        program.process.send_signal(number)
        ended = program.end()
    assert ended.code == 2
    assert number.name in ended.err
    [run] = checked(ended).data
    assert (run.job, run.status) == (name, "cancelled")
    assert {row.status for row in checked(forever("history", "--json")).data} == {"cancelled"}


def test_what_was_not_begun_is_counted(forever: CommandLine) -> None:
    """After an interruption nothing more is started."""
    with going(forever, "run", "forever", "thread", "--json") as program:
        program.wait_for('"begun"')
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert [run.job for run in checked(ended).data] == ["forever"]
    assert "1 not started" in ended.err


def test_the_second_signal_ends_a_job_that_blocks(forever: CommandLine) -> None:
    """A job that blocks the event loop cannot be cancelled; interrupting twice ends it all the same."""
    with going(forever, "run", "blocking", "-p", "marker=blocks") as program:
        wait_for_file(forever.root / "blocks")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("once more ends it")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2
    [run] = checked(forever("history", "--json")).data
    assert run.status in ("cancelled", "failed", "lost")


def test_an_ignored_signal_stays_ignored(forever: CommandLine) -> None:
    """``nohup jobkit run …`` survives the end of its terminal."""
    script = 'trap "" HUP; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", sys.executable, "-m", "jobkit", "run", "forever"],
        cwd=forever.root, env=forever.environ(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    program = Going(process)
    program.wait_for('"begun"')
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    ended = program.end()
    assert ended.code == 2
    assert "SIGTERM" in ended.err
    assert "SIGHUP" not in ended.err


def test_killed_is_lost(forever: CommandLine) -> None:
    """kill -9 during a run: whoever looks next sees it lost, parent and child."""
    with going(forever, "run", "parent") as program:
        program.wait_for('"begun"')
        program.process.kill()
        program.end()
    runs = checked(forever("history", "--json")).data
    assert [(run.job, run.status) for run in runs] == [("forever", "lost"), ("parent", "lost")]
    assert "LOST" in forever("list").out


@pytest.mark.parametrize("shared_memory", [True, False])
def test_killed_is_lost_for_those_who_may_only_read(forever: CommandLine, shared_memory: bool) -> None:
    """Whoever cannot write that down sees it all the same, also where the journal has to be replayed."""
    with going(forever, "run", "parent") as program:
        program.wait_for('"begun"')
        program.process.kill()
        program.end()
    folder = forever.root / ".jobkit"
    assert (folder / "jobkit.db-wal").stat().st_size > 0
    if not shared_memory:
        (folder / "jobkit.db-shm").unlink()
    for file in folder.glob("jobkit.db*"):
        file.chmod(0o444)
    folder.chmod(0o555)
    before = {file.name: file.read_bytes() for file in folder.glob("jobkit.db*")}
    try:
        answer = forever.process("history", "--json", unprivileged=True)
        assert [(run.job, run.status) for run in checked(answer).data] == [
            ("forever", "lost"), ("parent", "lost"),
        ]  # fmt: skip
        for verb in (["list"], ["show", "parent"], ["logs", "last"]):
            ended = forever.process(*verb, unprivileged=True)
            assert (ended.code, ended.err) == (0, ""), verb
        assert "JK612" in forever.process("run", "parent", unprivileged=True).err
    finally:
        folder.chmod(0o755)
    assert {file.name: file.read_bytes() for file in folder.glob("jobkit.db*")} == before


@pytest.mark.parametrize("linked", [False, True])
def test_a_pipe_in_the_place_of_our_own_files_is_not_waited_for(cli: CommandLine, linked: bool) -> None:
    """Whatever stands under their names, and wherever a link leads: jobs are listed and run."""
    cli.file("extensions/a/jobs/a.py", job("pass"))
    folder = cli.root / ".jobkit"
    folder.mkdir()
    os.mkfifo(cli.root / "pipe")
    precious = cli.file("precious", "mine")
    for name in ("index.json", "suspects.json"):
        if linked:
            (folder / name).symlink_to(cli.root / "pipe")
        else:
            os.mkfifo(folder / name)
    (folder / "executing").symlink_to(precious) if linked else os.mkfifo(folder / "executing")
    for verb in (["list"], ["run", "job"], ["list"]):
        assert cli.process(*verb).code == 0
    assert precious.read_text(encoding="utf-8") == "mine"
    assert stat.S_ISREG((folder / "index.json").lstat().st_mode)


def test_interrupted_while_collecting(cli: CommandLine) -> None:
    """Ctrl-C while a job file is imported stops the command: exit code 2, still one object."""
    head = "import sys, time\nopen('begun', 'w').close()\ntime.sleep(600)"
    cli.file("extensions/a/jobs/a.py", job("pass", head=head))
    cli.file("jobkit.toml", '[project]\nimport_timeout = "10m"\n')
    with going(cli, "list", "--json") as program:
        wait_for_file(cli.root / "begun")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2, ended.err
    assert "interrupted" in ended.err
    assert checked(ended).data == []


def test_following_a_run_until_it_ends(cli: CommandLine) -> None:
    """``logs -f`` shows lines as they come, and ends with the run."""
    body = "ctx.log.info('first'); import pathlib, time;"
    body += (
        "[time.sleep(0.01) for _ in iter(lambda: pathlib.Path('go').exists(), True)]; ctx.log.info('second')"
    )
    cli.file("extensions/a/jobs/a.py", job(body))
    with going(cli, "run", "job") as program:
        program.wait_for('"first"')
        with going(cli, "logs", "last", "-f", "--json") as follower:
            follower.wait_for('"first"')
            (cli.root / "go").touch()
            assert program.end().code == 0
            ended = follower.end()
    assert ended.code == 0
    assert [json.loads(line)["event"] for line in ended.out.splitlines()] == ["first", "second"]


def test_following_ends_with_its_reader(forever: CommandLine) -> None:
    """``logs -f | head`` ends although the run goes on and writes no more."""
    with going(forever, "run", "forever") as program:
        program.wait_for('"begun"')
        line = f"{sys.executable} -m jobkit logs last -f --json | head -n 1"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=forever.root,
            env=forever.environ(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert json.loads(done.stdout)["event"] == "begun"
    assert done.stderr == ""
