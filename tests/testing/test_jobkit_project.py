"""The fixture ``jobkit_project``, which plugin authors test with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobkit import RunRefused, ServiceSpec, Sink, UsageError, hookimpl
from jobkit.hookspecs import RULES
from jobkit.plugin import Skip
from jobkit.testing import JobkitProject

JOBS = """
    from jobkit import JobResult, submit_job

    @submit_job
    def work(ctx, *, fail: bool = False):
        if fail:
            raise ValueError("no space left")
        return JobResult.success("done")

    @submit_job
    async def parent(ctx):
        await ctx.run_job("work")
    """


@pytest.fixture
def project(jobkit_project: JobkitProject) -> JobkitProject:
    """With two jobs in it."""
    jobkit_project.jobs(JOBS)
    return jobkit_project


class Shelf(Sink):
    """Keeps what it is given."""

    name = "shelf"

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def emit(self, run: Any) -> None:
        self.kept.append(f"{run.job} {run.status}")


class Everything:
    """A plugin with a service and a sink."""

    def __init__(self) -> None:
        self.shelf = Shelf()

    @hookimpl
    def jobkit_services(self) -> list[ServiceSpec]:
        def open_word() -> str:
            return "hello"

        return [ServiceSpec(open_word, name="word")]

    @hookimpl
    def jobkit_result_sinks(self) -> list[Sink]:
        return [self.shelf]


def test_a_job_is_run(project: JobkitProject) -> None:
    """In this process, to its end, with its record at hand."""
    result = project.run("work")
    result.assert_outcomes(succeeded=1)
    assert (result.record.job, result.record.message) == ("work", "done")
    assert result.delivered is None


def test_a_failed_run_is_a_result(project: JobkitProject) -> None:
    """With parameters, and the error in the record."""
    result = project.run("work", {"fail": True})
    result.assert_outcomes(failed=1)
    assert result.record.error is not None
    assert result.record.error.message == "no space left"


def test_runs_of_runs_count(project: JobkitProject) -> None:
    """A job's children end before it."""
    result = project.run("parent")
    result.assert_outcomes(succeeded=2)
    assert [run.job for run in result.records] == ["work", "parent"]


def test_what_is_not_as_expected_is_shown(project: JobkitProject) -> None:
    """The assertion's text lists each run and what it said."""
    result = project.run("work", {"fail": True})
    with pytest.raises(AssertionError, match="expected 1 succeeded, and there were\n  work failed: no space"):
        result.assert_outcomes(succeeded=1)
    with pytest.raises(AssertionError, match="expected no runs"):
        result.assert_outcomes()


def test_an_unknown_job_is_named(project: JobkitProject) -> None:
    """With the closest name."""
    with pytest.raises(UsageError) as error:
        project.run("wrok")
    assert error.value.help == "did you mean 'work'?"


def test_a_plugin_object_takes_part(project: JobkitProject) -> None:
    """Its service is there for jobs, its sink has got every run when ``run`` returns."""
    plugin = Everything()
    project.plugin(plugin)
    project.jobs(
        """
        from jobkit import JobResult, submit_job

        @submit_job
        def says(ctx, word):
            return JobResult.success(word)
        """,
        file="says.py",
    )
    result = project.run("says")
    assert result.record.message == "hello"
    assert plugin.shelf.kept == ["says succeeded"]
    assert result.delivered is not None
    assert result.delivered.delivered == 1
    with project.load() as loaded:
        info = loaded.plugins.info("everything")
        assert info is not None
        assert info.hooks == ("jobkit_services", "jobkit_result_sinks")


def test_a_class_is_made_an_object_each_time(project: JobkitProject) -> None:
    """As an entry point's is; under the name that the test gives it."""
    project.plugin(Everything, name="all")
    for _ in range(2):
        project.run("work").assert_outcomes(succeeded=1)
    with project.load() as loaded:
        info = loaded.plugins.info("all")
        assert info is not None
        assert isinstance(info.plugin, Everything)


def test_calls_are_recorded_with_their_arguments(project: JobkitProject) -> None:
    """Each as an attribute; of a job's list as it was then."""
    project.run("work")
    project.run("work", {"fail": True})
    calls = project.calls("jobkit_run_finished")
    assert [(call.run.job, call.run.status) for call in calls] == [("work", "succeeded"), ("work", "failed")]
    [first, _] = project.calls("jobkit_collection_modifyjobs")
    assert [job.name for job in first.jobs] == ["work", "parent"]
    with pytest.raises(AttributeError, match="jobkit_run_finished has no argument 'ctx'; it has run"):
        _ = calls[0].ctx


def test_every_hook_of_a_run_is_recorded(project: JobkitProject) -> None:
    """The recorder is asked before all others and keeps nobody from being asked."""
    project.plugin(Everything())
    project.run("work")
    called = {hook for hook in RULES if project.calls(hook)}
    elsewhere = {
        "jobkit_commands",  # the command line
        "jobkit_terminal_summary",
        "jobkit_engines",  # a scheduler, a worker
        "jobkit_web_panels",
        "jobkit_log_processors",
        "jobkit_plugin_error",  # nothing failed
    }
    assert called | elsewhere == {*RULES}


def test_a_misspelt_hook_is_no_silence(project: JobkitProject) -> None:
    """An empty list would look like a hook that was not called."""
    with pytest.raises(ValueError, match="did you mean jobkit_run_finished"):
        project.calls("jobkit_run_finish")


def test_failures_of_plugins_are_told(project: JobkitProject) -> None:
    """Of this run, with the plugin's name and what it raised."""
    project.hooks(
        """
        from jobkit import hookimpl

        @hookimpl
        def jobkit_run_finished(run):
            raise KeyError("gone")
        """,
        name="broken",
    )
    for _ in range(2):
        result = project.run("work")
        result.assert_outcomes(succeeded=1)
        [failure] = result.failures
        assert (failure.plugin, failure.hook) == ("broken", "jobkit_run_finished")
        assert isinstance(failure.error, KeyError)


def test_warnings_are_told(project: JobkitProject) -> None:
    """What is left out while loading, by its code."""
    project.hooks("from jobkit import hookimpl\n\n@hookimpl\ndef jobkit_run_finishd(run): ...\n")
    result = project.run("work")
    assert [warning.code for warning in result.warnings] == ["JK702"]


def test_a_refused_run_is_raised(project: JobkitProject) -> None:
    """As it is to whoever asks for the run."""

    class Freeze:
        @hookimpl
        async def jobkit_run_admit(self) -> Skip:
            return Skip("frozen")

    project.plugin(Freeze())
    with pytest.raises(RunRefused, match="frozen"):
        project.run("work")
    [call] = project.calls("jobkit_run_admit")
    assert call.request.job == "work"


def test_an_extension_has_hooks_of_its_own(project: JobkitProject) -> None:
    """In the file that stands for it."""
    project.hooks(
        "from jobkit import ServiceSpec, hookimpl\n\n"
        "def five() -> int:\n    return 5\n\n"
        "@hookimpl\ndef jobkit_services():\n    return [ServiceSpec(five, name='number')]\n",
        extension="trial",
    )
    project.jobs(
        "from jobkit import submit_job\n\n@submit_job\ndef counts(ctx, number): ...\n", file="counts.py"
    )
    project.run("counts").assert_outcomes(succeeded=1)


def test_services_can_be_given(project: JobkitProject) -> None:
    """In place of what plugins provide."""
    project.plugin(Everything())
    project.jobs(
        "from jobkit import JobResult, submit_job\n\n"
        "@submit_job\ndef says(ctx, word):\n    return JobResult.success(word)\n",
        file="says.py",
    )
    assert project.run("says", services={"word": "bye"}).record.message == "bye"


async def test_it_works_in_an_async_test(jobkit_project: JobkitProject) -> None:
    """A loop that runs already is left alone."""
    jobkit_project.jobs(JOBS)
    jobkit_project.run("work").assert_outcomes(succeeded=1)


def test_nothing_from_outside_takes_part(project: JobkitProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plugin that is installed, no variable of the shell; neither here nor in a process."""
    with project.load() as loaded:
        sources = {info.source for info in loaded.plugins.infos}
        assert sources == {"built-in", "option"}
    monkeypatch.setenv("JOBKIT_PLUGINS", "nonsense_that_is_not_there")
    ended = project.cli("plugins", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert {info["source"] for info in ended.data} == {"built-in"}


def test_what_is_named_takes_part(project: JobkitProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that can be imported, in both ways of running."""
    project.write(
        "acme_plugin.py", "from jobkit import hookimpl\n\n@hookimpl\ndef jobkit_services(): return []\n"
    )
    project.configure('[project]\npythonpath = ["."]\n')
    project.plugin("acme_plugin")
    assert project.run("work").warnings == ()
    listed = {info["name"]: info["hooks"] for info in project.cli("plugins", "--json").data}
    assert listed["acme_plugin"] == ["jobkit_services"]


def test_a_command_is_a_process(project: JobkitProject) -> None:
    """Exit code, streams, what it answered; and which runs there were since."""
    project.run("work")
    ended = project.cli("run", "work", "-p", "fail=true")
    assert ended.code == 1
    assert "no space left" in ended.out
    ended.assert_outcomes(failed=1)
    assert [run["number"] for run in ended.runs] == [2]
    project.cli("list").assert_outcomes()
    assert [run["job"] for run in project.cli("history", "--json").data] == ["work", "work"]


def test_variables_are_given_to_a_command(project: JobkitProject) -> None:
    """To this one only."""
    ended = project.cli("db", "status", JOBKIT__SCHEDULER__STORE="sqlite:///other.db")
    assert "other.db" in ended.out
    assert "other.db" not in project.cli("db", "status").out


def test_a_plugin_object_is_in_no_other_process(project: JobkitProject) -> None:
    """A command would run without it, and the test would prove nothing."""
    project.plugin(Everything())
    with pytest.raises(RuntimeError, match="everything lives in this process"):
        project.cli("list")


def test_every_test_has_its_own_under_xdist(tmp_path: Path) -> None:
    """Workers and tests do not meet, and no variable of the shell reaches either."""
    test = """
import pytest

@pytest.mark.parametrize("n", range(6))
def test_it(jobkit_project, n):
    assert not (jobkit_project.root / "extensions").exists()
    jobkit_project.jobs(f'''
        from jobkit import submit_job

        @submit_job
        def job_{n}(ctx): ...
    ''')
    with jobkit_project.load() as project:
        assert [*project.jobs] == [f"job_{n}"]
    jobkit_project.run(f"job_{n}").assert_outcomes(succeeded=1)
"""
    (tmp_path / "test_it.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
