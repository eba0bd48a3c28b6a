"""Plugins before, beside and after a run: asked, told, and never in its way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import pytest

from jobkit import JobContext, JobResult, RunRefused, RunStatus, Secret
from jobkit.plugin import Defer, Run, Skip
from jobkit.records import RunRecord
from jobkit.runner.admission import admission
from jobkit.stores.base import RunQuery
from jobkit.stores.memory import MemoryStore
from tests.plugins.conftest import Plugins
from tests.runner.conftest import SOON, HandClock, MakeRunner, SteppedClock, spec_of


async def well(ctx: JobContext) -> JobResult:
    """Nothing can go wrong."""
    return JobResult.success("well")


async def parent(ctx: JobContext) -> JobResult:
    """Runs another, if it may."""
    try:
        return JobResult.success((await ctx.run_job("well")).message)
    except RunRefused as error:
        return JobResult.success(f"{error.code}: {error.message}")


async def run_of(runner: MakeRunner, plugins: Plugins, job: Any = well, **options: Any) -> RunRecord:
    """The record of one run with *plugins*."""
    specs = [spec_of(job), spec_of(well)]
    async with runner(*specs, hooks=plugins.hooks, **options) as here:
        record = await here.run(specs[0])
    assert isinstance(record, RunRecord)
    return record


# -- admission ----------------------------------------------------------------------------------------


async def test_a_run_that_a_plugin_is_against_is_refused(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """Before anything is written; the error says who and why. The one asked first decides."""
    plugins.add("never", jobkit_run_admit=lambda request: Skip("another reason"))
    plugins.add("freeze", jobkit_run_admit=lambda request: Skip("month-end\x1b freeze"))
    with pytest.raises(RunRefused) as refused:
        await run_of(runner, plugins)
    assert refused.value.code == "JK531"
    assert refused.value.message == "plugin freeze does not let job well run: month-end\\x1b freeze"
    assert "--plugin no:freeze" in str(refused.value.help)
    assert not (await memory.runs(RunQuery())).runs


async def test_a_run_that_is_deferred_is_refused_with_the_instant(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """Whoever waits for it can ask again then."""
    until = datetime(2030, 1, 2, 3, tzinfo=UTC)
    plugins.add("later", jobkit_run_admit=lambda request: Defer(until, "quota"))
    with pytest.raises(RunRefused) as refused:
        await run_of(runner, plugins)
    assert refused.value.code == "JK532"
    message = "plugin later does not let job well run before 2030-01-02T03:00:00Z: quota"
    assert refused.value.message == message
    assert not (await memory.runs(RunQuery())).runs


async def test_a_refusal_shows_no_secret(runner: MakeRunner, plugins: Plugins) -> None:
    """Although the plugin sees the parameters as they are."""

    async def pays(ctx: JobContext, *, key: Secret) -> None:
        """Is not called."""

    plugins.add("loud", jobkit_run_admit=lambda request: Skip("wrong " + request.parameters["key"]))
    async with runner(hooks=plugins.hooks) as here:
        with pytest.raises(RunRefused) as refused:
            await here.run(spec_of(pays), {"key": "correct-horse-battery"})
    assert refused.value.message == "plugin loud does not let job pays run: wrong ***"


@pytest.mark.parametrize("hours", [14, -14])
async def test_any_instant_can_be_said(runner: MakeRunner, plugins: Plugins, hours: int) -> None:
    """The ends of the calendar too."""
    zone = timezone(timedelta(hours=hours))
    for until in (datetime.max.replace(tzinfo=zone), datetime.min.replace(tzinfo=zone)):
        plugins.add(f"at {until:%Y}", jobkit_run_admit=lambda request, until=until: Defer(until))
        with pytest.raises(RunRefused, match=r"before (9999|0001)-"):
            await run_of(runner, plugins)


async def test_without_an_objection_a_run_takes_place(runner: MakeRunner, plugins: Plugins) -> None:
    """A plugin is told who asks for what, and says nothing."""
    seen: list[Any] = []

    async def asked(request: Any) -> None:
        seen.append((request.job, request.extension, str(request.trigger), request.enforce, request.actor))
        with pytest.raises(TypeError):
            request.parameters["more"] = 1

    plugins.add("watches", jobkit_run_admit=asked)
    assert (await run_of(runner, plugins)).message == "well"
    assert seen == [("well", "tests", "manual", False, "system")]
    assert plugins.told == []


@pytest.mark.parametrize("answer", [True, "no", {"skip": 1}])
async def test_nonsense_is_a_no(runner: MakeRunner, plugins: Plugins, answer: Any) -> None:
    """What cannot be asked does not agree; and it is counted."""
    info = plugins.add("odd", jobkit_run_admit=lambda request: answer)
    with pytest.raises(RunRefused, match="plugin odd does not let job well run"):
        await run_of(runner, plugins)
    assert info.failures == 1


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(1)])
async def test_a_plugin_that_fails_is_a_no(
    runner: MakeRunner, plugins: Plugins, error: BaseException
) -> None:
    """Loudly."""

    async def fails(request: Any) -> None:
        raise error

    info = plugins.add("bad", jobkit_run_admit=fails)
    with pytest.raises(RunRefused, match="plugin bad") as refused:
        await run_of(runner, plugins)
    assert refused.value.code == "JK531"
    assert info.failures == 1


@pytest.mark.usefixtures("short_timeout")
async def test_a_plugin_that_hangs_is_a_no(runner: MakeRunner, plugins: Plugins) -> None:
    """After its time."""

    async def hangs(request: Any) -> None:
        await anyio.sleep_forever()

    plugins.add("slow", jobkit_run_admit=hangs)
    with pytest.raises(RunRefused, match="plugin slow"):
        await run_of(runner, plugins)


async def test_a_child_is_refused_inside_its_parent(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """The parent goes on, if it wants to; the child has no record."""
    plugins.add(
        "nochild",
        jobkit_run_admit=lambda request: Skip("no children") if request.parent is not None else None,
    )
    record = await run_of(runner, plugins, parent)
    assert record.message == "JK531: plugin nochild does not let job well run: no children"
    assert [run.job for run in (await memory.runs(RunQuery())).runs] == ["parent"]


async def test_an_extension_decides_about_its_own_jobs(runner: MakeRunner, plugins: Plugins) -> None:
    """And about no others."""
    plugins.add("shop.hooks", extension="shop", jobkit_run_admit=lambda request: Skip("shop is closed"))
    assert (await run_of(runner, plugins)).status is RunStatus.SUCCEEDED
    plugins.add("tests.hooks", extension="tests", jobkit_run_admit=lambda request: Skip("closed, too"))
    with pytest.raises(RunRefused, match=r"tests\.hooks") as refused:
        await run_of(runner, plugins)
    assert "hooks.py of extension tests" in str(refused.value.help)


async def test_the_decision_can_be_had_without_a_run(plugins: Plugins) -> None:
    """For whoever decides about ticks: who objects, and how; None without anybody."""
    from jobkit.plugin import RunRequest
    from jobkit.statuses import Trigger

    request = RunRequest(spec=spec_of(well), trigger=Trigger.SCHEDULE, actor="system")
    assert await admission(None, request) is None
    assert await admission(plugins.hooks, request) is None
    plugins.add("freeze", jobkit_run_admit=lambda request: Skip("frozen"))
    objection = await admission(plugins.hooks, request)
    assert objection is not None
    assert (objection.plugin, objection.value) == ("freeze", Skip("frozen"))


async def test_who_is_cancelled_while_plugins_are_asked_leaves_nothing(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """Neither a record nor a failure of the plugin."""
    asked = anyio.Event()

    async def thinks(request: Any) -> None:
        asked.set()
        await anyio.sleep_forever()

    plugins.add("thinks", jobkit_run_admit=thinks)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_of, runner, plugins)
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert not (await memory.runs(RunQuery())).runs
    assert plugins.told == []


# -- beginning and end --------------------------------------------------------------------------------


async def test_the_order_of_one_run(runner: MakeRunner, plugins: Plugins, memory: MemoryStore) -> None:
    """Asked, begun, executed, recorded, told, delivered."""
    story: list[str] = []

    async def started(run: Run) -> None:
        story.append(f"started {run.status}")
        leases = await memory.open_leases()
        assert [lease.lease.run_id for lease in leases] == [run.id]

    async def finished(run: Run) -> None:
        recorded = await memory.run(run.id)
        story.append(f"finished {recorded.status}")

    async def job(ctx: JobContext) -> None:
        story.append("job")

    plugins.add(
        "p",
        jobkit_run_admit=lambda request: story.append("admit"),
        jobkit_run_started=started,
        jobkit_run_finished=finished,
    )
    await run_of(runner, plugins, job, finished=lambda record: story.append(f"delivered {record.status}"))
    assert story == ["admit", "started running", "job", "finished succeeded", "delivered succeeded"]


async def test_children_are_told_of_and_delivered_too(runner: MakeRunner, plugins: Plugins) -> None:
    """Each run of its own."""
    told: list[str] = []
    delivered: list[str] = []
    plugins.add("p", jobkit_run_finished=lambda run: told.append(run.job))
    await run_of(runner, plugins, parent, finished=lambda record: delivered.append(record.job))
    assert told == delivered == ["well", "parent"]


@pytest.mark.parametrize("hook", ["jobkit_run_started", "jobkit_run_finished"])
@pytest.mark.parametrize("kind", ["raises", "exits", "nonsense", "hangs"])
@pytest.mark.usefixtures("short_timeout")
async def test_a_hook_that_misbehaves_changes_no_run(
    runner: MakeRunner, plugins: Plugins, hook: str, kind: str
) -> None:
    """Nor its duration; the fault is counted, and others are told."""
    clock = HandClock()

    async def misbehaves(run: Run) -> Any:
        clock.take(100)
        if kind == "raises":
            raise ValueError("broken")
        if kind == "exits":
            raise SystemExit(3)
        if kind == "hangs":
            await anyio.sleep_forever()
        return 17

    told: list[str] = []
    functions: list[dict[str, Any]] = [{hook: lambda run: told.append(run.job)}, {hook: misbehaves}]
    plugins.add("other", **functions[0])
    info = plugins.add("bad", **functions[1])
    record = await run_of(runner, plugins, clock=clock)
    assert record.status is RunStatus.SUCCEEDED
    assert (record.message, record.error, record.reason) == ("well", None, None)
    assert (record.duration_ms, clock.passed) == (0, 100)
    assert (info.failures, told) == (1, ["well"])
    assert [(failure.hook, failure.run) for failure in plugins.listener.failures] == [(hook, record.id)]


async def test_the_lease_is_kept_while_a_hook_takes_its_time(
    runner: MakeRunner, plugins: Plugins, memory: MemoryStore
) -> None:
    """It is renewed from the beginning on."""
    clock = SteppedClock()

    async def started(run: Run) -> None:
        before = (await memory.open_leases())[0].lease.expires_at
        await anyio.to_thread.run_sync(clock.step, "jobkit-leases")
        assert (await memory.open_leases())[0].lease.expires_at > before

    info = plugins.add("slow", jobkit_run_started=started)
    assert (await run_of(runner, plugins, clock=clock)).status is RunStatus.SUCCEEDED
    assert info.failures == 0, plugins.told


async def test_a_run_can_be_cancelled_while_a_hook_takes_its_time(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """Its job is not called any more, and it is recorded as cancelled; the hook has done nothing wrong."""
    began: list[str] = []
    called: list[str] = []

    async def started(run: Run) -> None:
        began.append(run.id)
        assert here.cancel(run.id)
        await anyio.sleep_forever()

    async def job(ctx: JobContext) -> None:
        await anyio.lowlevel.checkpoint()
        called.append("called")

    plugins.add("slow", jobkit_run_started=started)
    async with runner(spec_of(job), hooks=plugins.hooks) as here:
        record = await here.run(spec_of(job))
    assert (record.status, record.reason, called) == (RunStatus.CANCELLED, "interrupted", [])
    assert plugins.told == []


async def test_a_caller_that_is_cancelled_while_the_run_begins_gets_it_recorded(
    runner: MakeRunner, memory: MemoryStore, plugins: Plugins
) -> None:
    """And plugins are told of its end."""
    begun = anyio.Event()
    ended: list[str] = []

    async def started(run: Run) -> None:
        begun.set()
        await anyio.sleep_forever()

    async def finished(run: Run) -> None:
        await anyio.lowlevel.checkpoint()
        ended.append(str(run.status))

    plugins.add("p", jobkit_run_started=started, jobkit_run_finished=finished)
    delivered: list[str] = []
    async with (
        runner(hooks=plugins.hooks, finished=lambda record: delivered.append(str(record.status))) as here,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(here.run, spec_of(well))
        await begun.wait()
        tasks.cancel_scope.cancel()
    assert ended == delivered == ["cancelled"]
    assert [str(run.status) for run in (await memory.runs(RunQuery())).runs] == ["cancelled"]
    assert plugins.told == []


async def test_who_waits_no_more_is_not_held_up_by_the_last_hook(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """It gets as long as cleaning up may take."""
    begun = anyio.Event()
    cut: list[str] = []

    async def finished(run: Run) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cut.append(run.job)

    async def waits(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep_forever()

    plugins.add("slow", jobkit_run_finished=finished)
    with anyio.fail_after(5):  # the hook's own time would be ten seconds
        async with (
            runner(hooks=plugins.hooks, cleanup=SOON) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(here.run, spec_of(waits))
            await begun.wait()
            tasks.cancel_scope.cancel()
    assert cut == ["waits"]


async def test_a_delivery_that_fails_is_said_and_harms_nothing(
    runner: MakeRunner, plugins: Plugins, caplog: pytest.LogCaptureFixture
) -> None:
    """The result is recorded."""

    def fails(record: RunRecord) -> None:
        raise OSError("no room")

    record = await run_of(runner, plugins, finished=fails)
    assert record.status is RunStatus.SUCCEEDED


async def test_hooks_are_told_of_every_end(runner: MakeRunner, plugins: Plugins) -> None:
    """Failures and timeouts, with what is recorded of them."""
    told: list[Any] = []

    async def broken(ctx: JobContext) -> None:
        raise LookupError("no")

    async def slow(ctx: JobContext) -> None:
        await anyio.sleep_forever()

    plugins.add("p", jobkit_run_finished=lambda run: told.append((run.job, str(run.status), run.spec.name)))
    async with runner(hooks=plugins.hooks) as here:
        await here.run(spec_of(broken))
        await here.run(spec_of(slow, timeout=SOON))
    assert told == [("broken", "failed", "broken"), ("slow", "timed_out", "slow")]


async def test_hooks_are_told_once_of_a_run_with_retries(runner: MakeRunner, plugins: Plugins) -> None:
    """The run begins once and ends once."""
    from jobkit import Retry

    told: list[str] = []

    async def second_time(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            raise OSError("not yet")

    plugins.add(
        "p",
        jobkit_run_started=lambda run: told.append("started"),
        jobkit_run_finished=lambda run: told.append(f"finished {run.record.attempt}"),
    )
    spec = spec_of(second_time, retries=Retry(1, delay=timedelta(0)))
    async with runner(hooks=plugins.hooks) as here:
        await here.run(spec)
    assert told == ["started", "finished 2"]


# -- services -----------------------------------------------------------------------------------------


class Shelf:
    """A service."""

    def __init__(self, label: str) -> None:
        self.label = label


async def test_services_of_plugins_are_there(runner: MakeRunner, plugins: Plugins) -> None:
    """Of both scopes, by type and by name; without providers they are not."""
    from jobkit.services import ServiceSpec, builtin_specs
    from jobkit.services.graph import Provider

    async def open_shelf() -> AsyncIterator[Shelf]:
        yield Shelf("shared")

    def per_run(shelf: Shelf) -> str:
        return f"{shelf.label} for one"

    providers = [
        *(Provider(spec) for spec in builtin_specs()),
        Provider(ServiceSpec(open_shelf, name="shelf"), "p"),
        Provider(ServiceSpec(per_run, name="mine", scope="run"), "p"),
    ]

    async def asks(ctx: JobContext, shelf: Shelf, mine: Any) -> JobResult:
        return JobResult.success(f"{shelf.label}, {mine}")

    def in_thread(ctx: JobContext, shelf: Shelf, mine: Any) -> JobResult:
        return JobResult.success(f"{shelf.label}, {mine}")

    for job in (asks, in_thread):
        record = await run_of(runner, plugins, job, providers=providers)
        assert record.message == "shared, shared for one"
        record = await run_of(runner, plugins, job)
        assert (record.status, record.reason) == (RunStatus.FAILED, "service")


async def test_services_of_an_extension_are_for_its_jobs(runner: MakeRunner, plugins: Plugins) -> None:
    """They shadow those of the project, and are opened unasked for its jobs only."""
    from jobkit.services import ServiceSpec
    from jobkit.services.graph import Provider

    opened: list[str] = []

    def unasked() -> str:
        opened.append("tests")
        return "unasked"

    providers = [
        Provider(ServiceSpec(lambda: "project", name="word")),
        Provider(ServiceSpec(lambda: "tests", name="word"), extension="tests"),
        Provider(ServiceSpec(lambda: "shop", name="word"), extension="shop"),
        Provider(ServiceSpec(unasked, name="unasked", scope="run", autouse=True), extension="tests"),
    ]

    async def says(ctx: JobContext, word: Any) -> JobResult:
        return JobResult.success(word)

    async def silent(ctx: JobContext) -> None:
        """Asks for nothing."""

    from dataclasses import replace

    mine, theirs, quiet = spec_of(says), replace(spec_of(says), extension="else"), spec_of(silent)
    async with runner(hooks=plugins.hooks, providers=providers) as here:
        assert (await here.run(theirs)).message == "project"
        assert opened == []
        assert (await here.run(mine)).message == "tests"
        await here.run(quiet)
    assert opened == ["tests", "tests"]


@pytest.mark.parametrize("hook", ["jobkit_run_finished", "jobkit_run_context"])
async def test_a_hook_that_hangs_after_the_job_is_cut_off_when_somebody_wants_to_stop(
    hook: str, runner: MakeRunner, plugins: Plugins
) -> None:
    """It has the time of cleaning up then, not its own ten seconds; the job's outcome stands."""
    begun, cut = anyio.Event(), anyio.Event()
    records: list[RunRecord] = []

    async def hangs(run: Run) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cut.set()

    @asynccontextmanager
    async def wrapper(run: Run) -> AsyncIterator[None]:
        yield
        await hangs(run)

    implementations: dict[str, Any] = {hook: hangs if hook == "jobkit_run_finished" else wrapper}
    plugins.add("slow", **implementations)
    with anyio.fail_after(5):
        async with (
            runner(hooks=plugins.hooks, cleanup=SOON, finished=records.append) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(here.run, spec_of(well))
            await begun.wait()
            tasks.cancel_scope.cancel()
    assert cut.is_set()
    assert [record.status for record in records] == [RunStatus.SUCCEEDED]


async def test_once_somebody_wants_to_stop_hooks_have_that_time_in_all(
    runner: MakeRunner, plugins: Plugins
) -> None:
    """Not each of them."""
    begun = anyio.Event()
    cleanup = timedelta(seconds=0.3)

    async def hangs(run: Run) -> None:
        await anyio.sleep_forever()

    @asynccontextmanager
    async def wrapper(run: Run) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.sleep_forever()

    async def waits(ctx: JobContext) -> None:
        begun.set()
        await anyio.sleep_forever()

    for name in ("a", "b", "c"):
        plugins.add(name, jobkit_run_context=wrapper, jobkit_run_finished=hangs)
    with anyio.fail_after(5):
        async with (
            runner(hooks=plugins.hooks, cleanup=cleanup) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(here.run, spec_of(waits))
            await begun.wait()
            began = anyio.current_time()
            tasks.cancel_scope.cancel()
        took = anyio.current_time() - began
    assert 0.3 <= took < 0.3 * 3
