"""What jobs can ask for: where it comes from, and what is said when it cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit import JobSpec, Project
from tests.project.conftest import Folder, codes

DATABASE = """
class Database: ...

def open_database():
    return Database()

@hookimpl
def jobkit_services(config):
    return [ServiceSpec(open_database, name="db", provides=Database)]
"""


def error_of(job: JobSpec) -> tuple[str, str, Path | None, int | None]:
    """Code, text with help, and place of what is wrong with *job*."""
    error = job.error
    assert error is not None
    return error.code, f"{error.message}\n{error.help}", error.path, error.line


def sources(project: Project) -> dict[str, str]:
    """Who provides what."""
    return {item.name: item.source for item in project.services if not item.private}


def test_a_job_asks_for_what_a_plugin_provides(folder: Folder) -> None:
    """By name and by type; who provides it is known."""
    folder.hook(DATABASE)
    folder.job("one", arguments="ctx, db")
    folder.write(
        "extensions/web/jobs/two.py",
        """
        from jobkit import submit_job
        from jobkit_hooks.policy import Database

        @submit_job
        async def two(ctx, anything: Database): ...
        """,
    )
    project = folder.load()
    assert {name: job.error for name, job in project.jobs.items()} == {"one": None, "two": None}
    assert sources(project)["db"] == "policy"
    assert sources(project)["clock"] == "built-in"
    assert project.graph.plan(project.jobs["two"]).arguments[0].provider.source == "policy"  # type: ignore[union-attr]


def test_an_extensions_own_shadows_for_its_jobs(folder: Folder) -> None:
    """By the same name; the jobs of others have the project's."""
    folder.hook(DATABASE)
    folder.own_hook(DATABASE.replace('name="db"', 'name="db", scope="run"'))
    folder.job("one", arguments="ctx, db")
    folder.job("two", arguments="ctx, db", extension="mail")
    project = folder.load()
    found = {name: next(iter(project.graph.plan(job))).provider for name, job in project.jobs.items()}
    assert {name: (item.source, item.extension) for name, item in found.items()} == {
        "one": ("web.hooks", "web"),
        "two": ("policy", None),
    }
    assert project.warnings == []


# -- what cannot be had: the text alone is enough to mend it ------------------------------------------------


def test_a_missing_service(folder: Folder) -> None:
    """Who asks, at which line, for what; the closest name, and everything there is."""
    folder.hook(DATABASE.replace('"db"', '"database"'))
    path = folder.job("one", arguments="ctx, databse: object")
    project = folder.load()
    code, text, place, line = error_of(project.jobs["one"])
    assert (code, place, line) == ("JK402", path, 4)
    assert "job one asks for `databse: object`, and nothing provides it" in text
    assert "did you mean `database`?" in text
    assert "available: clock (Clock), config (Config), database (Database), log (" in text
    folder.job("one", arguments="ctx, database")
    assert folder.jobs()["one"].error is None


def test_a_missing_service_of_a_service(folder: Folder) -> None:
    """The chain of who asked, each with file and line."""
    hook = folder.hook("""
        def open_pool(dsn): ...
        def open_database(pool): ...

        @hookimpl
        def jobkit_services(config):
            return [ServiceSpec(open_pool, name="pool"), ServiceSpec(open_database, name="db")]
    """)
    folder.job("one", arguments="ctx, db")
    project = folder.load()
    code, text, _, _ = error_of(project.jobs["one"])
    lines = hook.read_text().splitlines()
    pool, database = (
        lines.index("def open_pool(dsn): ...") + 1,
        lines.index("def open_database(pool): ...") + 1,
    )
    assert code == "JK402"
    assert "service pool asks for `dsn`" in text
    assert (
        "asked for by: job one (extensions/web/jobs/one.py:4) "
        f"→ service db (hooks/policy.py:{database}) → service pool (hooks/policy.py:{pool})" in text
    )
    assert codes(project) == []  # the job says it
    (folder.root / "extensions/web/jobs/one.py").unlink()
    folder.job("other")
    assert codes(folder.load()) == ["JK402"]  # nobody asks, and the service is broken all the same


def test_an_ambiguous_service(folder: Folder) -> None:
    """The candidates, and how to choose one."""
    replica = 'return [ServiceSpec(open_database, name="replica", provides=Database), '
    folder.hook(DATABASE.replace("return [", replica))
    folder.write(
        "extensions/web/jobs/one.py",
        """
        from jobkit import submit_job
        from jobkit_hooks.policy import Database

        @submit_job
        async def one(ctx, anything: Database): ...
        """,
    )
    code, text, _, _ = error_of(folder.jobs()["one"])
    assert code == "JK403"
    assert "2 services are of that type: db, replica" in text
    assert 'Annotated[Database, Service("db")]' in text


def test_a_circle(folder: Folder) -> None:
    """The way around, with every place."""
    folder.hook("""
        def open_a(b): ...
        def open_b(a): ...

        @hookimpl
        def jobkit_services(config):
            return [ServiceSpec(open_a, name="a"), ServiceSpec(open_b, name="b")]
    """)
    folder.job("one", arguments="ctx, a")
    code, text, _, _ = error_of(folder.jobs()["one"])
    assert code == "JK404"
    assert "in a circle: a → b → a" in text
    assert text.count("hooks/policy.py:") == 3


def test_a_service_of_the_process_that_needs_one_of_a_run(folder: Folder) -> None:
    """Which one, and what to write."""
    folder.hook("""
        def open_a(b): ...
        def open_b(): ...

        @hookimpl
        def jobkit_services(config):
            return [ServiceSpec(open_a, name="a"), ServiceSpec(open_b, name="b", scope="run")]
    """)
    folder.job("one", arguments="ctx, a")
    code, text, _, _ = error_of(folder.jobs()["one"])
    assert code == "JK405"
    assert "service a is opened once for the process and cannot use `b`" in text
    assert 'give service a scope="run"' in text


def test_two_services_of_one_name(folder: Folder) -> None:
    """A warning with the place of the second, which names the first; replaces=True mends it."""
    folder.hook(DATABASE, "first")
    second = folder.hook(DATABASE, "second")
    folder.job("one", arguments="ctx, db")
    project = folder.load()
    [warning] = project.warnings
    assert (warning.code, warning.path) in {("JK407", second), ("JK407", folder.root / "hooks/first.py")}
    assert warning.line is not None
    assert "hooks/" in warning.message
    assert "replaces=True" in (warning.help or "")
    assert project.jobs["one"].error is None
    for path in (second, folder.root / "hooks/first.py"):
        path.write_text(path.read_text().replace('name="db"', 'name="db", replaces=True'))
        break
    assert folder.load().warnings == []


def test_a_broken_provider_says_what_is_missing_and_why(folder: Folder) -> None:
    """The job has an error, the plugin a failure."""
    folder.hook("""
        @hookimpl
        def jobkit_services(config):
            yield ServiceSpec(lambda: 1, name="db")
            raise RuntimeError("no")
    """)
    folder.job("one", arguments="ctx, db")
    project = folder.load()
    assert error_of(project.jobs["one"])[0] == "JK402"
    assert project.plugins.info("policy").failures == 1  # type: ignore[union-attr]


def test_a_plugins_table_is_for_its_own_factories(folder: Folder) -> None:
    """Found by its type there, and by nobody else."""
    folder.write("jobkit.toml", "[plugins.policy]\ndsn = 'x'\n")
    folder.hook("""
        import msgspec

        class Table(msgspec.Struct, frozen=True):
            dsn: str = ""

        @hookimpl
        def jobkit_addoption(parser):
            parser.table(Table)

        def open_database(settings: Table): ...

        @hookimpl
        def jobkit_services(config):
            return [ServiceSpec(open_database, name="db")]
    """)
    folder.hook(
        """
        from jobkit_hooks.policy import Table

        def open_other(settings: Table): ...

        @hookimpl
        def jobkit_services(config):
            return [ServiceSpec(open_other, name="other")]
        """,
        "stranger",
    )
    folder.job("one", arguments="ctx, db")
    folder.job("two", arguments="ctx, other")
    jobs = folder.jobs()
    assert jobs["one"].error is None
    assert error_of(jobs["two"])[0] == "JK402"


# -- what a program brings itself --------------------------------------------------------------------------


def test_what_is_given_is_there(folder: Folder) -> None:
    """A job that asks for an object which only the embedding program has is in order once that is given."""
    folder.job("one", arguments="ctx, db")
    folder.job("two", arguments="ctx, mailer")
    project = folder.load()
    with_database = project.jobs_with({"db": object()})
    assert {name: job.error is None for name, job in with_database.items()} == {"one": True, "two": False}
    assert project.jobs["one"].error is not None
    project.give({"db": object()})
    assert {name: job.error is None for name, job in project.jobs.items()} == {"one": True, "two": False}
    project.give({"mailer": object()})
    assert {name: job.error is None for name, job in project.jobs.items()} == {"one": True, "two": True}
    assert set(project.given) == {"db", "mailer"}
    assert folder.load(services={"db": 1}).jobs["one"].error is None


def test_what_is_given_reaches_jobs_that_are_imported_later(folder: Folder) -> None:
    """Also where only one file was imported before."""
    folder.job("one", arguments="ctx, db")
    folder.job("two", arguments="ctx, db")
    folder.load()
    project = folder.load(only="one")
    project.give({"db": object()})
    assert project.jobs["two"].error is None
    assert project.jobs["one"].error is None


def test_what_a_job_has_besides_stays(folder: Folder) -> None:
    """A given service mends nothing else, and a job is warned of once."""
    folder.write("jobkit.toml", "[jobs.one]\ntimeout = 'soon'\n")
    folder.job("one", arguments="ctx, db")
    folder.job("two", 'schedule="0 0 3 * * *"', arguments="ctx, db, *, days: int")
    project = folder.load()
    for _ in range(2):
        project.give({"db": object()})
    assert error_of(project.jobs["one"])[0] == "JK213"
    assert [warning.code for warning in project.jobs["two"].warnings] == ["JK512"]


@pytest.mark.parametrize("only", [None, "one"])
def test_no_services_but_the_built_in_ones_cost_nothing(folder: Folder, only: str | None) -> None:
    """A project without plugins has no warnings and exactly these services."""
    folder.job("one", arguments="ctx, clock, config, log, project")
    folder.load()
    project = folder.load(only=only)
    assert (project.jobs["one"].error, project.warnings) == (None, [])
    assert set(sources(project)) == {"clock", "config", "log", "project"}
