"""From when on a job's ticks count: at its first sight, after a change, and beside replicas that differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: The hash of a job that no scheduler schedules any more: it starts at "now" if one does again.
UNSCHEDULED: Final = "unscheduled"
#: A replica that vanished may come back with what it had: so long is waited for it.
VANISHED_FOR: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Known:
    """How a job is registered."""

    hash: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A replica that has had the job: with which *hash* of its schedule, and how it stands.

    *gone_at* is when it stopped, or had its last heartbeat; None while it lives. *stopped* tells one that
    ended, or reloaded, in order from one that vanished.
    """

    hash: str
    gone_at: datetime | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Keep:
    """It is registered as it is here: go on from its mark."""


@dataclass(frozen=True, slots=True)
class Register:
    """Register it here, in the place of *expected* (None: nothing), its mark at *mark*."""

    expected: str | None
    mark: datetime


@dataclass(frozen=True, slots=True)
class Superseded:
    """Another schedule of it is in force: make no ticks. Ask again at *until*, None: when a replica goes."""

    until: datetime | None


def registration(
    known: Known | None, own: str, others: Iterable[Holder], now: datetime
) -> Keep | Register | Superseded:
    """What a replica does about a job whose schedule, zone and scope have the hash *own*.

    Nothing that was prevented or redefined is made up: whatever is registered anew starts at *now*.
    """
    if known is None:
        return Register(None, now)
    if known.hash == own:
        return Keep()
    if known.hash == UNSCHEDULED:
        return Register(known.hash, now)
    until: datetime | None = None
    for other in others:
        if other.hash != known.hash:
            continue
        if other.gone_at is None:
            return Superseded(None)
        if not other.stopped:
            back_until = other.gone_at + VANISHED_FOR
            until = back_until if until is None else max(until, back_until)
    if until is not None and until > now:
        return Superseded(until)
    return Register(known.hash, now)


def unscheduled(known: Known, others: Iterable[Holder]) -> bool:
    """Whether a job that this replica does not schedule is scheduled by none that lives: it is then to be
    registered as :data:`UNSCHEDULED`, so that it starts at "now" when it is scheduled again."""
    if known.hash == UNSCHEDULED:
        return False
    return all(other.gone_at is not None or other.hash != known.hash for other in others)
