"""Jobs that work against the process they run in: each is its own run's fault, and nobody else's."""

from __future__ import annotations

import signal
import time

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_process import going, wait_for_file

HEAD = "import asyncio, pathlib, time\nfrom jobkit import submit_job\n"

STUBBORN = {
    "catches": """\
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
""",
    "blocks": """\
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
""",
    "spins": """\
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
}


def job_file(cli: CommandLine, body: str, *, name: str = "job", executor: str = "auto") -> None:
    head = f"@submit_job(executor={executor!r})\nasync def {name}(ctx):\n"
    text = f"{HEAD}\n{head}    pathlib.Path('begun').touch()\n{body}"
    cli.file(f"extensions/a/jobs/{name}.py", text)


@pytest.mark.parametrize("kind", STUBBORN)
def test_a_second_signal_ends_any_job(cli: CommandLine, kind: str) -> None:
    """Whatever a job catches, the second Ctrl-C ends the process within seconds, the run recorded."""
    job_file(cli, STUBBORN[kind])
    with going(cli, "run", "job", "--json") as program:
        wait_for_file(cli.root / "begun")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("once more ends it")
        again = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert time.monotonic() - again < 4, "it took the whole of the time that cleaning up has"
    assert ended.code == 2, ended.err
    [run] = checked(ended).data
    assert (run.status, run.reason) == ("cancelled", "interrupted")
    assert "Traceback" not in ended.err
    assert [row.status for row in checked(cli("history", "--json")).data] == ["cancelled"]


CANCELS = """\
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(1)
"""


@pytest.mark.parametrize("executor", ["async", "process"])
def test_a_job_that_cancels_every_task_cancels_its_own(cli: CommandLine, executor: str) -> None:
    """What is not a job's task goes on: the run has failed, and the next job runs."""
    job_file(cli, CANCELS, executor=executor)
    job_file(cli, "    await asyncio.sleep(0)\n", name="next_one")
    ended = cli.process("run", "job", "next_one", "--json")
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err.replace("│", "")
    first, second = checked(ended).data
    assert (first.status, second.status) == ("failed", "succeeded")
    assert "cancelled itself" in first.message


def test_ctrl_c_still_cancels_while_a_job_computes(cli: CommandLine) -> None:
    """The signal arrives inside the job's own code, and cancels the command all the same."""
    job_file(
        cli,
        "    end = time.monotonic() + 1\n    while time.monotonic() < end: pass\n"
        "    await asyncio.sleep(60)\n",
    )
    with going(cli, "run", "job", "--json") as program:
        wait_for_file(cli.root / "begun")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2, ended.err
    [run] = checked(ended).data
    assert run.status == "cancelled"


STOPS = {
    "at once": "    asyncio.get_running_loop().stop()\n    await asyncio.sleep(0.1)\n",
    "first thing": "    loop = asyncio.get_running_loop()\n    loop.stop()\n",
}


@pytest.mark.parametrize("executor", ["async", "process"])
@pytest.mark.parametrize("kind", STOPS)
def test_a_job_cannot_stop_the_event_loop(cli: CommandLine, kind: str, executor: str) -> None:
    """``loop.stop()`` is the job's own error, and no other's."""
    job_file(cli, STOPS[kind], executor=executor)
    job_file(cli, "    await asyncio.sleep(0)\n", name="next_one")
    ended = cli.process("run", "job", "next_one", "--json")
    assert ended.code == 1, ended.err
    assert "JK901" not in ended.err + ended.out
    first, second = checked(ended).data
    assert (first.status, second.status) == ("failed", "succeeded")
    assert "cannot stop the event loop" in first.message


def test_a_thread_of_a_job_cannot_stop_it_either(cli: CommandLine) -> None:
    """What a job leaves to a thread, or to the loop itself, harms nobody."""
    body = "    loop = asyncio.get_running_loop()\n    loop.call_soon(loop.stop)\n"
    body += (
        "    await asyncio.to_thread(loop.call_soon_threadsafe, loop.stop)\n    await asyncio.sleep(0.1)\n"
    )
    job_file(cli, body)
    ended = cli.process("run", "job", "--json")
    assert ended.code == 0, ended.err
    assert [run.status for run in checked(ended).data] == ["succeeded"]


@pytest.mark.parametrize("executor", ["async", "process"])
def test_a_coroutine_that_is_returned_is_told_once(cli: CommandLine, executor: str) -> None:
    """A forgotten ``await`` fails the run, and Python's own warning about it does not appear."""
    job_file(cli, "    return asyncio.sleep(0)\n", executor=executor)
    ended = cli.process("run", "job", "--json")
    assert ended.code == 1
    [run] = checked(ended).data
    assert "returned a coroutine" in run.message
    assert "never awaited" not in ended.err


FORKS = {
    "returns": ("def", "return", 0),
    "returns from a coroutine": ("async def", "return", 0),
    "goes on in the event loop": ("async def", "await asyncio.sleep(60)", 1),
    "exits": ("async def", "raise SystemExit(5)", 5),
    "fails": ("def", "raise ValueError('in the child')", 1),
}


@pytest.mark.parametrize("kind", FORKS)
def test_a_process_that_a_job_forks_does_not_come_back(cli: CommandLine, kind: str) -> None:
    """It ends where it would go on as another one of us; the job sees how, and the answer is given once."""
    definition, end, code = FORKS[kind]
    cli.file(
        "extensions/a/jobs/job.py",
        f"""\
import asyncio, os
from jobkit import JobResult, submit_job

@submit_job
{definition} job(ctx):
    child = os.fork()
    if child == 0:
        {end}
    return JobResult.success(f"code {{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}}")
""",
    )
    ended = cli("run", "job", "--json")
    assert ended.code == 0, ended.err
    [answer] = checked(ended).data
    assert answer.message == f"code {code}"
