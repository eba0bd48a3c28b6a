"""Telling sinks that a job is late, which is no run, and goes through no outbox."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import anyio

from jobkit.logs import get_logger
from jobkit.sinks.calling import Calls
from jobkit.sinks.timing import SinkTime
from jobkit.sinks.wording import described

if TYPE_CHECKING:
    from jobkit.sinks.checking import CheckedSink
    from jobkit.sinks.notices import LateJob
    from jobkit.sinks.worker import Surroundings


class LateTeller:
    """Calls ``emit_late`` of the *sinks* that have one. Belongs to the event loop."""

    def __init__(self, sinks: Sequence[CheckedSink], around: Surroundings) -> None:
        self._around = around
        self._calls = [
            (sink, Calls(sink, around.portal, around.pace.grace, SinkTime(sink, around.loop_time)))
            for sink in sinks
            if sink.emit_late is not None
        ]

    async def tell(self, job: LateJob, names: Collection[str] | None) -> Collection[str]:
        """The names of the sinks, all of them or those of *names*, that did not take it."""
        failed: list[str] = []

        async def call(sink: CheckedSink, calls: Calls) -> None:
            ended = await calls.make("emit_late", job, seconds=sink.timeout)
            if ended.error is not None:
                words = described(ended.error, self._around.secrets)
                get_logger().warning("sink.late_untold", sink=sink.name, job=job.job, error=words)
                failed.append(sink.name)

        async with anyio.create_task_group() as tasks:
            for sink, calls in self._calls:
                if sink.concerns(job.extension) and (names is None or sink.name in names):
                    tasks.start_soon(call, sink, calls)
        return failed
