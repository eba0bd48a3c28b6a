"""Every hook does what its docstring says, in a project: one test of its own name for each.

What a broken implementation does to others is for the tests of the rooms that call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobkit import JobSpec, RunRecord, RunRefused, ServiceSpec, Sink, hookimpl, submit_job
from jobkit.plugin import (
    CollectReport,
    Config,
    Panel,
    Parser,
    PluginFailure,
    Run,
    RunRequest,
    ScheduleKind,
    Skip,
)
from jobkit.stores.memory import MemoryStore
from jobkit.testing import JobkitProject

JOBS = """
    from jobkit import JobResult, submit_job

    @submit_job
    def work(ctx):
        ctx.log.info("working")
        return JobResult.success("done")
    """


@pytest.fixture
def project(jobkit_project: JobkitProject) -> JobkitProject:
    """With one job in it."""
    jobkit_project.jobs(JOBS)
    return jobkit_project


def takes_part(project: JobkitProject, hook: str, function: Any) -> None:
    """Let a plugin with that one implementation take part."""
    plugin = type("One", (), {hook: staticmethod(hookimpl(function))})()
    project.plugin(plugin, "one")


class Table(msgspec.Struct, frozen=True):
    """A table of a plugin."""

    size: int = 3


def test_jobkit_addoption(project: JobkitProject) -> None:
    """The declared struct is what the configuration gives, and the option has a value."""

    def declare(parser: Parser) -> None:
        parser.table(Table)
        parser.option("--dry", is_flag=True)

    takes_part(project, "jobkit_addoption", declare)
    project.configure("[plugins.one]\nsize = 5\n")
    with project.load(arguments={"--dry": True}) as loaded:
        assert loaded.config.plugin("one") == Table(size=5)
        assert loaded.config.option("--dry") is True


def test_jobkit_configure(project: JobkitProject) -> None:
    """Called before the first job file; what it wants called at the end is."""
    story: list[str] = []

    class Prepares:
        @hookimpl
        def jobkit_configure(self, config: Config) -> None:
            story.append("configured")
            config.add_cleanup(lambda: story.append("closed"))

        @hookimpl
        def jobkit_collectreport(self, report: CollectReport) -> None:
            story.append(report.path.name)

    project.plugin(Prepares)
    with project.load():
        pass
    assert story == ["configured", "jobs.py", "closed"]


def test_jobkit_commands(project: JobkitProject) -> None:
    """A verb of the program."""
    project.hooks(
        """
        import click
        from jobkit import hookimpl

        @click.command()
        def shout():
            click.echo("HELLO")

        @hookimpl
        def jobkit_commands():
            return [shout]
        """
    )
    ended = project.cli("shout")
    assert (ended.code, ended.out) == (0, "HELLO\n")


def test_jobkit_log_processors(project: JobkitProject) -> None:
    """Every line that a program of jobkit logs comes past."""
    project.hooks(
        """
        from pathlib import Path
        from jobkit import hookimpl
        from jobkit.plugin import LogProcessor

        @hookimpl
        def jobkit_log_processors(config):
            def note(logger, method, event):
                with (config.root / "seen.txt").open("a") as file:
                    file.write(event["event"] + "\\n")
                return event

            return [LogProcessor(note)]
        """
    )
    project.cli("run", "work").assert_outcomes(succeeded=1)
    assert "working" in (project.root / "seen.txt").read_text().splitlines()


def test_jobkit_ignore_collect(project: JobkitProject) -> None:
    """True skips a file, False forces one that its name would have skipped."""
    project.jobs("def broken(:", file="draft.py")
    project.jobs("from jobkit import submit_job\n\n@submit_job\ndef forced(ctx): ...\n", file="_private.py")

    def choose(path: Path) -> bool | None:
        return {"draft.py": True, "_private.py": False}.get(path.name)

    takes_part(project, "jobkit_ignore_collect", choose)
    with project.load() as loaded:
        assert [*loaded.jobs] == ["forced", "work"]
        assert not loaded.errors


def test_jobkit_collect_file(project: JobkitProject) -> None:
    """Another kind of job file."""
    project.jobs("select 1", file="count.sql")

    def collect(path: Path, extension: str) -> bool | None:
        if path.suffix != ".sql":
            return None

        def job(ctx: Any) -> None: ...

        submit_job(job, name=path.stem, description=f"SQL of {extension}")
        return True

    takes_part(project, "jobkit_collect_file", collect)
    with project.load() as loaded:
        assert loaded.jobs["count"].description == "SQL of trial"


def test_jobkit_collection_modifyjobs(project: JobkitProject) -> None:
    """The list is changed in place."""

    def tag(jobs: list[JobSpec]) -> None:
        jobs[:] = [replace(job, tags=("nightly",)) for job in jobs]

    takes_part(project, "jobkit_collection_modifyjobs", tag)
    with project.load() as loaded:
        assert [*loaded.jobs["work"].tags] == ["nightly"]


def test_jobkit_collectreport(project: JobkitProject) -> None:
    """One report for each file, broken ones too."""
    project.jobs("import nonsense_that_is_not_there\n", file="broken.py")
    heard: dict[str, CollectReport] = {}
    takes_part(project, "jobkit_collectreport", lambda report: heard.update({report.path.name: report}))
    with project.load():
        pass
    assert heard["jobs.py"].jobs == ("work",)
    assert heard["broken.py"].error is not None


def test_jobkit_services(project: JobkitProject) -> None:
    """What jobs ask for by name."""

    def open_word() -> str:
        return "hello"

    takes_part(project, "jobkit_services", lambda: [ServiceSpec(open_word, name="word")])
    project.jobs(
        "from jobkit import JobResult, submit_job\n\n"
        "@submit_job\ndef says(ctx, word):\n    return JobResult.success(word)\n",
        file="says.py",
    )
    assert project.run("says").record.message == "hello"


def test_jobkit_schedule_kinds(project: JobkitProject) -> None:
    """Another way to write a schedule."""
    from jobkit.schedules import parse_schedule

    def parse(*given: Any) -> Any:
        return parse_schedule("every 5m", timezone="UTC", name="often")

    takes_part(project, "jobkit_schedule_kinds", lambda: [ScheduleKind("often", parse, "now and then")])
    project.jobs(
        'from jobkit import submit_job\n\n@submit_job(schedule="often please")\ndef now(ctx): ...\n',
        file="now.py",
    )
    with project.load() as loaded:
        assert loaded.jobs["now"].error is None
        assert loaded.jobs["now"].times is not None


def test_jobkit_store(project: JobkitProject) -> None:
    """A store for a URL of its own."""
    project.configure('[scheduler]\nstore = "shelf://here"\n')
    made: list[MemoryStore] = []

    def open_shelf(url: str) -> MemoryStore | None:
        if not url.startswith("shelf:"):
            return None
        made.append(MemoryStore(project="trial"))
        return made[-1]

    takes_part(project, "jobkit_store", open_shelf)
    project.run("work").assert_outcomes(succeeded=1)
    assert len(made) == 1


def test_jobkit_engines(project: JobkitProject) -> None:
    """Asked for when somebody wants to know which engines there are."""

    class Carrier:
        name = "carrier"

        async def submit(self, run_id: str) -> None: ...

    takes_part(project, "jobkit_engines", lambda: [Carrier()])
    with project.load() as loaded:
        found = {provided.plugin: provided.value for provided in loaded.hooks.engines(loaded.config)}
        assert isinstance(found["one"], Carrier)


def test_jobkit_run_admit(project: JobkitProject) -> None:
    """Whoever says Skip keeps the run from taking place."""

    async def admit(request: RunRequest) -> Skip | None:
        return Skip("month-end freeze") if request.job == "work" else None

    takes_part(project, "jobkit_run_admit", admit)
    with pytest.raises(RunRefused, match="month-end freeze"):
        project.run("work")


def test_jobkit_run_started(project: JobkitProject) -> None:
    """Told before the job runs."""
    seen: list[tuple[str, str]] = []

    async def started(run: Run) -> None:
        seen.append((run.job, run.status))

    takes_part(project, "jobkit_run_started", started)
    project.run("work")
    assert seen == [("work", "running")]


def test_jobkit_run_context(project: JobkitProject) -> None:
    """Around the job, for a thread job in its own thread."""
    story: list[str] = []

    @contextmanager
    def around(run: Run, ctx: Any) -> Iterator[None]:
        story.append(f"before {run.job}")
        yield
        story.append("after")

    takes_part(project, "jobkit_run_context", around)
    project.run("work").assert_outcomes(succeeded=1)
    assert story == ["before work", "after"]


def test_jobkit_run_finished(project: JobkitProject) -> None:
    """Told when the record is written."""
    seen: list[tuple[str, str | None]] = []

    async def finished(run: Run) -> None:
        seen.append((run.status, run.record.message))

    takes_part(project, "jobkit_run_finished", finished)
    project.run("work")
    assert seen == [("succeeded", "done")]


def test_jobkit_result_sinks(project: JobkitProject) -> None:
    """Told of every run that has finished."""
    got: list[str] = []

    class Shelf(Sink):
        name = "shelf"

        async def emit(self, run: RunRecord) -> None:
            got.append(run.job)

    takes_part(project, "jobkit_result_sinks", lambda: [Shelf()])
    project.run("work")
    project.run("work")
    assert got == ["work", "work"]


def test_jobkit_plugin_error(project: JobkitProject) -> None:
    """Told of what others fail at."""
    heard: list[PluginFailure] = []
    takes_part(project, "jobkit_plugin_error", lambda error: heard.append(error))
    project.hooks(
        "from jobkit import hookimpl\n\n@hookimpl\ndef jobkit_run_started(run):\n    1 / 0\n", name="bad"
    )
    project.run("work").assert_outcomes(succeeded=1)
    [failure] = heard
    assert (failure.plugin, failure.hook) == ("bad", "jobkit_run_started")


def test_jobkit_terminal_summary(project: JobkitProject) -> None:
    """A line below what ``jobkit run`` shows."""
    project.hooks(
        """
        from jobkit import hookimpl

        @hookimpl
        def jobkit_terminal_summary(terminal, runs):
            terminal.line(f"{len(runs)} run, {runs[0].job}")
        """
    )
    assert "1 run, work\n" in project.cli("run", "work").err


def test_jobkit_web_panels(project: JobkitProject) -> None:
    """Boxes, each with what renders it."""

    def panels() -> Sequence[Panel]:
        return [Panel("queue", "Waiting orders", lambda: "3")]

    takes_part(project, "jobkit_web_panels", panels)
    with project.load() as loaded:
        [provided] = loaded.hooks.web_panels(loaded.config)
        assert (provided.plugin, provided.value.render()) == ("one", "3")
