"""What is in the way of a new run of a job: one rule, for every store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobkit.statuses import Trigger
from jobkit.stores.ledger_store import Overlap


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that counts for overlap: queued, running, or over with a thread that was abandoned.

    *held* says that somebody has its lease, *missed* that it makes up for a tick that was missed.
    """

    id: str
    number: int
    queued: bool
    attempt: int
    held: bool
    abandoned: bool
    missed: bool = False

    @property
    def executing(self) -> bool:
        """Whether a run that has to be alone must not start beside it.

        A pinned run is on its way from its first attempt to its last; before the first it waits like others.
        """
        return self.abandoned or (self.held and (not self.queued or self.attempt > 0))

    @property
    def displaceable(self) -> bool:
        """Whether it waits, and nobody holds it."""
        return self.queued and not self.held


@dataclass(frozen=True, slots=True)
class Verdict:
    """*blocked* is the run that is in the way, None if the new run may be inserted; then those of
    *displaced* end for it, and those of *cancelled* are asked to."""

    blocked: OpenRun | None = None
    displaced: tuple[OpenRun, ...] = ()
    cancelled: tuple[OpenRun, ...] = ()


def out_of_turn(trigger: Trigger, found: Sequence[OpenRun]) -> bool:
    """Whether a run that is claimed in turn waits for one of *found*, the open runs of its job and node.

    The backlog is worked off one at a time, and what falls due meanwhile joins it.
    """
    return bool(found) if trigger is Trigger.CATCHUP else any(run.missed for run in found)


def judge(overlap: Overlap, found: Sequence[OpenRun]) -> Verdict:
    """What *overlap* means beside *found*, the open runs of the same job and node."""
    if overlap == "allow" or not found:
        return Verdict()
    oldest = sorted(found, key=lambda run: run.number)
    queued = [run for run in oldest if run.queued]
    if overlap == "skip":
        gives_way = [run for run in queued if not run.held and not run.abandoned and run.attempt > 0]
        in_the_way = [run for run in oldest if run not in gives_way]
        # Whoever asks wants to know what runs, if anything does.
        in_the_way.sort(key=lambda run: not run.executing)
        return Verdict(blocked=in_the_way[0]) if in_the_way else Verdict(displaced=tuple(gives_way))
    if overlap == "queue":
        return Verdict(blocked=queued[0]) if queued else Verdict()
    return Verdict(
        displaced=tuple(run for run in queued if run.displaceable),
        cancelled=tuple(run for run in oldest if run.held),
    )
