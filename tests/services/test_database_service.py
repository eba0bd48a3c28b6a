"""The service ``db`` in a project: there where a url is configured, the same for every kind of job."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine, Ended

HEAD = """\
import anyio
from jobkit import JobContext, JobResult, submit_job
from jobkit.sqlite import Database

"""
TABLE = "create table if not exists notes (text text unique)"
SETTINGS = '[project]\nname = "shop"\n[plugins.sqlite]\nurl = "sqlite:///data/shop.db"\n'


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in a project that has a database."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "jobkit.toml").write_text(SETTINGS, encoding="utf-8")
    return CommandLine(root, monkeypatch)


def ran(cli: CommandLine, jobs: str, *arguments: str, code: int = 0) -> Ended:
    """The one job file says *jobs*; then ``jobkit run ARGUMENTS``."""
    cli.file("extensions/web/jobs/job.py", HEAD + jobs)
    ended = cli.process("run", *arguments)
    assert ended.code == code, ended.out + ended.err
    return ended


def notes(cli: CommandLine) -> list[str]:
    """What the database holds, looked at from outside."""
    with closing(sqlite3.connect(cli.root / "data" / "shop.db")) as connection:
        return [text for (text,) in connection.execute("select text from notes order by rowid")]


def test_it_is_found_by_type_and_by_name(cli: CommandLine) -> None:
    """And it is one object for all, in coroutines, threads and lookups."""
    ran(
        cli,
        f"""
@submit_job
async def by_type(ctx: JobContext, shop: Database) -> None:
    await shop.execute({TABLE!r})
    await shop.execute("insert into notes values (?)", ("by type",))
    assert await ctx.service(Database) is await ctx.service("db") is shop
    await ctx.run_job("by_name")

@submit_job
def by_name(ctx: JobContext, db) -> None:
    with db.sync.transaction() as tx:
        tx.execute("insert into notes values (?)", ("by name",))
    assert ctx.service_sync("db") is db
""",
        "by_type",
    )
    assert notes(cli) == ["by type", "by name"]


def test_a_job_in_a_process_of_its_own_has_it_too(cli: CommandLine) -> None:
    """Opened there, on the same file."""
    ran(
        cli,
        f"""
@submit_job(executor="process")
def apart(ctx: JobContext, db: Database) -> None:
    db.sync.script({TABLE!r})
    db.sync.execute("insert into notes values (?)", ("apart",))
""",
        "apart",
    )
    assert notes(cli) == ["apart"]


def test_without_a_url_there_is_none(cli: CommandLine) -> None:
    """And the job that asks for it is an error when it is collected; so it is with the plugin left out."""
    asks = "@submit_job\nasync def ask(ctx: JobContext, db: Database) -> None: ...\n"
    ran(cli, asks, "ask")
    for arguments in (["--plugin", "no:sqlite"], []):
        ended = cli("check", *arguments)
        assert ended.code == 2
        assert "JK402" in ended.out + ended.err
        cli.file("jobkit.toml", '[project]\nname = "shop"\n')


def test_the_environment_may_say_where_it_is(cli: CommandLine) -> None:
    """Like every setting; an absolute path has four slashes."""
    cli.file("extensions/web/jobs/job.py", HEAD + "@submit_job\nasync def ask(ctx, db: Database): ...\n")
    elsewhere = cli.root.parent / "elsewhere.db"
    ended = cli.process("run", "ask", environ={"JOBKIT__PLUGINS__SQLITE__URL": f"sqlite:///{elsewhere}"})
    assert ended.code == 0, ended.err
    assert elsewhere.is_file()
    assert not (cli.root / "data").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://shop:hunter2hunter2@db/shop", "its url starts with sqlite:"),
        ("sqlite://shop.db", "three slashes"),
        ("sqlite:///data/", "names no file"),
        ("sqlite:///a.db?mode=ro", "has one switch: ?allow-network-fs=1"),
        ("sqlite:///:memory:", "name a file"),
    ],
)
def test_an_address_that_is_none_is_an_error_of_its_line(cli: CommandLine, url: str, says: str) -> None:
    """Found before any job runs, and without the password that may be in it."""
    cli.file("jobkit.toml", f'[project]\nname = "shop"\n[plugins.sqlite]\nurl = "{url}"\n')
    ended = cli("check")
    shown = " ".join((ended.out + ended.err).split())
    assert ended.code == 6
    assert says in shown
    assert "jobkit.toml:3" in shown
    assert "hunter2" not in shown


def test_a_place_that_will_not_do_fails_the_run_and_says_what_to_do(cli: CommandLine) -> None:
    """The job is not started; after doing what the help says it runs."""
    cli.file("jobkit.toml", SETTINGS.replace("data/", "var/lib/"))
    asks = "@submit_job\nasync def ask(ctx: JobContext, db: Database) -> None: ...\n"
    ended = ran(cli, asks, "ask", "--json", code=1)
    [run] = ended.data
    assert run["reason"] == "service"
    assert run["message"].startswith("the folder")
    (cli.root / "var").mkdir()
    ran(cli, asks, "ask")


def test_a_run_that_is_stopped_leaves_nothing_half_done(cli: CommandLine) -> None:
    """Its time is up in the middle of a transaction: nothing of that is kept, and the next run goes on."""
    jobs = f"""
@submit_job(timeout="200ms")
async def slow(ctx: JobContext, db: Database) -> None:
    await db.script({TABLE!r})
    async with db.transaction() as tx:
        await tx.execute("insert into notes values ('half')")
        await anyio.sleep_forever()

@submit_job
async def quick(ctx: JobContext, db: Database) -> None:
    await db.execute("insert into notes values ('whole')")

@submit_job
async def both(ctx: JobContext) -> None:
    record = await ctx.run_job("slow", check=False)
    assert record.status == "timed_out", record.status
    await ctx.run_job("quick")
"""
    ran(cli, jobs, "both")
    assert notes(cli) == ["whole"]


def test_a_child_run_inside_a_transaction_is_refused_at_once(cli: CommandLine) -> None:
    """It would wait for its parent, which waits for it; outside of the transaction it works."""
    jobs = f"""
@submit_job
async def child(ctx: JobContext, db: Database) -> None:
    await db.execute("insert into notes values ('child')")

@submit_job
async def parent(ctx: JobContext, db: Database) -> None:
    await db.script({TABLE!r})
    async with db.transaction():
        record = await ctx.run_job("child", check=False)
    assert "belongs to the task that entered it" in record.message, record.message
    await ctx.run_job("child")
"""
    ran(cli, jobs, "parent")
    assert notes(cli) == ["child"]


def test_what_a_statement_raises_shows_no_parameter(cli: CommandLine) -> None:
    """Neither the record nor the log of a failed run repeats what was to be written."""
    jobs = f"""
@submit_job
async def twice(ctx: JobContext, db: Database) -> None:
    await db.script({TABLE!r})
    token = "hunter2" * 3
    for _ in range(2):
        await db.execute("insert into notes values (?)", (token,))
"""
    ended = ran(cli, jobs, "twice", "--json", code=1)
    [run] = ended.data
    assert run["message"].endswith("UNIQUE constraint failed: notes.text")
    assert run["error"]["type"] == "sqlite3.IntegrityError"
    assert "in the statement: insert into notes values (?)" in run["error"]["traceback"]
    assert "hunter2hunter2" not in ended.out + ended.err


def test_a_plugin_of_the_project_may_put_another_in_its_place(cli: CommandLine) -> None:
    """Under the same name, with ``replaces=True``."""
    cli.file(
        "hooks/tests.py",
        """
from jobkit import ServiceSpec, hookimpl

@hookimpl
def jobkit_services(config):
    return [ServiceSpec(lambda: "another", name="db", replaces=True)]
""",
    )
    ran(cli, "@submit_job\nasync def ask(ctx, db):\n    assert db == 'another'\n", "ask")


def test_services_lists_it(cli: CommandLine) -> None:
    """With its type and where it comes from."""
    cli.file("extensions/web/jobs/job.py", HEAD + "@submit_job\nasync def ask(ctx, db: Database): ...\n")
    [found] = [service for service in cli("services", "--json").data if service["name"] == "db"]
    assert "Database" in str(found)
    assert "sqlite" in str(found)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///.jobkit/jobkit.db",
        "SQLITE:///data/../.jobkit/jobkit.db",
        "sqlite:///link.db?allow-network-fs=1",
    ],
)
def test_the_run_store_is_no_place_for_it(cli: CommandLine, url: str) -> None:
    """By whatever way its file is named; refused where it is written, and a file of its own mends it."""
    (cli.root / "link.db").symlink_to(".jobkit/jobkit.db")
    cli.file("jobkit.toml", SETTINGS.replace("sqlite:///data/shop.db", url))
    ended = cli("list")
    assert ended.code == 6
    assert "error[JK745]: [plugins.sqlite] url: it names the run store" in ended.err
    assert "--> jobkit.toml:4" in ended.err
    cli.file("jobkit.toml", SETTINGS)
    assert cli("list").code == 0


def test_doctor_asks_the_one_that_took_its_place(cli: CommandLine) -> None:
    """Of two services of one name jobs get the second: that one is asked how it is, once."""
    cli.file(
        "hooks/tests.py",
        """
from jobkit import ServiceSpec, hookimpl

@hookimpl
def jobkit_services(config):
    return [ServiceSpec(lambda: "another", name="db", replaces=True, ping=lambda service: None)]
""",
    )
    found = [each["message"] for each in cli("doctor", "--json").data if each["check"] == "services"]
    assert found == ["well: db"]
