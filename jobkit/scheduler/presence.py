"""When schedulers were there, by what they registered, and when none was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.stores.replicas import ReplicaState


@dataclass(frozen=True, slots=True)
class Stay:
    """From when to when one scheduler was there; *until* None: it still is.

    *vanished* says that it did not end in order: *until* is when it was last heard of.
    """

    since: datetime
    until: datetime | None
    node: str
    pid: int
    vanished: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which no scheduler was there: after *last* had gone, until *following* came."""

    last: Stay | None
    following: Stay | None


def lives(state: ReplicaState) -> bool:
    """Whether a replica is there: one whose process is found dead is not, whatever its heartbeat says."""
    return state.live and not state.replica.owner.dead(expired=False)


def stays(replicas: Iterable[ReplicaState], farewells: Mapping[str, datetime]) -> list[Stay]:
    """The stays of all schedulers among *replicas*, the earliest first.

    *farewells* says by their ids when they stopped: who is gone without one has vanished.
    """
    found = [_stay(state, farewells) for state in replicas if state.replica.kind == "scheduler"]
    return sorted(found, key=lambda stay: stay.since)


def _stay(state: ReplicaState, farewells: Mapping[str, datetime]) -> Stay:
    node, pid = state.replica.node, state.replica.owner.pid
    stopped = farewells.get(state.replica.id)
    if stopped is not None:
        return Stay(state.registered_at, stopped, node, pid)
    if lives(state):
        return Stay(state.registered_at, None, node, pid)
    return Stay(state.registered_at, state.heartbeat_at, node, pid, vanished=True)


def present(found: Iterable[Stay], instant: datetime) -> Stay | None:
    """A scheduler that was there at *instant*."""
    for stay in found:
        if stay.since <= instant and (stay.until is None or instant <= stay.until):
            return stay
    return None


def gap_at(found: list[Stay], instant: datetime) -> Gap | None:
    """The time without a scheduler that *instant* lies in; None if one was there."""
    if present(found, instant) is not None:
        return None
    before = [stay for stay in found if stay.until is not None and stay.until < instant]
    after = [stay for stay in found if stay.since > instant]
    last = max(before, key=lambda stay: stay.until or stay.since, default=None)
    return Gap(last, min(after, key=lambda stay: stay.since, default=None))
