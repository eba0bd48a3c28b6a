"""Which files are collected, and how, after plugins had their say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from jobkit import CollectionError, Project
from jobkit.exceptions import PluginError
from jobkit.plugins.sources import PluginChoice
from tests.project.conftest import Folder, codes

SQL = """
def run(statement, ctx): ...

@hookimpl
def jobkit_collect_file(path, extension, config):
    if path.suffix != ".sql":
        return None
    text = path.read_text()
    said = text.partition("\\n")[0].removeprefix("-- ").split(";")
    options = dict(pair.split("=", 1) for pair in said if "=" in pair)
    submit_job(partial(run, text), name=path.stem, description="SQL", **options)
    return True
"""
LONG_AGO = 1_700_000_000


def sql(folder: Folder, name: str, text: str = "select 1", *, extension: str = "web") -> Path:
    return folder.write(f"extensions/{extension}/jobs/{name}.sql", text)


def age(folder: Folder) -> None:
    """Let every file look old, so that the index believes its status."""
    for path in folder.root.rglob("*"):
        os.utime(path, (LONG_AGO, LONG_AGO), follow_symlinks=False)


def executed() -> set[str]:
    """The job files that are imported now."""
    return {name for name in sys.modules if name.startswith("jobkit_ext.") and ".jobs." in name}


# -- skipping and forcing ---------------------------------------------------------------------------------


def test_a_file_is_skipped_and_another_forced(folder: Folder) -> None:
    """True skips a file, False collects one that its name would have kept out, None leaves both."""
    folder.job("draft_one")
    folder.job("two")
    folder.write("extensions/web/jobs/_three.py", folder.job("three").read_text())
    (folder.root / "extensions/web/jobs/three.py").unlink()
    folder.hook("""
        @hookimpl
        def jobkit_ignore_collect(path, config):
            return {"draft_one.py": True, "_three.py": False}.get(path.name)
    """)
    assert set(folder.jobs()) == {"two", "three"}


def test_an_extension_decides_about_its_own_files_only(folder: Folder) -> None:
    """The hooks.py of one extension is not asked about the files of another."""
    folder.job("one")
    folder.job("two", extension="mail")
    folder.own_hook("""
        @hookimpl
        def jobkit_ignore_collect(path):
            return True
    """)
    assert set(folder.jobs()) == {"two"}


def test_a_hook_that_cannot_say_has_no_opinion(folder: Folder) -> None:
    """An error, even one of jobkit's, and an answer that is none count as None, and are counted."""
    folder.job("one")
    folder.hook("""
        from jobkit import CollectionError

        @hookimpl
        def jobkit_ignore_collect(path):
            raise CollectionError("no")
    """)
    folder.hook(
        """
        @hookimpl
        def jobkit_ignore_collect(path):
            return "yes"
    """,
        "nonsense",
    )
    project = folder.load()
    assert set(project.jobs) == {"one"}
    assert {info.name: info.failures for info in project.plugins.infos if info.failures} == {
        "policy": 1,
        "nonsense": 1,
    }


# -- other kinds of files ---------------------------------------------------------------------------------


def test_another_kind_of_file_holds_a_job(folder: Folder) -> None:
    """The job has the file as its place, in line 1, and belongs to the extension."""
    folder.hook(SQL)
    path = sql(folder, "tidy", "-- schedule=0 0 3 * * *\ndelete from old")
    project = folder.load()
    job = project.jobs["tidy"]
    assert (job.path, job.line, job.extension, job.schedule) == (path, 1, "web", ("0 0 3 * * *",))
    assert job.times is not None
    assert project.errors == []


def test_without_a_plugin_for_them_other_files_are_not_looked_at(folder: Folder) -> None:
    """Whatever else lies in jobs/ is nobody's business: no error, no warning, no job."""
    folder.job("one")
    sql(folder, "tidy")
    (folder.root / "extensions/web/jobs/data").mkdir()
    (folder.root / "extensions/web/jobs/nowhere.txt").symlink_to("/nonexistent")
    project = folder.load()
    assert (set(project.jobs), project.errors, project.warnings) == ({"one"}, [], [])


def test_what_nobody_takes_stays_what_it_was(folder: Folder) -> None:
    """A readme, a folder, a hidden file: offered or not, they make no job, no error and no warning."""
    folder.hook(SQL)
    folder.job("one")
    folder.write("extensions/web/jobs/README.md", "about")
    folder.write("extensions/web/jobs/.hidden.sql", "select")
    folder.write("extensions/web/jobs/_part.sql", "select")
    folder.write("extensions/web/jobs/rows/deep.sql", "select")
    project = folder.load()
    assert (set(project.jobs), project.errors, project.warnings) == ({"one"}, [], [])


def test_a_line_can_be_given(folder: Folder) -> None:
    """With at_line a file with several jobs says where each of them stands."""
    folder.hook("""
        from jobkit.plugin import at_line

        def run(ctx): ...

        @hookimpl
        def jobkit_collect_file(path):
            if path.suffix == ".list":
                for number, name in enumerate(path.read_text().split(), 1):
                    with at_line(number):
                        submit_job(run, name=name)
                return True
    """)
    folder.write("extensions/web/jobs/all.list", "first\nsecond\nthird\n")
    assert {name: job.line for name, job in folder.jobs().items()} == {"first": 1, "second": 2, "third": 3}


def test_a_plugin_can_take_a_python_file(folder: Folder) -> None:
    """Then it is not imported."""
    folder.write("extensions/web/jobs/odd.py", "raise SystemExit('imported')\n")
    folder.hook("""
        def run(ctx): ...

        @hookimpl
        def jobkit_collect_file(path):
            if path.stem == "odd":
                submit_job(run, name="odd")
                return True
    """)
    project = folder.load()
    assert (set(project.jobs), project.errors, executed()) == ({"odd"}, [], set())


def test_files_of_one_stem_do_not_get_into_each_others_way(folder: Folder) -> None:
    """tidy.py, tidy.sql and tidy are three files."""
    folder.hook("""
        def run(ctx): ...

        @hookimpl
        def jobkit_collect_file(path):
            if path.suffix != ".py":
                submit_job(run, name=f"{path.stem}{path.suffix.replace('.', '_') or '_bare'}")
                return True
    """)
    folder.job("tidy")
    sql(folder, "tidy")
    folder.write("extensions/web/jobs/tidy", "")
    jobs = folder.jobs()
    assert set(jobs) == {"tidy", "tidy_sql", "tidy_bare"}
    assert len({job.module for job in jobs.values()}) == 3


def test_what_is_wrong_in_such_a_file_is_an_error_of_the_file(folder: Folder) -> None:
    """A schedule in SQL that is not accepted is its author's mistake, not the plugin's."""
    folder.hook(SQL)
    path = sql(folder, "tidy", "-- schedule=0 0 25 * * *\nselect 1")
    project = folder.load()
    [error] = project.errors
    assert (error.path, error.line, error.code) == (path, 1, "JK304")
    assert project.plugins.info("policy").failures == 0  # type: ignore[union-attr]


def test_a_file_of_its_own_kind_can_be_refused(folder: Folder) -> None:
    """A plugin says with CollectionError what is wrong with a file, and in which line."""
    folder.hook("""
        from jobkit import CollectionError

        @hookimpl
        def jobkit_collect_file(path):
            if path.suffix == ".sql":
                raise CollectionError("there is no statement", line=3, code="JK101", help="write one")
    """)
    path = sql(folder, "tidy")
    [error] = folder.load().errors
    assert (error.path, error.line, error.message) == (path, 3, "there is no statement")


def test_a_raising_hook_leaves_python_to_python(folder: Folder) -> None:
    """The failure is the plugin's; the file is treated as if nobody had taken it."""
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_collect_file(path):
            submit_job(lambda ctx: None, name="half")
            raise RuntimeError("broken")
    """)
    project = folder.load()
    assert (set(project.jobs), project.errors) == ({"one"}, [])
    assert project.plugins.info("policy").failures == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["raise SystemExit(3)", "return 'yes'", "return None"])
def test_what_a_failing_plugin_registered_is_taken_back(folder: Folder, how: str) -> None:
    """The next plugin takes the file, and only what that one registers is there."""
    folder.hook(f"""
        @hookimpl(tryfirst=True)
        def jobkit_collect_file(path):
            submit_job(lambda ctx: None, name="half")
            {how}
    """)
    folder.hook(SQL, "sql")
    sql(folder, "tidy")
    assert set(folder.jobs()) == {"tidy"}


@pytest.mark.parametrize("answer", [None, False])
def test_registering_without_taking_the_file_is_a_failure(folder: Folder, answer: bool | None) -> None:
    """Jobs do not vanish without a word: the plugin is told what to return, and that mends it."""
    hook = """
        @hookimpl
        def jobkit_collect_file(path):
            submit_job(lambda ctx: None, name="first")
            submit_job(lambda ctx: None, name="second")
            return {}
    """
    folder.hook(hook.format(answer))
    folder.job("one")
    project = folder.load()
    info = project.plugins.info("policy")
    assert (set(project.jobs), project.errors) == ({"one"}, [])
    assert info is not None
    assert info.error is not None
    assert info.failures == 1
    assert f"registered 2 jobs and returned {answer}: return True" in info.error.message
    folder.hook(hook.format(True))
    assert set(folder.jobs()) == {"first", "second"}


def test_jobs_of_a_file_that_its_plugin_fails_at_stay_listed(folder: Folder) -> None:
    """What the index knows is listed with the error, and configuration of it stays harmless."""
    folder.write("jobkit.toml", "[jobs.tidy]\ntimeout = '5m'\n")
    folder.hook(SQL)
    path = sql(folder, "tidy")
    assert folder.jobs()["tidy"].error is None
    path.write_bytes(b"\xff")  # no text: the plugin cannot read it
    project = folder.load()
    error = project.jobs["tidy"].error
    assert error is not None
    assert (error.code, error.path) == ("JK170", path)
    assert "UnicodeDecodeError" in error.message
    assert "hooks/policy.py:" in (error.help or "")
    path.unlink()


def test_a_file_that_a_plugin_fails_at_is_a_warning_if_it_never_had_jobs(folder: Folder) -> None:
    """JK170 names file and plugin, and the page's advice mends it."""
    folder.hook(SQL)
    path = sql(folder, "tidy")
    path.write_bytes(b"\xff")
    project = folder.load()
    assert [(item.code, item.path) for item in project.warnings] == [("JK170", path)]
    path.write_text("select 1")
    assert codes(folder.load()) == []


def test_jobs_of_a_plugin_that_is_left_out_stay_listed(folder: Folder) -> None:
    """A plugin that breaks takes no job out of sight, and no configuration with it."""
    folder.write("jobkit.toml", "[jobs.tidy]\ntimeout = '5m'\n")
    plugin = folder.hook(SQL)
    sql(folder, "tidy")
    folder.load()
    whole = plugin.read_text()
    plugin.write_text("import nonsense_that_is_not_there\n")
    project = folder.load()
    error = project.jobs["tidy"].error
    assert error is not None
    assert "policy (broken)" in error.message
    assert [item.code for item in project.warnings] == ["JK709"]
    plugin.write_text(whole)
    assert folder.jobs()["tidy"].error is None


def test_configuration_of_a_broken_plugins_jobs_is_no_error(folder: Folder) -> None:
    """Even where no index knows them: the warning names the plugin that may be why."""
    folder.write("jobkit.toml", "[jobs.tidy]\ntimeout = '5m'\n")
    folder.hook("import nonsense_that_is_not_there")
    folder.job("one")
    [broken, unknown] = folder.load().warnings
    assert (broken.code, unknown.code) == ("JK709", "JK210")
    assert "policy (broken)" in (unknown.help or "")


def test_two_files_of_different_kinds_can_claim_one_name(folder: Folder) -> None:
    """As between Python files: listed once, with an error that names the other."""
    folder.hook(SQL)
    folder.job("tidy")
    sql(folder, "tidy")
    project = folder.load()
    assert [error.code for error in project.errors] == ["JK108", "JK108"]
    assert project.jobs["tidy"].error is not None


def test_such_a_file_has_the_time_of_any_file(folder: Folder) -> None:
    """A hook that does not come back is ended with the import limit; others are collected."""
    folder.write("jobkit.toml", "[project]\nimport_timeout = '200ms'\n")
    folder.hook("""
        @hookimpl
        def jobkit_collect_file(path):
            while path.suffix == ".sql":
                pass
    """)
    folder.job("one")
    sql(folder, "tidy")
    project = folder.load()
    assert set(project.jobs) == {"one"}
    assert codes(project) == ["JK170"]
    assert "time" in project.warnings[0].message


# -- one file ---------------------------------------------------------------------------------------------


def test_one_job_still_costs_one_file(folder: Folder) -> None:
    """Plugins that choose and collect files leave the index of use."""
    folder.hook(SQL)
    folder.job("one")
    folder.job("two")
    sql(folder, "tidy")
    folder.load()
    age(folder)
    folder.load()
    assert not folder.load(only="two").complete
    assert executed() == {"jobkit_ext.web.jobs.two"}
    project = folder.load(only="tidy")
    assert (project.complete, executed(), project.jobs["tidy"].name) == (False, set(), "tidy")


def test_configuration_that_a_plugin_may_read_makes_the_index_new(folder: Folder) -> None:
    """Whatever the configuration says may decide what a plugin collects."""
    folder.hook(SQL)
    folder.job("one")
    folder.load()
    age(folder)
    folder.load()
    assert not folder.load(only="one").complete
    folder.write("jobkit.toml", "[plugins.policy]\nprefix = 'x'\n")
    assert folder.load(only="one").complete
    assert not folder.load(only="one").complete


def test_what_a_plugin_skips_today_is_known_today(folder: Folder) -> None:
    """The index never gives a job of a file that is skipped now."""
    folder.job("one")
    folder.job("two")
    folder.hook("""
        import os

        @hookimpl
        def jobkit_ignore_collect(path, config):
            return (config.root / f"skip_{path.stem}").exists() or None
    """)
    folder.load()
    age(folder)
    assert folder.load(only="one").find("one") is not None
    folder.write("skip_one", "")
    assert folder.load(only="one").find("one") is None


# -- reports ----------------------------------------------------------------------------------------------


def test_every_file_is_reported(folder: Folder) -> None:
    """Path, jobs and error of each file, those that plugins collect included; what nobody takes is not."""
    folder.hook(SQL)
    folder.hook(
        """
        SEEN = []

        @hookimpl
        def jobkit_collectreport(report):
            SEEN.append(report)
        """,
        "seen",
    )
    folder.own_hook("""
        SEEN = []

        @hookimpl
        def jobkit_collectreport(report):
            SEEN.append(report.path.name)
    """, "mail")  # fmt: skip
    folder.job("one", extension="mail")
    folder.write("extensions/web/jobs/broken.py", "1 / 0\n")
    folder.write("extensions/web/jobs/README.md", "")
    sql(folder, "tidy")
    project = folder.load()
    seen = {report.path.name: report for report in project.plugins.info("seen").plugin.SEEN}  # type: ignore[union-attr]
    assert {name: report.jobs for name, report in seen.items()} == {
        "one.py": ("one",),
        "broken.py": (),
        "tidy.sql": ("tidy",),
    }
    assert isinstance(seen["broken.py"].error, CollectionError)
    assert project.plugins.info("mail.hooks").plugin.SEEN == ["one.py"]  # type: ignore[union-attr]


# -- strictness -------------------------------------------------------------------------------------------


def test_a_broken_plugin_ends_a_strict_load(folder: Folder) -> None:
    """And leaves nothing loaded behind."""
    folder.hook("1 / 0")
    with pytest.raises(PluginError):
        folder.load(plugins=PluginChoice(strict=True))
    Project.load(folder.root).close()
