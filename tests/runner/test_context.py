"""What a job sees of its run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from jobkit import JobContext, JobResult, ParameterError, RunStatus, Secret
from jobkit.runner import Runner
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import Execute, MakeRunner, Seen, spec_of


async def test_the_context_says_what_is_run_and_for_whom(runner: MakeRunner, memory: MemoryStore) -> None:
    """Its members are those of the record."""
    seen: list[Any] = []

    async def job(ctx: JobContext, *, days: int = 30) -> None:
        seen.append(
            (
                ctx.job.name,
                ctx.run_id,
                ctx.run_number,
                ctx.attempt,
                ctx.trigger,
                ctx.actor,
                ctx.enforce,
                dict(ctx.parameters),
                (ctx.scheduled_at, ctx.window, ctx.covers, ctx.deadline),
                ctx.started_at.tzinfo,
            )
        )
        assert ctx.clock.now() >= ctx.started_at
        assert repr(ctx) == "<JobContext job run 1 attempt 1>"

    spec = spec_of(job, owner="ops", parameters={"days": 7})
    async with runner(spec) as here:
        record = await here.run(spec, enforce=True)
    assert record.status is RunStatus.SUCCEEDED
    none = (None, None, None, None)
    assert seen == [("job", record.id, 1, 1, "manual", "ops", True, {"days": 7}, none, UTC)]


async def test_given_parameters_lie_over_configured_ones(runner: MakeRunner) -> None:
    """Which lie over the defaults of the code."""

    async def job(ctx: JobContext, *, a: int = 1, b: int = 1, c: int = 1) -> JobResult:
        return JobResult.success(f"{a} {b} {c}")

    spec = spec_of(job, parameters={"a": 2, "b": 2})
    async with runner(spec) as here:
        record = await here.run(spec, {"a": 3})
    assert record.message == "3 2 1"
    assert record.parameters == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize("given", [{"day": "tomorrow"}, {}, {"day": "2026-01-01", "more": 1}])
async def test_parameters_that_do_not_fit_make_no_run(
    runner: MakeRunner, memory: MemoryStore, given: dict[str, Any]
) -> None:
    """A wrong value, a missing one, an unknown one: the caller gets the error, history no row."""

    async def job(ctx: JobContext, *, day: date) -> None:
        """Not reached."""

    spec = spec_of(job)
    async with runner(spec) as here:
        with pytest.raises(ParameterError):
            await here.run(spec, given)
    assert await memory.last_runs() == {}


async def test_a_secret_parameter_is_used_and_never_kept(runner: MakeRunner, memory: MemoryStore) -> None:
    """The row keeps a reference, and whatever the run writes is masked."""

    async def job(ctx: JobContext, *, key: Secret) -> JobResult:
        ctx.log.info("using", value=f"key is {key}")
        return JobResult.success(f"used {key}").with_data({"note": str(key)})

    spec = spec_of(job)
    async with runner(spec) as here:
        record = await here.run(spec, {"key": "correct-horse-battery"})
    assert record.parameters == {"key": {"secret": "key"}}
    assert (record.message, dict(record.data)) == ("used ***", {"note": "***"})
    lines = await memory.log_lines(record.id)
    assert [line.fields["value"] for line in lines if line.event == "using"] == ["key is ***"]


async def test_param_is_typed(execute: Execute) -> None:
    """Absent is the default, and what does not parse fails the run by name, value and type."""

    async def job(ctx: JobContext, **parameters: Any) -> JobResult:
        assert ctx.param("day", date) == date(2026, 1, 2)
        assert ctx.param("count", int) == 3
        assert ctx.param("other", int, 5) == 5
        assert ctx.param("other", int, None) is None
        with pytest.raises(ParameterError, match="'other', which was not given"):
            ctx.param("other", int)
        ctx.param("name", int)
        return JobResult.success()

    record = await execute(job, {"day": "2026-01-02", "count": "3", "name": "x"})
    assert record.status is RunStatus.FAILED
    for part in ("name", "'x'", "int"):
        assert part in (record.message or "")


@pytest.mark.parametrize(("done", "total"), [(-1, None), (float("nan"), None), (1, float("inf"))])
async def test_progress_takes_real_numbers(execute: Execute, done: float, total: float | None) -> None:
    """Anything else is a mistake in the job, and says so."""

    async def job(ctx: JobContext) -> None:
        ctx.progress(done, total)

    record = await execute(job)
    assert record.error is not None
    assert record.error.type == "ValueError"


async def test_the_last_progress_is_recorded_and_shown(runner: MakeRunner) -> None:
    """Also that of a run which was over before anybody looked."""
    seen = Seen()

    def job(ctx: JobContext) -> None:
        for done in range(1, 11):
            ctx.progress(done, 10, "rows")

    spec = spec_of(job)
    async with runner(spec, observer=seen) as here:
        record = await here.run(spec)
    assert record.progress is not None
    assert (record.progress.done, record.progress.total, record.progress.message) == (10, 10, "rows")
    assert (
        seen.told[-2] == ("attempt", (1, "succeeded", False)) or ("progress", (10, 10, "rows")) in seen.told
    )


async def test_an_id_of_the_callers_own_is_used(runner: MakeRunner) -> None:
    """So that a caller can look the run up, whatever happens."""
    from jobkit.records import new_run_id

    async def job(ctx: JobContext) -> None:
        """Nothing."""

    run_id = new_run_id(datetime.now(UTC))
    spec = spec_of(job)
    async with runner(spec) as here:
        assert (await here.run(spec, run_id=run_id)).id == run_id


async def test_an_observer_that_raises_harms_no_run(runner: MakeRunner) -> None:
    """Whoever only watches does not decide."""

    class Broken(Seen):
        def run_started(self, run: Any, job: Any) -> None:
            raise RuntimeError("no terminal")

    async def job(ctx: JobContext) -> None:
        """Nothing."""

    seen = Broken()
    spec = spec_of(job)
    async with runner(spec, observer=seen) as here:
        assert (await here.run(spec)).status is RunStatus.SUCCEEDED
    assert seen.names() == ["attempt", "finished"]


async def test_what_the_callers_code_raises_comes_out_as_it_is(config: Any, memory: MemoryStore) -> None:
    """Inside ``async with Runner(...)`` an error is not put into a group."""
    with pytest.raises(LookupError, match="mine"):
        async with Runner({}, memory, config=config):
            raise LookupError("mine")
