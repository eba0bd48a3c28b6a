"""What type checkers know about jobs that are right. Checked, never executed."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any, assert_type

from jobkit import (
    Expect,
    Job,
    JobContext,
    JobResult,
    Retry,
    Secret,
    Service,
    ServiceSpec,
    submit_job,
)


class Database:
    def count(self) -> int:
        return 0


class Repository:
    def __init__(self, db: Database) -> None:
        self.db = db


# -- functions: what was given comes back with its own type --------------------------------------------


async def plain(ctx: JobContext, db: Database, *, days: int = 30) -> JobResult:
    return JobResult.success().with_stats(processed=db.count(), errors=0).with_data({"days": days})


async def ask(ctx: JobContext, db: Database) -> None:
    assert_type(await submit_job(plain)(ctx, db, days=3), JobResult)
    assert_type(await decorated(ctx, since=date.min), None)
    assert_type(threaded(ctx), JobResult)


@submit_job(
    name="decorated",
    schedule=["0 0 3 * * *", "@daily"],
    timezone="Europe/Berlin",
    tags=["content"],
    timeout="5m",
    jitter=timedelta(seconds=5),
    retries=Retry(3, delay="10s", on=(OSError,)),
    overlap="queue",
    expect=Expect(min_processed=1),
    plugins={"webhook": {"url": "https://example.com"}},
)
async def decorated(ctx: JobContext, *, since: date, token: Secret | None = None) -> None: ...


@submit_job
def threaded(ctx: JobContext) -> JobResult:
    return JobResult.skipped("nothing to do")


submit_job(lambda ctx: plain(ctx, Database()), name="lambda", retries=2)
submit_job(partial(plain, days=7), name="weekly")


# -- classes: an execute of any shape is right ----------------------------------------------------------


class Publish(Job):
    name = "publish_site"
    schedule = ""
    tags = ["site"]

    async def execute(self, ctx: JobContext, db: Annotated[Database, Service("replica")]) -> JobResult:
        return JobResult.success(f"{db.count()}")


class Threaded(Job):
    def execute(self, ctx: JobContext, *, days: int = 1) -> None: ...


class Inheriting(Publish):
    async def execute(self, ctx: JobContext, db: Database) -> JobResult:
        return await super().execute(ctx, db)


class NoBase:
    async def execute(self, ctx: JobContext) -> None: ...


assert_type(submit_job(Publish), type[Publish])
assert_type(submit_job(Publish()), Publish)
assert_type(submit_job(NoBase()), NoBase)
submit_job(Threaded, description="In a thread")
submit_job(Inheriting)


# -- what a job sees -----------------------------------------------------------------------------------


async def sees(ctx: JobContext) -> None:
    assert_type(await ctx.service(Database), Database)
    assert_type(await ctx.service("db"), Any)
    assert_type(await ctx.try_service(Database), Database | None)
    assert_type(ctx.param("days", int), int)
    assert_type(ctx.param("days", int, None), int | None)


# -- services ------------------------------------------------------------------------------------------


async def open_repository(db: Database) -> Repository:
    return Repository(db)


assert_type(ServiceSpec(open_repository, name="repository", scope="run"), ServiceSpec)
