"""``at 2027-01-01T00:00:00Z``: one instant, and never again."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from jobkit.schedules.base import EpochSchedule, ScheduleKind, from_epoch, to_epoch
from jobkit.schedules.reading import printable
from jobkit.schedules.refusal import refused, shown
from jobkit.schedules.zones import LONGEST_GAP, find_zone

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.0+)? ?(Z|[+-]\d\d:\d\d)?", re.ASCII | re.IGNORECASE
)


class AtSchedule(EpochSchedule):
    """Fires once, at epoch second *second*; *remark* tells why that is not the time as written."""

    __slots__ = ("remark", "second")

    def __init__(self, text: str, second: int, timezone: str = "UTC", *, remark: str | None = None) -> None:
        super().__init__(text, timezone)
        self.second = second
        self.remark = remark

    def next_epoch(self, second: int) -> int | None:
        """The instant, as long as it lies after *second*."""
        return self.second if second < self.second else None

    def describe(self) -> str:
        """``once, at 2027-01-01T00:00:00Z``."""
        return f"once, at {from_epoch(self.second):%Y-%m-%dT%H:%M:%SZ}"

    def note(self, instant: datetime) -> str | None:
        """The remark, for the instant itself."""
        return self.remark if from_epoch(self.second) == instant else None


def parse_at(text: str, timezone: str, name: str) -> AtSchedule:
    """The schedule that ``at`` and an RFC 3339 time mean; ScheduleError (JK311) for another text.

    Without an offset the time is read in *timezone*, by the rules for fixed-time jobs.
    """
    words = printable(text, "a schedule").split(None, 1)
    zone = find_zone(timezone)
    match = _INSTANT.fullmatch(words[1].strip()) if len(words) == 2 else None
    if match is None:
        raise _wrong(text, "is not a date, a time and an offset")
    date, time, offset = match.groups()
    try:
        reading = datetime.fromisoformat(f"{date}T{time}{(offset or 'Z').upper()}")
        second = to_epoch(reading.astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise _wrong(text, f"is no instant ({shown(str(error))})") from None
    if offset is not None or zone is None:
        return AtSchedule(text, second, timezone)
    instant, gap = zone.place(second)
    if gap > LONGEST_GAP:
        raise _wrong(text, f"never comes: the clock of {timezone} skips that time")
    if not gap:
        return AtSchedule(text, instant, timezone)
    from jobkit.schedules.words import made_up

    resumed = instant + zone.stretch(instant)[2]
    remark = made_up(second, 1, (resumed - gap, resumed), own=False)
    return AtSchedule(text, instant, timezone, remark=remark)


def _wrong(text: str, why: str) -> Exception:
    return refused("JK311", f"`{shown(text)}` {why}", "write `at 2027-01-01T03:00:00Z`, or `...+01:00`")


AT = ScheduleKind("at", parse_at, "an instant: `at 2027-01-01T03:00:00Z`")
