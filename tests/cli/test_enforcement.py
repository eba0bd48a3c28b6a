"""JK550: a job that asks for consent, never gets it, and so only ever observes."""

from __future__ import annotations

import functools
import sqlite3
from typing import Any

import pytest

from jobkit.cli.enforcement import reads_enforce
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOB = '''\
from jobkit import submit_job


@submit_job
async def cleanup(ctx):
    """Delete what is old, if somebody agreed."""
    if ctx.enforce:
        raise RuntimeError("nothing is deleted in a test")
'''


def run_days_ago(cli: CommandLine, days: int, *more: str) -> None:
    """A real run, whose times are then moved into the past."""
    cli("run", "cleanup", *more, fixed=False)
    database = sqlite3.connect(cli.root / ".jobkit/jobkit.db")
    with database:
        shift = days * 24 * 3600 * 1_000_000
        database.execute(
            "UPDATE runs SET queued_at = queued_at - ?, started_at = started_at - ?,"
            " finished_at = finished_at - ? WHERE number = (SELECT max(number) FROM runs)",
            (shift, shift, shift),
        )
    database.close()


def pointed_out(cli: CommandLine) -> bool:
    """Whether check and doctor both say so; they never disagree."""
    by_check = [each["code"] for each in cli("check", "--json", fixed=False).data["warnings"]] == ["JK550"]
    ended = cli("doctor", "--json", fixed=False)
    by_doctor = [each.code for each in checked(ended).data if each.check == "consent"] == ["JK550"]
    assert by_check == by_doctor
    return by_check


@pytest.fixture
def observer(cli: CommandLine) -> CommandLine:
    cli.file("extensions/web/jobs/cleanup.py", JOB)
    return cli


def test_a_week_of_observing_is_pointed_out(observer: CommandLine) -> None:
    """JK550 after a week, not before; with the consent that its help asks for, it is gone."""
    assert not pointed_out(observer)
    run_days_ago(observer, 6)
    assert not pointed_out(observer)
    run_days_ago(observer, 8)
    assert pointed_out(observer)
    ended = observer("check", fixed=False)
    assert ended.code == 0
    assert "warning[JK550]: job cleanup has run 2 times since" in ended.out
    assert "extensions/web/jobs/cleanup.py:4" in ended.out
    assert observer("check", "--strict", fixed=False).code == 2
    observer.file("services/scheduler/config.toml", "[jobs.cleanup]\nenforce = true\n")
    assert not pointed_out(observer)


def test_one_run_with_consent_is_enough(observer: CommandLine) -> None:
    """Somebody knows of the job, even if that run failed."""
    run_days_ago(observer, 8)
    assert pointed_out(observer)
    run_days_ago(observer, 3, "--enforce")
    assert not pointed_out(observer)


@pytest.mark.parametrize("table", ["enabled = false", "enforce = true"])
def test_not_for_jobs_that_are_off_or_agreed_to(observer: CommandLine, table: str) -> None:
    """Configuration that settles it ends the pointer."""
    run_days_ago(observer, 8)
    observer.file("jobkit.toml", f'[project]\nname = "shop"\n[jobs.cleanup]\n{table}\n')
    assert not pointed_out(observer)


def test_a_store_that_cannot_be_read_does_not_fail_the_check(observer: CommandLine) -> None:
    """`check` is about files: without a usable store it passes and says nothing."""
    run_days_ago(observer, 8)
    (observer.root / ".jobkit/jobkit.db").write_bytes(b"no database" * 100)
    ended = observer("check", fixed=False)
    assert ended.code == 0
    assert "JK550" not in ended.out


def direct(ctx: Any) -> Any:
    return ctx.enforce


def by_a_helper(ctx: Any) -> Any:
    return _helper(ctx)


def _helper(ctx: Any) -> Any:
    return by_a_helper if ctx is None else direct(ctx)


def inside(ctx: Any) -> Any:
    return [ctx.enforce for _ in range(1)]


@functools.wraps(direct)
def wrapped(*arguments: Any) -> Any:
    return arguments


class Method:
    def execute(self, ctx: Any) -> Any:
        return self._work(ctx)

    @staticmethod
    def _work(ctx: Any) -> Any:
        return ctx.enforce


class Derived(Method):
    """Has it from its base."""


def plain(ctx: Any) -> Any:
    return ctx.parameters


class Plain:
    def execute(self, ctx: Any) -> Any:
        return ctx.run_id


@pytest.mark.parametrize(
    "target",
    [
        direct,
        by_a_helper,
        inside,
        wrapped,
        functools.partial(direct),
        Method,
        Method(),
        Method().execute,
        Derived,
    ],
)
def test_code_that_asks(target: Any) -> None:
    """Whatever shape the job has, its code, and what it uses beside itself, is read."""
    assert reads_enforce(target)


@pytest.mark.parametrize("target", [plain, Plain, Plain(), functools.partial(plain), len])
def test_code_that_does_not(target: Any) -> None:
    """What never mentions consent is not pointed out."""
    assert not reads_enforce(target)
