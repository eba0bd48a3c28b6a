"""The engine of one process: what is submitted is executed here, in order, as often as it is submitted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import anyio

from jobkit import Project
from jobkit.engines.local import LocalEngine
from jobkit.plugin import Engine

SPEC: Any = SimpleNamespace(name="job")


def run(number: int) -> Any:
    return SimpleNamespace(id=f"run-{number}")


class Executed:
    """What was asked for; *expected* runs make it complete."""

    def __init__(self, expected: int) -> None:
        self.ids: list[str] = []
        self.complete = anyio.Event()
        self._expected = expected

    async def __call__(self, run_id: str) -> None:
        self.ids.append(run_id)
        if len(self.ids) == self._expected:
            self.complete.set()


async def serve(engine: Engine, executed: Executed) -> None:
    """Serve until everything that is expected was asked for."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(engine.serve, executed)
        with anyio.fail_after(10):
            await executed.complete.wait()
        tasks.cancel_scope.cancel()


async def test_runs_are_executed_in_the_order_in_which_they_are_submitted() -> None:
    """Those that were submitted before anybody served, too."""
    executed = Executed(100)
    async with LocalEngine() as engine:
        for number in range(100):
            await engine.submit(run(number), SPEC)
        await serve(engine, executed)
    assert executed.ids == [f"run-{number}" for number in range(100)]


async def test_a_run_that_goes_on_does_not_hold_up_the_next() -> None:
    """How many go on at once is for whoever executes to limit."""
    second = anyio.Event()
    begun: list[str] = []

    async def execute(run_id: str) -> None:
        begun.append(run_id)
        if run_id == "run-1":
            await second.wait()  # the first ends only once the second has begun
        second.set()

    async with LocalEngine() as engine:
        await engine.submit(run(1), SPEC)
        await engine.submit(run(2), SPEC)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.serve, execute)
            with anyio.fail_after(10):
                await second.wait()
            tasks.cancel_scope.cancel()
    assert begun == ["run-1", "run-2"]


async def test_what_goes_on_is_cancelled_with_the_serving() -> None:
    """Nothing is left behind."""
    begun, cancelled = anyio.Event(), anyio.Event()

    async def execute(run_id: str) -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    async with LocalEngine() as engine:
        await engine.submit(run(1), SPEC)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(engine.serve, execute)
            await begun.wait()
            tasks.cancel_scope.cancel()
    assert cancelled.is_set()


async def test_an_engine_can_be_entered_again() -> None:
    """After it was left, and what was submitted before is not executed: it stands in the store."""
    engine = LocalEngine()
    async with engine:
        await engine.submit(run(1), SPEC)
    executed = Executed(1)
    async with engine:
        await engine.submit(run(2), SPEC)
        await serve(engine, executed)
    assert executed.ids == ["run-2"]


def test_every_project_has_the_local_engine(tmp_path: Any) -> None:
    """Through the hook that other engines come by."""
    (tmp_path / "jobkit.toml").touch()
    with Project.load(tmp_path) as project:
        assert [provided.value.name for provided in project.hooks.engines(project.config)] == ["local"]
