"""What the tests of ``why`` share: jobs, a store that is written first, and the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from tests.cli.accounts import Account
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOB = "cleanup_old_records"  # 0 0 3 * * * in Europe/Berlin: 02:00 in UTC
JOBS = """\
from jobkit import submit_job


@submit_job(schedule="0 0 3 * * *", limits=["db"])
def cleanup_old_records(ctx):
    pass


@submit_job(schedule="* * * * * *", jitter="30s")
def tick(ctx):
    pass


@submit_job
def by_hand(ctx):
    pass


@submit_job(schedule="0 30 2 * * *")
def nightly(ctx):
    pass


@submit_job(schedule="0 */30 * * * *")
def half_hourly(ctx):
    pass
"""


Write = Callable[[Account], Awaitable[None]]


def told(cli: CommandLine, write: Write | None, *arguments: str) -> Any:
    """The data of `why` with these arguments, after *write* had the store."""

    async def filled() -> None:
        assert write is not None
        async with Account(cli.root) as account:
            await write(account)

    if write is not None:
        anyio.run(filled)
    ended = cli("why", *arguments, "--json")
    assert ended.code == 0, ended.err
    return checked(ended).data


def facts(data: Any) -> dict[str, str]:
    return {fact.code: fact.text for fact in data.facts}


async def serving(account: Account, job: str = JOB, since: str = "2026-11-10T00:00:00") -> None:
    await account.scheduler(since)
    await account.scheduled(job, since)
