"""``jobkit run`` with hooks that do to their task, and to the process, what they should not."""

from __future__ import annotations

from typing import Any

import pytest

from jobkit.runner.runner import Runner
from tests.cli.harness import CommandLine

JOBS = """\
import anyio
from jobkit import submit_job


@submit_job
async def one(ctx):
    await anyio.sleep(0)


@submit_job
def two(ctx): ...


@submit_job
async def three(ctx):
    await anyio.sleep(0)


@submit_job
async def slow(ctx):
    await anyio.sleep(60)


@submit_job
async def slower(ctx):
    await anyio.sleep(60)
"""
HEAD = """\
import asyncio
from contextlib import asynccontextmanager, contextmanager
from jobkit import hookimpl
"""
CANCELS = "asyncio.current_task().cancel()"
CONTEXT = "@hookimpl\n@asynccontextmanager\nasync def jobkit_run_context(run, ctx):\n"
STARTED = "@hookimpl\nasync def jobkit_run_started(run):\n"
HARMLESS = {
    "started": f"{STARTED}    {CANCELS}\n",
    "started, and goes on": f"{STARTED}    {CANCELS}\n    await asyncio.sleep(0)\n",
    "started, later": (
        f"{STARTED}    asyncio.get_running_loop().call_soon(asyncio.current_task().cancel)\n"
        "    await asyncio.sleep(1)\n"
    ),
    "started, plain": f"@hookimpl\ndef jobkit_run_started(run):\n    {CANCELS}\n",
    "finished": f"@hookimpl\nasync def jobkit_run_finished(run):\n    {CANCELS}\n",
    "finished, plain": f"@hookimpl\ndef jobkit_run_finished(run):\n    {CANCELS}\n",
    "entering": f"{CONTEXT}    {CANCELS}\n    yield\n",
    "entering, and goes on": f"{CONTEXT}    {CANCELS}\n    await asyncio.sleep(0)\n    yield\n",
    "leaving": f"{CONTEXT}    yield\n    {CANCELS}\n",
    "leaving, and goes on": f"{CONTEXT}    yield\n    {CANCELS}\n    await asyncio.sleep(0)\n",
}


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    """A project with three jobs that do well, and two that take long."""
    cli.file("extensions/web/jobs/work.py", JOBS)
    return cli


@pytest.mark.parametrize("at_once", ["1", "8"])
@pytest.mark.parametrize("deed", HARMLESS)
def test_a_hook_that_cancels_its_own_task_hits_itself_only(
    deed: str, at_once: str, jobs: CommandLine
) -> None:
    """Every run takes place, every job keeps its outcome, and the plugin is named."""
    jobs.file("hooks/bad.py", HEAD + HARMLESS[deed])
    ended = jobs("run", "one", "two", "three", "-j", at_once, "--json")
    assert [run["status"] for run in ended.data] == ["succeeded"] * 3
    assert ended.code == 0
    assert ended.err.count("plugin.failed") >= 2
    assert "it cancelled the task that it was called in" in ended.err


def test_one_that_is_asked_whether_a_run_may_take_place(jobs: CommandLine) -> None:
    """What cannot be asked does not agree, as with any other failure; no run is dropped without a word."""
    jobs.file("hooks/bad.py", HEAD + f"@hookimpl\nasync def jobkit_run_admit(request):\n    {CANCELS}\n")
    ended = jobs("run", "one", "two", "--json")
    assert ended.code == 7
    assert [error["code"] for error in ended.json["errors"]] == ["JK531", "JK531"]


def test_runs_that_were_dropped_are_an_internal_error(
    jobs: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason, a command that has not done what it was told does not say that all is well."""
    execute = Runner.run

    async def cancelled(self: Runner, *arguments: Any, **options: Any) -> Any:
        import asyncio

        await execute(self, *arguments, **options)
        raise asyncio.CancelledError

    monkeypatch.setattr(Runner, "run", cancelled)
    ended = jobs("run", "one", "two", "--json")
    assert ended.code == 3
    [error] = ended.json["errors"]
    assert error["code"] == "JK901"
    assert "2 of 2 runs were dropped" in error["message"]


@pytest.mark.parametrize(
    "deed",
    [
        "@hookimpl\nasync def jobkit_run_started(run):\n    raise KeyboardInterrupt\n",
        "@hookimpl\ndef jobkit_run_started(run):\n    raise KeyboardInterrupt\n",
        f"{CONTEXT}    raise KeyboardInterrupt\n    yield\n",
    ],
)
@pytest.mark.parametrize("at_once", ["1", "8"])
def test_an_interruption_that_a_hook_raises_is_one(deed: str, at_once: str, jobs: CommandLine) -> None:
    """What runs is cancelled and recorded; nobody sees frames of jobkit's; the plugin is named."""
    jobs.file("hooks/bad.py", HEAD + deed)
    ended = jobs.process("run", "slow", "slower", "-j", at_once, "--json")
    assert ended.code == 2
    assert {run["status"] for run in ended.data} == {"cancelled"}
    assert "Traceback" not in ended.err
    assert "unhandled" not in ended.err
    assert "plugin.failed" in ended.err
    history = jobs("history", "--json")
    assert {run["status"] for run in history.data} == {"cancelled"}


def test_an_interruption_that_a_sink_raises_is_one(jobs: CommandLine) -> None:
    """The results of the runs are recorded, the rest of the delivery is left, and nobody sees frames."""
    sink = (
        "from jobkit import Sink\n\n\nclass Out(Sink):\n    name = 'out'\n\n"
        "    async def emit(self, run):\n        raise KeyboardInterrupt\n\n\n"
        "@hookimpl\ndef jobkit_result_sinks(config):\n    return [Out()]\n"
    )
    jobs.file("hooks/bad.py", HEAD + sink)
    ended = jobs.process("run", "one", "two", "--json")
    assert [run["status"] for run in ended.data] == ["succeeded"] * 2
    assert ended.code == 0  # as with Ctrl-C while results are delivered
    assert "2 finished runs to be delivered" in ended.err
    assert "Traceback" not in ended.err
    assert "unhandled" not in ended.err
