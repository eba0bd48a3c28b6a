"""What is asked of a runner: one run, with everything that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobkit.runner.orders import Limit

if TYPE_CHECKING:
    from jobkit.exceptions import JobkitError
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.statuses import Trigger


@dataclass(slots=True, kw_only=True)
class Request:
    """A run that was asked for, with its parameters validated.

    *ancestors* are the names of the jobs that it is a child, grandchild, … of, *limit* the deadline it
    inherits from them.
    """

    id: str
    spec: JobSpec
    parameters: Mapping[str, Any]
    trigger: Trigger
    actor: str
    enforce: bool
    timeout: timedelta | None
    secrets: frozenset[str] = frozenset()
    parent: str | None = None
    ancestors: tuple[str, ...] = ()
    limit: Limit | None = None
    #: Limits that these hold for it.
    inherited: frozenset[str] = frozenset()
    #: The run that it repeats: it stands for the same ticks.
    retry_of: RunRecord | None = None
    #: Why it cannot be executed, although it was accepted once: it fails without an attempt at it.
    failure: JobkitError | None = None

    @property
    def held(self) -> frozenset[str]:
        """The limits that it and its ancestors hold."""
        return self.inherited.union(self.spec.limits)

    @property
    def limits(self) -> tuple[str, ...]:
        """The limits that it has to have itself."""
        return tuple(name for name in self.spec.limits if name not in self.inherited)

    def limit_from(self, started_at: datetime, monotonic: float) -> Limit | None:
        """Of an attempt that starts then: its own timeout or, if that is nearer, what it inherits."""
        if self.timeout is None:
            return self.limit
        own = Limit(monotonic + self.timeout.total_seconds(), started_at + self.timeout, self.timeout)
        return own if self.limit is None or own.monotonic < self.limit.monotonic else self.limit
