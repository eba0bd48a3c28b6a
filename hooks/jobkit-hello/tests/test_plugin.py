"""The plugin in a project: `jobkit_project` is one, in a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jobkit.testing import JobkitProject
from jobkit.testing.conformance.sink import SinkConformance

from jobkit_hello.guestbook import Guestbook
from jobkit_hello.plugin import Hello

JOBS = """
    from jobkit import JobContext, JobResult, submit_job
    from jobkit_hello import Greeter

    @submit_job
    async def by_type(ctx: JobContext, greeter: Greeter) -> JobResult:
        return JobResult.success(greeter.greet("Ada"))

    @submit_job
    def by_name(ctx, hello):
        return JobResult.success(hello.greet("Grace"))

    @submit_job
    def fails(ctx):
        raise ValueError("no")
    """


@pytest.fixture
def project(jobkit_project: JobkitProject) -> JobkitProject:
    """A project with three jobs, in which the plugin takes part."""
    jobkit_project.jobs(JOBS)
    jobkit_project.plugin(Hello, "hello")
    return jobkit_project


@pytest.mark.parametrize(("job", "message"), [("by_type", "Welcome, Ada!"), ("by_name", "Welcome, Grace!")])
def test_jobs_get_the_service(project: JobkitProject, job: str, message: str) -> None:
    """By its type and by its name."""
    result = project.run(job)
    result.assert_outcomes(succeeded=1)
    assert result.record.message == message


def test_the_greeting_is_configured(project: JobkitProject) -> None:
    """By the table of the plugin."""
    project.configure('[plugins.hello]\ngreeting = "Good morning"\n')
    assert project.run("by_type").record.message == "Good morning, Ada!"


def test_the_sink_gets_every_result(project: JobkitProject) -> None:
    """Success or not, in the order in which the runs ended."""
    project.configure('[plugins.hello]\nguestbook = "book.jsonl"\n')
    project.run("by_type").assert_outcomes(succeeded=1)
    project.run("fails").assert_outcomes(failed=1)
    lines = (project.root / "book.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(run["job"], run["status"]) for run in told] == [("by_type", "succeeded"), ("fails", "failed")]


def test_the_hook_is_called(project: JobkitProject) -> None:
    """Once for each run, by jobkit."""
    plugin = Hello()
    project.plugin(plugin, "hello")
    result = project.run("by_type")
    assert plugin.finished == 1
    assert not result.failures
    [call] = project.calls("jobkit_run_finished")
    assert (call.run.job, call.run.status) == ("by_type", "succeeded")


def test_it_is_found_when_it_is_installed(jobkit_project: JobkitProject) -> None:
    """By its entry point, in a process of its own; its verb greets."""
    jobkit_project.plugin("hello")
    listed = {info["name"]: info for info in jobkit_project.cli("plugins", "--json").data}
    assert listed["hello"]["distribution"] == "jobkit-hello"
    assert listed["hello"]["status"] == "active"
    assert jobkit_project.cli("hello", "Ada").out == "Welcome, Ada!\n"


class TestGuestbook(SinkConformance):
    """What is true of every good sink."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> Callable[[], Guestbook]:
        """Each call is a sink that could be another process's."""
        return lambda: Guestbook(tmp_path / "book.jsonl")
