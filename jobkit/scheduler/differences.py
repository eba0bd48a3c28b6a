"""In what the replicas of one store differ: options of jobs, schedules, zone data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobkit.scheduler.presence import lives

if TYPE_CHECKING:
    from jobkit.stores.base import Store
    from jobkit.stores.ledger import JobKey, JobState
    from jobkit.stores.replicas import ReplicaState


@dataclass(frozen=True, slots=True)
class Difference:
    """A job that live replicas do not have alike. *sides* are groups of replicas that agree, by name, the
    largest first; *absent* are those that do not have it."""

    job: str
    sides: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Who differs from whom, in a few words."""
        *others, last = self.sides or ((),)
        verbs = (f"{', '.join(side)} differ{'s' if len(side) == 1 else ''} from " for side in others)
        words = f"{''.join(verbs)}{', '.join(last)}"
        if not self.absent:
            return words
        missing = f"not on {', '.join(self.absent)}"
        return f"{words}; {missing}" if len(self.sides) > 1 else missing

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` gives it."""
        return {"job": self.job, "sides": [*map(list, self.sides)], "absent": [*self.absent]}


def replica_name(state: ReplicaState) -> str:
    """``node (pid 123)``: two on one node are told apart."""
    return f"{state.replica.node} (pid {state.replica.owner.pid})"


async def live_replicas(store: Store, *, hashes: bool = True) -> list[ReplicaState]:
    """Those that live; one of this host whose process runs no more does not, whatever its heartbeat says.

    Raises StoreError.
    """
    live = [*filter(lives, await store.replicas(hashes=False))]
    return await store.replicas([state.replica.id for state in live]) if hashes and live else live


def differing(live: Iterable[ReplicaState]) -> list[Difference]:
    """The jobs whose effective options are not the same on all of *live*, by name.

    A job that one scheduler has and another lacks differs; a worker may have fewer. One that has no job at
    all has no part.
    """
    replicas = [state for state in live if state.replica.jobs]
    found = []
    for job in sorted({job for state in replicas for job in state.replica.jobs}):
        groups: dict[str | None, list[str]] = {}
        for state in replicas:
            hash = state.replica.jobs.get(job)
            if hash is not None or state.replica.kind == "scheduler":
                groups.setdefault(hash, []).append(replica_name(state))
        if len(groups) > 1:
            absent = tuple(groups.pop(None, ()))
            sides = sorted(map(tuple, groups.values()), key=lambda side: (-len(side), side))
            found.append(Difference(job, tuple(sides), absent))
    return found


def superseded(live: Iterable[ReplicaState], states: Mapping[JobKey, JobState]) -> dict[str, tuple[str, ...]]:
    """The jobs, by the text of their keys, that replicas have with another schedule than is registered, and
    therefore make no ticks for: which replicas."""
    registered = {str(key): state.hash for key, state in states.items()}
    found: dict[str, list[str]] = {}
    for state in live:
        for key, hash in state.replica.schedules.items():
            if registered.get(key, hash) != hash:
                found.setdefault(key, []).append(replica_name(state))
    return {key: tuple(names) for key, names in sorted(found.items())}


def by_detail(live: Iterable[ReplicaState], detail: str) -> dict[str, list[str]]:
    """What replicas say of one of their details → which; those that say nothing have no part."""
    found: dict[str, list[str]] = {}
    for state in live:
        said = state.replica.details.get(detail)
        if said is not None:
            found.setdefault(str(said), []).append(replica_name(state))
    return found
