"""What every schedule promises, and what a kind of schedule is.

All arithmetic is done on *epoch seconds*: whole seconds since 1970-01-01T00:00:00Z as an int.
Datetimes exist at the edges only: aware ones in, aware UTC ones out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol, runtime_checkable

from jobkit.schedules.refusal import kind_of, refused

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = 86_400
#: The first and the last second that a datetime can hold.
FIRST_SECOND: Final = -62_135_596_800
LAST_SECOND: Final = 253_402_300_799


def to_epoch(instant: datetime) -> int:
    """The whole epoch second that *instant* lies in; ScheduleError (JK314) unless it is aware."""
    try:
        since = instant - EPOCH
        return since.days * DAY + since.seconds
    except (TypeError, AttributeError):
        raise not_an_instant(instant) from None


def from_epoch(second: int) -> datetime:
    """The aware UTC datetime of an epoch second."""
    return EPOCH + timedelta(seconds=second)


def not_an_instant(value: object) -> Exception:
    """The error for what is not an aware datetime."""
    what = "a datetime without a zone" if issubclass(type(value), datetime) else kind_of(value)
    return refused(
        "JK314",
        f"a schedule is asked about an aware datetime, not about {what}",
        "give it a zone: `datetime.now(UTC)`",
    )


@runtime_checkable
class Schedule(Protocol):
    """Turns a rule into instants. Immutable, cheap to share, safe to use from any thread.

    The same text, zone and name give the same instants in every process, and asking from one
    fire onwards gives exactly the fires that asking from an earlier instant gives.
    """

    @property
    def text(self) -> str:
        """The schedule as it was written."""

    @property
    def timezone(self) -> str:
        """The IANA name of the zone that it is read in."""

    def next_epoch(self, second: int) -> int | None:
        """The first fire after epoch second *second*, or None if there is none. The hot path."""

    def previous_epoch(self, second: int) -> int | None:
        """The last fire before epoch second *second*, or None if there is none."""

    def count(self, after: int, until: int) -> int:
        """How many fires lie after epoch second *after* and not after *until*."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly later than the aware *instant*, in UTC, or None."""

    def upcoming(self, start: datetime, count: int) -> list[datetime]:
        """The first *count* fires strictly later than *start*, fewer if they end before."""

    def describe(self) -> str:
        """The schedule in words, its zone included."""

    def note(self, instant: datetime) -> str | None:
        """Why the fire at *instant* was made up or is a repetition; None for an ordinary one."""

    def warnings(self) -> tuple[str, ...]:
        """What is valid and yet often not what was meant; shown by `jobkit check`."""


class EpochSchedule(ABC):
    """A schedule that needs only `next_epoch` and `describe`; a plugin's kind starts from here.

    What is derived here is right for every rule; a subclass overrides what it can do faster.
    """

    __slots__ = ("text", "timezone")

    text: str
    timezone: str

    def __init__(self, text: str, timezone: str = "UTC") -> None:
        self.text = text
        self.timezone = timezone

    @abstractmethod
    def next_epoch(self, second: int) -> int | None:
        """The first fire after epoch second *second*, or None."""

    @abstractmethod
    def describe(self) -> str:
        """The schedule in words."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first fire strictly later than the aware *instant*, in UTC, or None."""
        second = self.next_epoch(to_epoch(instant))
        return None if second is None else from_epoch(second)

    def upcoming(self, start: datetime, count: int) -> list[datetime]:
        """The first *count* fires strictly later than *start*, fewer if they end before."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise refused("JK314", "the number of upcoming fires is a whole number, zero or more")
        fires: list[datetime] = []
        second = self.next_epoch(to_epoch(start)) if count else None
        while second is not None:
            fires.append(from_epoch(second))
            second = self.next_epoch(second) if len(fires) < count else None
        return fires

    def previous_epoch(self, second: int) -> int | None:
        """The last fire before *second*: about fifty questions to `next_epoch`, however far."""
        later = second - 1  # the fire after `later` is not before `second`; after `earlier` it is
        reach = 1
        while True:
            earlier = max(second - 1 - reach, FIRST_SECOND - 1)
            fire = self.next_epoch(earlier)
            if fire is not None and fire < second:
                break
            if earlier < FIRST_SECOND:
                return None
            later, reach = earlier, reach * 2
        while later - earlier > 1:
            middle = (earlier + later) // 2
            found = self.next_epoch(middle)
            if found is not None and found < second:
                earlier, fire = middle, found
            else:
                later = middle
        return fire

    def count(self, after: int, until: int) -> int:
        """How many fires lie after *after* and not after *until*; walks from one to the next."""
        total = 0
        fire = self.next_epoch(after)
        while fire is not None and fire <= until:
            total += 1
            fire = self.next_epoch(fire)
        return total

    def note(self, instant: datetime) -> str | None:
        """None: a fire is an ordinary one unless a subclass knows better."""
        return None

    def warnings(self) -> tuple[str, ...]:
        """Nothing, unless a subclass knows of something."""
        return ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r}, timezone={self.timezone!r})"


@dataclass(frozen=True)
class ScheduleKind:
    """One way to write a schedule: how its text is recognised, read and explained.

    *prefix* is the first word of such text (``every``), or a sign that it starts with (``@``);
    *matches* replaces that test where a prefix is not enough. *parse* takes text, zone and name
    and returns a schedule, or raises ScheduleError. *description* completes "a schedule is …".
    *plugin* is set by whoever takes a plugin's kind in: the name of the plugin.
    """

    prefix: str
    parse: Callable[[str, str, str], Schedule]
    description: str
    matches: Callable[[str], bool] | None = None
    plugin: str = ""

    def accepts(self, text: str) -> bool:
        """Whether *text*, which is not blank, is written in this way."""
        if self.matches is not None:
            return bool(self.matches(text))
        if not self.prefix.isalnum():
            return text.lstrip().startswith(self.prefix)
        return text.split(None, 1)[0].lower() == self.prefix.lower()


class Kinds(tuple[ScheduleKind, ...]):  # noqa: SLOT001 - a tuple cannot have slots of its own
    """The kinds of schedules that a project knows, in the order in which they are tried.

    ``absent`` are plugins that take no part although they were meant to, each with the reason: a word that
    no kind begins with may be theirs.
    """

    absent: tuple[str, ...] = ()

    @classmethod
    def of(cls, kinds: Iterable[ScheduleKind], absent: Iterable[str] = ()) -> Kinds:
        """The *kinds*, and the plugins that are *absent*."""
        made = cls(kinds)
        made.absent = tuple(absent)
        return made
