"""Passwords in URLs that are given as ordinary parameters: they stand nowhere that is kept or shown."""

from __future__ import annotations

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOBS = """\
from jobkit import JobResult, submit_job


async def tell(ctx, dsn, more):
    ctx.progress(1, 2, f"{dsn} with {more.get('note', '')}")
    return JobResult.success(str(len(dsn)))


@submit_job
async def here(ctx, *, dsn: str, urls: list[str] = [], token: str = "", **more):
    return await tell(ctx, dsn, more)


@submit_job(executor="process")
async def apart(ctx, *, dsn: str, urls: list[str] = [], token: str = "", **more):
    return await tell(ctx, dsn, more)


@submit_job
async def counts(ctx, *, number: int = 1): ...
"""
DSN = "postgres://app:CANARY-one@db/shop"
GIVEN = [
    *("-p", f"dsn={DSN}"),
    *("-p", f'urls=["{DSN}", "amqp://a:CANARY-two@mq/x"]'),
    *("-p", "extra=mysql://a:CANARY-three@h"),
    *("-p", "token=CANARY-four"),
    *("-p", "note=signed with CANARY-four"),
]


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    """A project whose jobs are given addresses with passwords in them."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    return cli


@pytest.mark.parametrize("job", ["here", "apart"])
def test_passwords_of_urls_are_neither_kept_nor_shown(jobs: CommandLine, job: str) -> None:
    """Neither in the store's files nor in any answer; the job itself is given them, in every process."""
    said = [jobs.process("run", job, *GIVEN, *more) for more in ((), ("--json",), ("--dry-run",))]
    [run] = checked(said[1]).data
    assert run.message == str(len(DSN))
    said += [jobs.process("history", "--format", form) for form in ("table", "json", "jsonl", "csv")]
    said += [jobs.process("logs", "last"), jobs.process("show", job, "--json")]
    assert [ended.code for ended in said] == [0] * len(said)
    for ended in said:
        assert "CANARY" not in ended.out + ended.err
    assert "postgres://app:***@db/shop" in said[0].err
    assert run.parameters["urls"] == ["postgres://app:***@db/shop", "amqp://a:***@mq/x"]
    kept = [path for path in jobs.root.glob(".jobkit/**/*") if path.is_file()]
    assert any(path.name.startswith("jobkit.db") for path in kept)
    assert [path.name for path in kept if b"CANARY" in path.read_bytes()] == []


def test_a_password_stays_out_of_the_store_while_the_run_goes_on(jobs: CommandLine) -> None:
    """What stands in the journal of the database while a job runs, which looks for it itself."""
    jobs.file(
        "extensions/web/jobs/looks.py",
        "import anyio\nfrom pathlib import Path\nfrom jobkit import JobResult, submit_job\n"
        "@submit_job(timeout='20s')\n"
        "async def looks(ctx, *, dsn: str):\n"
        "    ctx.progress(1, 2, dsn)\n"
        "    while True:\n"
        "        files = [path for path in Path('.jobkit').glob('jobkit.db*') if path.is_file()]\n"
        "        kept = b''.join(path.read_bytes() for path in files)\n"
        "        if kept.count(b'app:***@db') > 1:\n"
        "            return JobResult.success(f'found {dsn[15:21].encode() in kept}')\n"
        "        await anyio.sleep(0.01)\n",
    )
    [run] = checked(jobs.process("run", "looks", "-p", f"dsn={DSN}", "--json")).data
    assert (run.status, run.message) == ("succeeded", "found False")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "counts", "-p", f"number={DSN}"], "JK502"),
        (["run", "counts", "-p", f"number={'x' * 20}://app:{'CANARY' * 20}@db"], "JK502"),
        (["run", "counts", "-p", DSN], "JK801"),
        (["run", "counts", "-p", f"postgres://app:{'CANARY' * 20}@db"], "JK801"),
        (["run", "counts", "-p", f"{DSN}?a=b"], "JK511"),
        (["run", "counts", "--timeout", DSN], "JK801"),
        (["run", "counts", "--jobs", DSN], "JK801"),
        (["run", DSN], "JK802"),
        (["run", f"web::{DSN}"], "JK802"),
        (["show", "counts", DSN], "JK801"),
        (["history", "--since", DSN], "JK806"),
        (["history", "--status", DSN], "JK801"),
        (["logs", DSN], "JK603"),
        (["explain", DSN], "JK804"),
        (["help", DSN], "JK804"),
        (["list", "--tag", f"a {DSN}"], "JK805"),
        (["list", "--env", DSN], "JK211"),
        (["config", "show", DSN], "JK801"),
        (["new", "job", DSN], "JK812"),
        (["new", "job", "postgres://app:CANARY-one@db"], "JK812"),
        ([DSN], "JK801"),
        ([f"--{DSN}"], "JK801"),
    ],
)
def test_a_refusal_does_not_repeat_a_password(jobs: CommandLine, arguments: list[str], code: str) -> None:
    """Whatever the command line says is wrong, on the screen and as data; a cut shows no part of it."""
    for more in ([], ["--json"]):
        ended = jobs(*arguments, *more)
        assert code in ended.out + ended.err
        assert "CANARY" not in ended.out + ended.err
        assert "***" in ended.out + ended.err
