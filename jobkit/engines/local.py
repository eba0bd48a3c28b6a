"""The engine of a single process: whoever queues a run executes it."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING, Self

from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.engines.base import Engine, Execute
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord


class LocalEngine:
    """Hands runs to the tasks of this process, in the order in which they are submitted.

    How many go on at once is for *execute* to limit. May be entered again after it was left.
    """

    name = "local"

    async def __aenter__(self) -> Self:
        import anyio

        self._submitted, self._received = anyio.create_memory_object_stream[str](math.inf)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._submitted.close()
        self._received.close()

    async def submit(self, run: RunRecord, spec: JobSpec) -> None:
        """As the promise says; what nobody serves stays where it is, and in the store."""
        self._submitted.send_nowait(run.id)

    async def serve(self, execute: Execute) -> None:
        """As the promise says."""
        import anyio

        async with anyio.create_task_group() as tasks, self._received.clone() as received:
            async for run_id in received:
                tasks.start_soon(execute, run_id, name=f"run {run_id}")


class LocalPlugin:
    """The built-in plugin that provides it."""

    @hookimpl
    def jobkit_engines(self, config: Config) -> list[Engine]:
        return [LocalEngine()]


PLUGINS = [("local", LocalPlugin)]
