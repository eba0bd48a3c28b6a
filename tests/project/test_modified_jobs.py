"""What plugins make of the jobs, and what they may not make of them."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from jobkit.exceptions import ConfigError, PluginError
from jobkit.origin import Origin
from jobkit.plugins.sources import PluginChoice
from tests.project.conftest import Folder, codes

LONG_AGO = 1_700_000_000


def age(folder: Folder) -> None:
    """Let every file look old, so that the index believes its status."""
    for path in folder.root.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def test_what_a_plugin_says_is_read_as_if_the_code_had_said_it(folder: Folder) -> None:
    """Texts become what a specification holds, schedules are read, and the plugin's line is remembered."""
    folder.job("one", 'schedule="0 0 1 * * *", timezone="UTC"')
    path = folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[0] = replace(jobs[0], timeout="5m", tags=["night"], schedule="0 0 2 * * *")
    """)
    job = folder.jobs()["one"]
    assert (job.timeout, job.tags, job.schedule) == (timedelta(minutes=5), ("night",), ("0 0 2 * * *",))
    assert job.times is not None
    assert job.times.text == "0 0 2 * * *"
    line = path.read_text().splitlines().index("def jobkit_collection_modifyjobs(jobs, config):")
    assert job.origins["timeout"] == Origin("plugin", path, line, "policy")
    assert job.origins["timezone"].layer == "code"


def test_configuration_has_the_last_word(folder: Folder) -> None:
    """What operators write is laid over what plugins say."""
    folder.write("jobkit.toml", "[jobs.one]\ntimeout = '1m'\n")
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[0] = replace(jobs[0], timeout="5m", owner="policy")
    """)
    job = folder.jobs()["one"]
    assert (job.timeout, job.owner) == (timedelta(minutes=1), "policy")


def test_a_renamed_job_has_its_new_name_everywhere(folder: Folder) -> None:
    """Its configuration is that of the new name; the spread of `H` is, too."""
    folder.write("jobkit.toml", "[jobs.web_one]\nowner = 'ops@example.com'\n")
    folder.job("one", 'schedule="0 H 3 * * *", timezone="UTC"')
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[:] = [replace(job, name=f"{job.extension}_{job.name}") for job in jobs]
    """)
    project = folder.load()
    job = project.jobs["web_one"]
    assert (job.owner, project.find("one")) == ("ops@example.com", None)
    folder.job("web_one", 'schedule="0 H 3 * * *", timezone="UTC"')
    (folder.root / "extensions/web/jobs/one.py").unlink()
    (folder.root / "hooks/policy.py").unlink()
    written_so = folder.jobs()["web_one"]
    assert job.times is not None
    assert written_so.times is not None
    assert job.times.next_epoch(0) == written_so.times.next_epoch(0)


def test_a_plugin_can_add_a_job(folder: Folder) -> None:
    """Another job of the same file, made of one that is there."""
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs += [replace(jobs[0], name=f"one_{number}", line=7) for number in (1, 2)]
    """)
    assert set(folder.jobs()) == {"one", "one_1", "one_2"}


def test_configuration_of_a_job_that_a_plugin_removed_names_the_plugin(folder: Folder) -> None:
    """JK171, a warning: without the plugin the job is there, as its page says."""
    folder.write("jobkit.toml", "[jobs.one]\ntimeout = '1m'\n")
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs.clear()
    """)
    project = folder.load()
    [warning] = project.warnings
    assert (warning.code, warning.line, set(project.jobs)) == ("JK171", 1, set())
    assert "policy" in warning.message
    assert "--plugin no:policy" in (warning.help or "")
    assert set(folder.jobs(plugins=PluginChoice(block=("policy",)))) == {"one"}


def test_a_wrong_name_is_an_error_all_the_same(folder: Folder) -> None:
    """That plugins change jobs excuses no misspelt name."""
    folder.write("jobkit.toml", "[jobs.onne]\ntimeout = '1m'\n")
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs.reverse()
    """)
    with pytest.raises(ConfigError, match=r"\[jobs.onne\] matches no job"):
        folder.load()


WRONG = {
    "raises": ("raise RuntimeError('broken')", "RuntimeError: broken"),
    "exits": ("raise SystemExit(3)", "SystemExit"),
    "renames into a clash": ("jobs[0] = replace(jobs[0], name='two')", "two jobs called two"),
    "duplicates": ("jobs.append(jobs[0])", "job one in the list twice"),
    "is given nonsense": ("jobs[0] = 'one'", "'one'"),
    "is given nothing": ("jobs[:] = [None]", "None"),
    "wrong name": ("jobs[0] = replace(jobs[0], name='No Name')", "`name`"),
    "wrong value": ("jobs[0] = replace(jobs[0], timeout='soon')", "`timeout`"),
    "wrong schedule": ("jobs[0] = replace(jobs[0], schedule='0 0 99 * * *')", "`schedule`"),
    "wrong type": ("jobs[0] = replace(jobs[0], retries=object())", "`retries`"),
    "another home": ("jobs[0] = replace(jobs[0], extension='mail')", "extension"),
    "no signature": ("jobs[0] = replace(jobs[0], signature=None)", "signature"),
    "no target": ("jobs[0] = replace(jobs[0], target=None)", "target"),
    "no line": ("jobs[0] = replace(jobs[0], line='7')", "line"),
    "consent": ("jobs[0] = replace(jobs[0], enforce=True)", "enforce"),
    "unknown parameters": ("jobs[0] = replace(jobs[0], parameters={'days': 3})", "parameters"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_plugin_that_spoils_the_list_has_changed_nothing(folder: Folder, how: str) -> None:
    """It is left out with a warning that says what was wrong and where; the others' changes stay."""
    statement, said = WRONG[how]
    folder.job("one", 'schedule="0 0 1 * * *"')
    folder.job("two")
    path = folder.hook(f"""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[1] = replace(jobs[1], owner="half")
            {statement}
    """)
    folder.hook(
        """
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[:] = [replace(job, priority=7) for job in jobs]
        """,
        "good",
    )
    project = folder.load()
    assert {name: (job.owner, job.priority) for name, job in project.jobs.items()} == {
        "one": ("system", 7),
        "two": ("system", 7),
    }
    [warning] = project.warnings
    assert (warning.code, warning.path) == ("JK720", path)
    assert said in warning.message
    assert warning.line is not None
    info = project.plugins.info("policy")
    assert info is not None
    assert (info.status, info.failures) == ("unregistered", 1)


def test_where_plugins_must_not_fail_it_is_an_error(folder: Folder) -> None:
    """With --strict, or if the plugin is required."""
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            raise RuntimeError("broken")
    """)
    with pytest.raises(PluginError, match="RuntimeError: broken"):
        folder.load(plugins=PluginChoice(strict=True))
    folder.write("jobkit.toml", "[project]\nrequired_plugins = ['policy']\n")
    with pytest.raises(PluginError, match="RuntimeError: broken"):
        folder.load()


def test_an_extension_sees_its_own_jobs_only(folder: Folder) -> None:
    """And can neither change others nor take their names."""
    folder.job("one")
    folder.job("two", extension="mail")
    folder.own_hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[:] = [replace(job, tags=("own",)) for job in jobs]
    """)
    assert {name: job.tags for name, job in folder.jobs().items()} == {"one": ("own",), "two": ()}
    folder.own_hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[0] = replace(jobs[0], name="two")
    """)
    project = folder.load()
    assert {job.name: job.extension for job in project.jobs.values()} == {"one": "web", "two": "mail"}
    assert codes(project) == ["JK720"]


def test_broken_jobs_are_not_shown_and_keep_their_names(folder: Folder) -> None:
    """A name that two files claim stays an error, and no other job can be given it."""
    folder.job("one")
    folder.job("two")
    twice = folder.job("two", extension="mail")
    folder.hook("""
        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            assert [job.name for job in jobs] == ["one"]
            jobs[0] = replace(jobs[0], name="two")
    """)
    project = folder.load()
    assert "two jobs called two" in project.warnings[0].message
    assert {name: job.error is None for name, job in project.jobs.items()} == {"one": True, "two": False}
    twice.unlink()


def test_an_error_can_be_a_policy(folder: Folder) -> None:
    """A plugin lists a job as one that must not run."""
    folder.job("one")
    folder.hook("""
        from jobkit import CollectionError

        @hookimpl
        def jobkit_collection_modifyjobs(jobs, config):
            jobs[:] = [job.with_error(CollectionError("it has no owner", code="JK101")) for job in jobs]
    """)
    error = folder.jobs()["one"].error
    assert error is not None
    assert error.message == "it has no owner"


# -- the index --------------------------------------------------------------------------------------------

PREFIX = """
@hookimpl
def jobkit_collection_modifyjobs(jobs, config):
    jobs[:] = [replace(job, name=f"x_{job.name}") for job in jobs if job.name != "gone"]
"""


def test_one_job_is_the_same_as_among_all(folder: Folder) -> None:
    """While a plugin may change a job, asking for it alone collects everything, and gives what is true."""
    for name in ("one", "two", "gone"):
        folder.job(name)
    folder.hook(PREFIX)
    folder.load()
    age(folder)
    folder.load()
    project = folder.load(only="x_one")
    assert (project.complete, project.jobs["x_one"].name) == (True, "x_one")
    for name in ("one", "gone"):
        assert folder.load(only=name).find(name) is None
    for _ in range(2):  # nor does the index that was written with the plugin say anything without it
        project = folder.load(only="one", plugins=PluginChoice(block=("policy",)))
        assert project.jobs["one"].name == "one"


def test_a_plugin_of_one_extension_leaves_the_others_their_index(folder: Folder) -> None:
    """Jobs that it is not shown still cost one file."""
    folder.job("one")
    folder.job("two", extension="mail")
    folder.own_hook(PREFIX)
    folder.load()
    age(folder)
    folder.load()
    assert not folder.load(only="two").complete
    assert folder.load(only="x_one").complete


def test_a_broken_files_jobs_keep_the_names_that_plugins_gave(folder: Folder) -> None:
    """What is listed with an error is what the configuration speaks of."""
    folder.write("jobkit.toml", "[jobs.x_one]\ntimeout = '1m'\n")
    path = folder.job("one")
    folder.hook(PREFIX)
    assert folder.jobs()["x_one"].error is None
    path.write_text("1 / 0\n")
    for _ in range(2):
        jobs = folder.jobs()
        assert set(jobs) == {"x_one"}
        assert jobs["x_one"].error is not None
