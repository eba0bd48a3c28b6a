"""What type checkers refuse; the words after `says:` stand in their message. Checked, never executed."""

from __future__ import annotations

from jobkit import Expect, JobContext, JobResult, Retry, Service, ServiceSpec, submit_job


class Database: ...


async def job(ctx: JobContext) -> None: ...


submit_job(None)  # type: ignore[call-overload]  # says: argument type "None"
submit_job("job")  # type: ignore[call-overload]  # says: argument type "str"
submit_job(job, schedul="@daily")  # type: ignore[call-overload]  # says: did you mean "schedule"?
submit_job(job, name=None)  # type: ignore[call-overload]  # says: No overload variant
submit_job(job, overlap="replace")  # type: ignore[call-overload]  # says: No overload variant
submit_job(job, enforce=True)  # type: ignore[call-overload]  # says: Unexpected keyword argument "enforce"
submit_job(retries="3")  # type: ignore[call-overload]  # says: No overload variant

JobResult.success().with_stats("5")  # type: ignore[arg-type]  # says: expected "int | None"
JobResult.failure()  # type: ignore[call-arg]  # says: Missing positional argument "message"
JobResult.success().message = "text"  # type: ignore[misc]  # says: is read-only
Retry(delays="5s")  # type: ignore[call-arg]  # says: Unexpected keyword argument "delays"
Expect(min_processed="5")  # type: ignore[arg-type]  # says: expected "int | None"
Service()  # type: ignore[call-arg]  # says: Missing positional argument "name"
ServiceSpec(Database)  # type: ignore[call-arg]  # says: Missing named argument "name"
ServiceSpec(Database, name="db", scope="session")  # type: ignore[arg-type]  # says: expected "Literal['scheduler', 'run']"


async def sees(ctx: JobContext) -> None:
    ctx.parameters["days"] = 5  # type: ignore[index]  # says: Unsupported target for indexed assignment
    days: int = ctx.param("days", str)  # type: ignore[assignment]  # says: expression has type "str"
    db: Database = await ctx.try_service(Database)  # type: ignore[assignment]  # says: "Database | None"
    print(days, db)
