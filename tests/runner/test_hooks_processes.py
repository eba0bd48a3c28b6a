"""Plugins and a job in a process of its own: its wrappers and services are there, everything else is here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from jobkit import RunStatus
from jobkit.plugins.failures import PluginFailure
from jobkit.plugins.sources import PluginChoice
from jobkit.project import Project
from jobkit.records import RunRecord
from jobkit.runner import Runner
from jobkit.stores.memory import MemoryStore

JOBS = """
import os
from pathlib import Path
from jobkit import Job, JobResult, RunRefused, submit_job

def said(shelf, mine):
    data = {"pid": os.getpid(), "variable": os.environ.get("SPAN")}
    return JobResult.success(f"{shelf} {mine}").with_data(data)

@submit_job(executor="process")
async def works(ctx, shelf, mine):
    return said(shelf, mine)

@submit_job(executor="process")
def works_in_thread(ctx, shelf, mine):
    return said(shelf, mine)

@submit_job(executor="process")
async def fails(ctx):
    raise LookupError("the job's own")

@submit_job(executor="process", timeout=5)
async def has_little_time(ctx):
    left = (ctx.deadline - ctx.clock.now()).total_seconds()
    return JobResult.success(f"{left > 0.5}")

@submit_job(executor="process")
async def runs_another(ctx):
    try:
        await ctx.run_job("refused")
    except RunRefused as error:
        return JobResult.success(error.code)

@submit_job
async def refused(ctx):
    pass
"""

HOOKS = """
import os
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
import anyio
from jobkit import ServiceSpec, hookimpl
from jobkit.plugin import Skip

STORY = Path(__file__).parent / "story"

def tell(what):
    with STORY.open("a") as story:
        story.write(f"{what} {os.getpid()}\\n")

@hookimpl
def jobkit_services(config):
    def open_shelf():
        return "shelf"
    def open_mine(shelf):
        return f"of {shelf}"
    return [ServiceSpec(open_shelf, name="shelf"), ServiceSpec(open_mine, name="mine", scope="run")]

@hookimpl
async def jobkit_run_admit(request):
    tell("admit")
    return Skip("not this one") if request.job == "refused" else None

@hookimpl
async def jobkit_run_started(run):
    tell("started")

@hookimpl
async def jobkit_run_finished(run):
    tell("finished")

@hookimpl
def jobkit_plugin_error(error):
    tell(f"error-{error.plugin}")

@hookimpl
@contextmanager
def jobkit_run_context(run, ctx):
    tell("in")
    os.environ["SPAN"] = str(run.number)
    try:
        yield
    except BaseException as error:
        tell(f"saw-{type(error).__name__}")
        raise
    finally:
        tell("out")
"""

BAD = """
from contextlib import asynccontextmanager
from jobkit import hookimpl

@hookimpl
@asynccontextmanager
async def jobkit_run_context(run):
    yield
    raise ValueError("broken\\x1b wrapper")
"""

SLOW = """
from contextlib import asynccontextmanager
import anyio
from jobkit import hookimpl

@hookimpl
@asynccontextmanager
async def jobkit_run_context(run):
    await anyio.sleep(5.5)
    yield
    await anyio.sleep(0.1)
"""


class Place:
    """A project with those jobs and plugins."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.story_file = root / "hooks" / "story"
        self.failures: list[PluginFailure] = []

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    @property
    def story(self) -> list[tuple[str, bool]]:
        """What happened, and whether it was in this process."""
        lines = self.story_file.read_text().split("\n")[:-1]
        return [(line.split()[0], line.split()[1] == str(os.getpid())) for line in lines]

    async def run(self, name: str, choice: PluginChoice | None = None, **options: Any) -> RunRecord:
        """One run; the story begins anew."""
        self.story_file.unlink(missing_ok=True)
        with Project.load(self.root, plugins=choice) as project:
            async with (
                MemoryStore(project="tests") as store,
                Runner(
                    project.jobs,
                    store,
                    config=project.config,
                    hooks=project.hooks,
                    providers=project.services,
                ) as here,
            ):
                record = await here.run(project.jobs[name], **options)
                self.lines = list(await store.log_lines(record.id))
                self.infos = {info.name: info for info in project.plugins.infos}
        return record


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Without the plugins that do something wrong."""
    place = Place(tmp_path)
    place.write("jobkit.toml", "")
    place.write("extensions/web/jobs/jobs.py", JOBS)
    place.write("hooks/good.py", HOOKS)
    return place


@pytest.mark.parametrize("job", ["works", "works_in_thread"])
async def test_wrappers_and_services_are_in_the_process_of_the_job(place: Place, job: str) -> None:
    """The rest is where the run is asked for, and happens once."""
    record = await place.run(job)
    assert (record.status, record.message) == (RunStatus.SUCCEEDED, "shelf of shelf")
    assert record.data["pid"] != os.getpid()
    assert record.data["variable"] == str(record.number)
    assert place.story == [
        ("admit", True),
        ("started", True),
        ("in", False),
        ("out", False),
        ("finished", True),
    ]
    assert "SPAN" not in os.environ


async def test_wrappers_there_see_the_jobs_exception(place: Place) -> None:
    """And what is recorded is the job's."""
    record = await place.run("fails")
    assert (record.status, record.message) == (RunStatus.FAILED, "LookupError: the job's own")
    assert [what for what, _ in place.story][2:5] == ["in", "saw-LookupError", "out"]


async def test_a_wrapper_that_fails_there_is_reported_here(place: Place) -> None:
    """Counted, logged once and told once, in this process only, with its place; the run succeeds."""
    place.write("hooks/bad.py", BAD)
    record = await place.run("works")
    assert record.status is RunStatus.SUCCEEDED
    bad = place.infos["bad"]
    assert bad.failures == 1
    assert bad.error is not None
    assert bad.error.message == "plugin bad has failed: jobkit_run_context: ValueError: broken\\x1b wrapper"
    assert (bad.error.path, bad.error.line) == (place.root / "hooks" / "bad.py", 9)
    assert [item for item in place.story if item[0].startswith("error")] == [("error-bad", True)]
    assert [line.event for line in place.lines].count("plugin.failed") <= 1


async def test_a_plugin_that_is_left_out_here_is_left_out_there(place: Place) -> None:
    """What the user has chosen holds for both."""
    place.write("hooks/bad.py", BAD)
    record = await place.run("works", PluginChoice(block=("bad",)))
    assert record.status is RunStatus.SUCCEEDED
    assert place.infos["bad"].failures == 0
    assert not [item for item in place.story if item[0].startswith("error")]


async def test_a_child_that_is_refused_is_refused_in_the_process_of_its_parent(place: Place) -> None:
    """With the error that it would have here."""
    assert (await place.run("runs_another")).message == "JK531"


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # it takes its time
async def test_the_time_of_wrappers_there_is_not_the_jobs(place: Place) -> None:
    """Neither for the process itself nor for this one, which would end it."""
    place.write("hooks/slow.py", SLOW)
    record = await place.run("has_little_time")
    assert (record.status, record.message) == (RunStatus.SUCCEEDED, "True")
    assert record.duration_ms is not None
    assert record.duration_ms < 5000
