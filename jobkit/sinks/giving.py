"""Giving one run to one sink: opened if need be, asked whether it wants the run, then told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from jobkit.sinks.wording import is_rejection

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.sinks.calling import Calls
    from jobkit.sinks.checking import CheckedSink, Reports
    from jobkit.sinks.session import Session

#: ``closed``: the sink could not be opened, which says nothing about the run.
Answer = Literal["delivered", "refused", "rejected", "failed", "closed"]


@dataclass(frozen=True, slots=True)
class Given:
    """What a sink made of a run; *error* unless it is delivered or refused."""

    answer: Answer
    error: BaseException | None = None


class Giver:
    """Gives runs to one sink, one after another. Raises nothing that the sink raises, and reports it."""

    def __init__(self, sink: CheckedSink, calls: Calls, session: Session, reports: Reports) -> None:
        self._sink = sink
        self._calls = calls
        self._session = session
        self._reports = reports

    async def give(self, run: RunRecord, seconds: float | None = None) -> Given:
        """Give it *run*, each call limited to *seconds*, by default to the sink's own timeout."""
        seconds = self._sink.timeout if seconds is None else seconds
        if not self._sink.concerns(run.extension):
            return Given("refused")
        error = await self._session.open(seconds)
        if error is not None:
            return Given("closed", error)
        if self._sink.accepts is not None:
            asked = await self._calls.make("accepts", run, seconds=seconds)
            if asked.error is not None:
                return Given("failed", asked.error)
            try:
                wanted = bool(asked.value)
            except Exception as error:  # an object of somebody's own, which has no truth
                return Given("failed", error)
            if not wanted:
                return Given("refused")
        told = await self._calls.make("emit", run, seconds=seconds)
        if told.error is None:
            return Given("delivered")
        return Given("rejected" if is_rejection(told.error) else "failed", told.error)

    def report(self, given: Given, run_id: str | None) -> None:
        """Tell of a failure; that a sink will never take a run is no failure."""
        if given.error is not None and given.answer != "rejected":
            self._reports.failed(self._sink.plugin, self._sink.label, given.error, run=run_id)

    async def close(self) -> None:
        """Leave the sink; the next run opens it again."""
        error = await self._session.close()
        if error is not None:
            self._reports.failed(self._sink.plugin, self._sink.label, error)
