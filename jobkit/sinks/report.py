"""What came of one attempt to deliver what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """Counts by sink. *waiting* has the sinks that something still waits for, *errors* what they said (safe
    to show), *dead* how many runs were given up just now, *elsewhere* the sinks that another process
    delivers to."""

    delivered: int = 0
    waiting: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()

    def words(self) -> list[str]:
        """One line for each thing that a person should know; none if everything was delivered."""
        lines = []
        for sink in sorted({*self.waiting, *self.errors}):
            line = f"sink {sink}: {self._what_waits(sink)}"
            error = self.errors.get(sink)
            lines.append(f"{line} ({error})" if error else line)
        for sink, count in sorted(self.dead.items()):
            lines.append(f"sink {sink}: {_runs(count)} given up for good, listed by `jobkit db dead-letters`")
        return lines

    def _what_waits(self, sink: str) -> str:
        waiting = self.waiting.get(sink, 0)
        if not waiting:
            return "the last attempt failed, and nothing waits any more"
        if sink in self.elsewhere:
            return f"{_runs(waiting)} to be delivered by another process"
        return f"{_runs(waiting)} to be delivered by a scheduler (jobkit start) or the next `jobkit run`"


def _runs(count: int) -> str:
    return "1 finished run" if count == 1 else f"{count} finished runs"
