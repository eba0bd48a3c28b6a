"""Somebody may look at what a run has raised, before anything of it is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jobkit.records import RunRecord
from tests.runner.conftest import MakeRunner, Provide, spec_of


class Database:
    """What the job asks for."""


async def test_services_are_open_while_an_exception_is_looked_at(
    runner: MakeRunner, provide: Provide
) -> None:
    """The exception is shown with its run, then services close, then the run is recorded."""
    seen: list[object] = []

    def inspect(run: RunRecord, error: BaseException) -> None:
        seen.append((run.job, str(error)))

    def database() -> Iterator[Database]:
        try:
            yield Database()
        finally:
            seen.append("closed")

    def bad(ctx: Any, database: Database) -> None:
        raise LookupError("nothing there")

    provide(database=database)
    spec = spec_of(bad)
    async with runner(spec, inspect=inspect) as here:
        record = await here.run(spec)
    assert seen == [("bad", "nothing there"), "closed"]
    assert record.status == "failed"


async def test_trouble_of_who_looks_is_not_the_run_s(runner: MakeRunner) -> None:
    """What *inspect* raises changes nothing about the record."""

    def inspect(run: RunRecord, error: BaseException) -> None:
        raise OSError("the terminal is gone")

    def bad(ctx: Any) -> None:
        raise LookupError("nothing there")

    spec = spec_of(bad)
    async with runner(spec, inspect=inspect) as here:
        record = await here.run(spec)
    assert record.error is not None
    assert record.error.type == "LookupError"
