"""What a store's outbox consists of: see :mod:`jobkit.stores.outbox_store`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from jobkit.processes import ProcessIdentity

VerdictKind = Literal["delivered", "refused", "failed", "dead"]
DeathReason = Literal["failures", "rejected", "max_age"]

_KINDS: Final = frozenset(get_args(VerdictKind))
_REASONS: Final = frozenset(get_args(DeathReason))


@dataclass(frozen=True, slots=True)
class SinkRegistration:
    """A sink that takes part; an entry older than *max_age* is to be given up."""

    name: str
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class SinkLease:
    """The right to deliver to one sink, until *expires_at* by the store's clock.

    *fence* only grows, per sink: whoever holds an older one has lost the right for ever.
    """

    sink: str
    owner: ProcessIdentity
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One finished run that one sink has yet to be given.

    Ids only grow and are never given twice, so their order is the order of the finishes. *failures*
    counts the attempts that were held against it, *error* is what the last one said.
    """

    id: int
    sink: str
    run_id: str
    number: int
    job: str
    added_at: datetime
    failures: int
    not_before: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class OutboxVerdict:
    """What became of one entry: ``delivered``, ``refused`` (the sink does not accept that run),
    ``failed`` (it stays in its place until *not_before*) or ``dead`` (a dead letter from now on).

    *counts* False holds a failure against nobody: the whole sink was down. ValueError for an unknown
    kind, and for a *reason* where none belongs or none where one does: ``dead`` has one, nothing else.
    """

    entry_id: int
    kind: VerdictKind
    error: str | None = None
    reason: DeathReason | None = None
    not_before: datetime | None = None
    counts: bool = True

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"a verdict is one of {', '.join(sorted(_KINDS))}, not {self.kind!r}")
        if self.kind == "dead" and self.reason not in _REASONS:
            raise ValueError(f"an entry dies of {', '.join(sorted(_REASONS))}, not of {self.reason!r}")
        if self.kind != "dead" and self.reason is not None:
            raise ValueError(f"only what is dead has a reason, and this is {self.kind}")

    @property
    def failure(self) -> bool:
        """Whether it adds to the entry's failures: whoever was given up for age alone was not tried."""
        return self.counts and (self.kind == "failed" or (self.kind == "dead" and self.reason != "max_age"))


@dataclass(frozen=True, slots=True)
class SinkState:
    """How a sink stands. *oldest* is when the first of what waits was added; *failures*,
    *suspended_until* and *error* are what the last settlement said of the sink as a whole; *owner* is
    who has its lease, expired or not; *seen_at* is when it was registered last."""

    name: str
    waiting: int
    oldest: datetime | None
    dead: int
    failures: int
    suspended_until: datetime | None
    error: str | None
    delivered_at: datetime | None
    owner: ProcessIdentity | None
    seen_at: datetime
    max_age: timedelta


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was given up; *id* is the entry's."""

    id: int
    sink: str
    run_id: str
    number: int
    job: str
    added_at: datetime
    died_at: datetime
    failures: int
    reason: DeathReason
    error: str | None
