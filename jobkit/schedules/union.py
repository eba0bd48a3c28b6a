"""Several schedules as one: a list fires whenever one of its entries does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobkit.schedules.base import EpochSchedule, Schedule, to_epoch


class UnionSchedule(EpochSchedule):
    """Fires whenever one of *members* fires, once where several do."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[Schedule]) -> None:
        super().__init__(" | ".join(member.text for member in members), members[0].timezone)
        self.members = tuple(members)

    def next_epoch(self, second: int) -> int | None:
        """The earliest next fire of any member."""
        fires = [fire for member in self.members if (fire := member.next_epoch(second)) is not None]
        return min(fires, default=None)

    def previous_epoch(self, second: int) -> int | None:
        """The latest previous fire of any member."""
        fires = [fire for member in self.members if (fire := member.previous_epoch(second)) is not None]
        return max(fires, default=None)

    def describe(self) -> str:
        """The members in words, joined."""
        return "; and ".join(member.describe() for member in self.members)

    def note(self, instant: datetime) -> str | None:
        """What the members that fire at *instant* say of it; None if one of them says nothing."""
        before = to_epoch(instant) - 1
        firing = [member for member in self.members if member.next_epoch(before) == before + 1]
        notes = [member.note(instant) for member in firing]
        return "; ".join(dict.fromkeys(note for note in notes if note)) if notes and all(notes) else None

    def warnings(self) -> tuple[str, ...]:
        """Everything that the members warn of."""
        return tuple(dict.fromkeys(warning for member in self.members for warning in member.warnings()))
