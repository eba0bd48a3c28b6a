"""How what a test has run came out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.exceptions import JobkitError
    from jobkit.plugins.failures import PluginFailure
    from jobkit.records import RunRecord
    from jobkit.sinks.report import DeliveryReport


def assert_counts(runs: Iterable[tuple[str, str, str | None]], expected: Mapping[str, int]) -> None:
    """AssertionError unless *runs* – job, status, what it says – are as many of each status as *expected*."""
    listed = [*runs]
    found = Counter(status for _, status, _ in listed)
    if {status: count for status, count in expected.items() if count} != dict(found):
        wanted = ", ".join(f"{count} {status}" for status, count in expected.items() if count)
        lines = [f"  {job} {status}" + (f": {said}" if said else "") for job, status, said in listed]
        head = f"expected {wanted or 'no runs'}, and there were" + ("" if lines else " none")
        raise AssertionError("\n".join([head, *lines]))


class Outcomes:
    """What results of both kinds can be asked."""

    def _ended(self) -> Iterable[tuple[str, str, str | None]]:
        return ()

    def assert_outcomes(
        self,
        *,
        succeeded: int = 0,
        failed: int = 0,
        timed_out: int = 0,
        cancelled: int = 0,
        skipped: int = 0,
        lost: int = 0,
    ) -> None:
        """Assert that exactly so many runs ended so; runs that a job started itself count, too."""
        expected = {
            RunStatus.SUCCEEDED.value: succeeded,
            RunStatus.FAILED.value: failed,
            RunStatus.TIMED_OUT.value: timed_out,
            RunStatus.CANCELLED.value: cancelled,
            RunStatus.SKIPPED.value: skipped,
            RunStatus.LOST.value: lost,
        }
        assert_counts(self._ended(), expected)


@dataclass(frozen=True, slots=True)
class RunResult(Outcomes):
    """What came of a run in this process.

    *records* are all runs that ended, in that order, those that the job started itself included. *delivered*
    is what the sinks made of them, None without sinks. *failures* are those of plugins, *warnings* what
    loading the project warned of.
    """

    records: tuple[RunRecord, ...]
    delivered: DeliveryReport | None
    failures: tuple[PluginFailure, ...]
    warnings: tuple[JobkitError, ...]

    @property
    def record(self) -> RunRecord:
        """The run that was asked for: it ends after those that it started."""
        return self.records[-1]

    def _ended(self) -> Iterable[tuple[str, str, str | None]]:
        for run in self.records:
            yield run.job, run.status.value, run.error.message if run.error is not None else run.message


@dataclass(frozen=True)
class CommandResult(Outcomes):
    """How a command ended that was a process of its own: exit *code*, both streams as text."""

    code: int
    out: str
    err: str
    _history: Callable[[], list[dict[str, Any]]] = field(repr=False)

    @cached_property
    def data(self) -> Any:
        """What the command answered; it needs ``--json``."""
        return json.loads(self.out)["data"]

    @cached_property
    def runs(self) -> list[dict[str, Any]]:
        """The runs since the command began, newest first, as ``jobkit history --json`` gives them."""
        return self._history()

    def _ended(self) -> Iterable[tuple[str, str, str | None]]:
        for run in reversed(self.runs):
            yield run["job"], run["status"], run["error"]["message"] if run["error"] else run["message"]
