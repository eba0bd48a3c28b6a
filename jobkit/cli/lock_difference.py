"""How the fires of today's project differ from those that were locked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from jobkit.cli.lock_file import Fire, Lock, LockedJob

Change = Literal["added", "removed", "changed"]

#: What is compared besides the fires.
_FIELDS: Final = ("schedule", "timezone", "scheduled", "why")


@dataclass(frozen=True, slots=True)
class FireChange:
    """A fire that is new, gone or another: *locked* is None for the first, *now* for the second."""

    locked: Fire | None
    now: Fire | None

    @property
    def change(self) -> str:
        """``added``, ``removed``, ``moved``; ``reworded`` if only the local time or the note differs."""
        if self.locked is None:
            return "added"
        if self.now is None:
            return "removed"
        return "moved" if self.locked.at != self.now.at else "reworded"

    def to_json(self) -> dict[str, Any]:
        """The change as ``--json`` has it."""
        locked, now = self.locked, self.now
        return {
            "change": self.change,
            "locked": None if locked is None else locked.to_json(),
            "now": None if now is None else now.to_json(),
        }


@dataclass(frozen=True, slots=True)
class JobChange:
    """A job that is new, gone or another."""

    name: str
    locked: LockedJob | None
    now: LockedJob | None
    fires: Sequence[FireChange]

    @property
    def change(self) -> Change:
        """What became of it."""
        if self.locked is None:
            return "added"
        return "removed" if self.now is None else "changed"

    def fields(self) -> Iterator[tuple[str, Any, Any]]:
        """What was said otherwise: its name, what was locked, what is said now."""
        if self.locked is not None and self.now is not None:
            for name in _FIELDS:
                before, now = getattr(self.locked, name), getattr(self.now, name)
                if before != now:
                    yield name, before, now

    def to_json(self) -> dict[str, Any]:
        """The item of ``schedule diff``."""
        return {
            "job": self.name,
            "change": self.change,
            "fields": [{"field": name, "locked": before, "now": now} for name, before, now in self.fields()],
            "fires": [fire.to_json() for fire in self.fires],
        }


def differences(locked: Lock, now: Lock) -> list[JobChange]:
    """The jobs that differ, by name; both locks begin at one instant and hold as many fires of each job."""
    found = []
    for name in sorted(locked.jobs.keys() | now.jobs.keys()):
        one, other = locked.jobs.get(name), now.jobs.get(name)
        before = () if one is None else one.fires
        after = () if other is None else other.fires
        zones = one is not None and other is not None and one.timezone == other.timezone
        change = JobChange(name, one, other, _fire_changes(before, after, locked.fires, same_zone=zones))
        if one is None or other is None or change.fires or any(change.fields()):
            found.append(change)
    return found


def notes(locked: Lock, now: Lock) -> list[str]:
    """What differs without being a difference of the jobs: the zone data, the environment."""
    found = []
    if locked.zone_data != now.zone_data:
        found.append(f"zone data: {locked.zone_data} when it was locked, {now.zone_data} here")
    if locked.env != now.env:
        found.append(f"it was locked with {_env(locked)}, and is compared with {_env(now)}")
    return found


def _env(lock: Lock) -> str:
    return f"--env {lock.env}" if lock.env else "no environment"


def _fire_changes(
    locked: Sequence[Fire], now: Sequence[Fire], limit: int, *, same_zone: bool
) -> list[FireChange]:
    """What became of each fire: those at the same instant stay, of the others between two such the first
    stands for the first."""
    if same_zone and locked == now:
        return []
    at_once = {fire.at: fire for fire in now}
    changes: list[FireChange] = []
    old, new = deque(locked), deque(now)
    for common in [fire.at for fire in locked if fire.at in at_once]:
        changes += _paired(_before(old, common), _before(new, common))
        one, other = old.popleft(), new.popleft()
        if same_zone and one != other:
            changes.append(FireChange(one, other))
    for change in _paired(old, new):
        # A list that is full goes on behind its last fire: nobody knows what lies there.
        lone, others = (change.now, locked) if change.locked is None else (change.locked, now)
        known = len(others) < limit or (lone is not None and lone.at <= others[-1].at)
        if known or change.change == "moved":
            changes.append(change)
    return changes


def _before(fires: deque[Fire], at: datetime) -> list[Fire]:
    """Take those away from the front that lie before *at*."""
    taken = []
    while fires[0].at != at:
        taken.append(fires.popleft())
    return taken


def _paired(gone: Iterable[Fire], come: Iterable[Fire]) -> Iterator[FireChange]:
    return (FireChange(one, other) for one, other in zip_longest(gone, come))
