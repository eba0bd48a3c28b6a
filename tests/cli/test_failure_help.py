"""A run that fails with an error of jobkit itself says how to mend it, as the command line does."""

from __future__ import annotations

import pytest

from tests.cli.harness import CommandLine

JOBS = """
from jobkit import submit_job

@submit_job
async def asks(ctx):
    await ctx.service("clok")

@submit_job(executor="process")
async def asks_apart(ctx):
    await ctx.service("clok")

@submit_job
async def raises(ctx):
    raise LookupError("help yourself")
"""


@pytest.mark.parametrize("name", ["asks", "asks_apart"])
def test_the_block_says_how_to_mend_it(cli: CommandLine, name: str) -> None:
    """With the code, below the frames; when it runs and when it is looked at later."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    ran = cli("run", name, fixed=False)
    later = cli("logs", "last")
    for shown in (ran.out, later.out + later.err):
        assert "help: " in shown
        assert "did you mean" in shown
        assert "more: jobkit explain JK402" in shown


def test_other_errors_have_no_advice(cli: CommandLine) -> None:
    """They are the job's own."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    ended = cli("run", "raises", fixed=False)
    assert "LookupError: help yourself" in ended.out
    assert "help: " not in ended.out
    assert "explain" not in ended.out


def test_the_json_of_an_error_has_three_members(cli: CommandLine) -> None:
    """What the contract says, for those who read it."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    [run] = cli("--json", "run", "asks", fixed=False).data
    assert set(run["error"]) == {"type", "message", "traceback"}
    [run] = cli("--json", "history").data
    assert set(run["error"]) == {"type", "message", "traceback"}
