"""``jobkit run`` and plugins: admission, services, and one attempt to deliver what has ended."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.test_process import going

pytestmark = pytest.mark.waits

JOBS = """
from jobkit import JobResult, submit_job

@submit_job
async def good(ctx):
    return JobResult.success("well")

@submit_job
async def bad(ctx):
    raise LookupError("no")

@submit_job
async def asks(ctx, shelf):
    return JobResult.success(shelf)
"""

SINK = """
from pathlib import Path
from jobkit import ServiceSpec, Sink, hookimpl

HERE = Path(__file__).parent

class Down(Sink):
    name = "webhook"
    timeout = 5

    async def emit(self, run):
        if (HERE / "down").exists():
            raise ConnectionError("no route")
        with (HERE / "got").open("a") as got:
            got.write(f"{run.number} {run.job} {run.status}\\n")

class Here(Sink):
    name = "here"
    local = True

    async def emit(self, run):
        with (HERE / "here").open("a") as got:
            got.write(f"{run.number}\\n")

@hookimpl
def jobkit_result_sinks(config):
    return [Down(), Here()]

@hookimpl
def jobkit_services(config):
    def open_shelf():
        return "from the shelf"
    return [ServiceSpec(open_shelf, name="shelf")]
"""

FREEZE = """
from jobkit import hookimpl
from jobkit.plugin import Skip

@hookimpl
def jobkit_run_admit(request):
    return Skip("month-end") if request.job == "good" else None
"""

SLOW = """
from pathlib import Path
import anyio
from jobkit import Sink, hookimpl

class Slow(Sink):
    name = "slow"
    timeout = 60

    async def emit(self, run):
        (Path(__file__).parent / "begun").touch()
        await anyio.sleep(60)

@hookimpl
def jobkit_result_sinks(config):
    return [Slow()]
"""


@pytest.fixture
def project(cli: CommandLine) -> CommandLine:
    """A project with two sinks and a service in a plugin of its own."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    cli.file("hooks/sinks.py", SINK)
    return cli


def got(cli: CommandLine, name: str = "got") -> list[str]:
    """What a sink has got."""
    path: Path = cli.root / "hooks" / name
    return path.read_text().splitlines() if path.exists() else []


def test_results_are_delivered_and_nothing_is_said(project: CommandLine) -> None:
    """To sinks of both kinds, whatever the status."""
    ended = project("run", "good", "bad", fixed=False)
    assert ended.code == 1
    assert got(project) == ["1 good succeeded", "2 bad failed"]
    assert got(project, "here") == ["1", "2"]
    assert "deliver" not in ended.out + ended.err


def test_what_cannot_be_delivered_is_left_and_said(project: CommandLine) -> None:
    """The exit code is that of the runs; the next command delivers it, in order."""
    down = project.file("hooks/down", "")
    ended = project("run", "good", fixed=False)
    assert ended.code == 0
    assert "sink webhook: 1 finished run to be delivered by a scheduler (jobkit start) or" in ended.err
    assert "no route" in ended.err
    assert (got(project), got(project, "here")) == ([], ["1"])
    down.unlink()
    ended = project("run", "good", fixed=False)
    assert (ended.code, got(project)) == (0, ["1 good succeeded", "2 good succeeded"])
    assert "to be delivered" not in ended.err


def test_quiet_says_nothing_of_what_is_left(project: CommandLine) -> None:
    """It waits all the same."""
    project.file("hooks/down", "")
    ended = project("-q", "run", "good", fixed=False)
    assert ended.code == 0
    assert "to be delivered" not in ended.err
    assert "to be delivered" in project("run", "good", fixed=False).err


def test_json_stays_one_object(project: CommandLine) -> None:
    """What is left is said on stderr."""
    project.file("hooks/down", "")
    ended = project("--json", "run", "good", fixed=False)
    assert [run["status"] for run in ended.data] == ["succeeded"]
    assert "sink webhook" in ended.err


def test_a_job_has_the_services_of_plugins(project: CommandLine) -> None:
    """By name."""
    ended = project("run", "asks", fixed=False)
    assert ended.code == 0, ended.err
    assert "from the shelf" in ended.out


def test_a_plugin_that_is_against_a_run_refuses_it(project: CommandLine) -> None:
    """Exit code 7, nothing in history, and the other jobs of the command run."""
    project.file("hooks/freeze.py", FREEZE)
    ended = project("run", "good", fixed=False)
    assert ended.code == 7
    assert "JK531" in ended.err
    assert "plugin freeze does not let job good run: month-end" in ended.err
    assert project("--json", "history").data == []
    ended = project("run", "good", "asks", fixed=False)
    assert ended.code == 7
    assert [run["job"] for run in project("--json", "history").data] == ["asks"]


def test_ctrl_c_leaves_what_is_not_delivered(project: CommandLine) -> None:
    """It is no interruption of the runs: they have ended, and the exit code says how."""
    project.file("hooks/slow.py", SLOW)
    with going(project, "run", "good") as program:
        program.wait_for("delivering to sinks")
        assert (project.root / "hooks" / "begun").exists()
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 0, ended.err
    assert "sink slow: 1 finished run to be delivered by a scheduler (jobkit start) or" in ended.err
    assert "sink webhook" not in ended.err
    assert got(project) == ["1 good succeeded"]


def test_after_ctrl_c_in_a_run_nobody_waits_for_sinks(project: CommandLine) -> None:
    """Whoever interrupts wants to be gone; the result waits."""
    project.file("hooks/slow.py", SLOW)
    endless = "import anyio\nfrom jobkit import submit_job\n@submit_job\nasync def endless(ctx):\n"
    project.file(
        "extensions/web/jobs/endless.py", f"{endless}    print('begun')\n    await anyio.sleep(60)\n"
    )
    with going(project, "run", "endless") as program:
        program.wait_for("begun")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2
    assert "delivering" not in ended.err
    assert "sink slow: 1 finished run to be delivered by a scheduler (jobkit start) or" in ended.err
    assert "sink webhook: 1 finished run" in ended.err
    assert got(project) == []


BLOCKING = """
import time
from pathlib import Path
from jobkit import Sink, hookimpl

class Blocking(Sink):
    name = "blocking"
    timeout = 60
    local = LOCAL

    async def emit(self, run):
        (Path(__file__).parent / "begun").touch()
        time.sleep(60)

@hookimpl
def jobkit_result_sinks(config):
    return [Blocking()]
"""


@pytest.mark.parametrize("local", [False, True])
def test_one_ctrl_c_ends_it_although_a_sink_holds_everything_up(project: CommandLine, local: bool) -> None:
    """The runs are answered for, and what waits waits; a sink that hears nothing is not waited for."""
    project.file("hooks/blocking.py", BLOCKING.replace("LOCAL", str(local)))
    with going(project, "--json", "run", "good") as program:
        program.wait_for("plugin blocking: sink blocking, emit has not returned for 5 s")
        asked = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        if local:  # while runs go on, and these are not over for the command yet, the first one is for them
            program.wait_for("once more ends it")
            program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert time.monotonic() - asked < 5
    assert ended.code == 2, ended.err
    assert [run["status"] for run in json.loads(ended.out)["data"]] == ["succeeded"]


def test_check_warns_of_a_file_that_cannot_be_written(project: CommandLine) -> None:
    """With its whole path below the root; nothing is made by looking."""
    settings = (project.root / "jobkit.toml").read_text(encoding="utf-8")
    project.file("jobkit.toml", f'{settings}\n[plugins.jsonl]\npath = "var/runs.jsonl"\n')
    assert project("check", "--json").data["warnings"] == []
    assert not (project.root / "var").exists()
    (project.root / "var/runs.jsonl").mkdir(parents=True)
    ended = project("check", "--json")
    [warning] = ended.data["warnings"]
    assert (warning["code"], warning["message"]) == (
        "JK735", "runs cannot be appended to var/runs.jsonl: it is not a file",
    )  # fmt: skip
    assert "to var, or let `[plugins.jsonl] path`" in warning["help"]
