"""Time zones: names that are checked, and stretches of time in which the clock does not change.

A *reading* is what a clock in the zone shows, as seconds since 1970-01-01T00:00:00 on that clock.
Within a stretch a reading is an instant plus a constant, so that one addition maps a whole search.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH, ZoneInfo, available_timezones

from jobkit.exceptions import ScheduleError
from jobkit.schedules.base import DAY, EPOCH, FIRST_SECOND, LAST_SECOND
from jobkit.schedules.refusal import closest, is_text, kind_of, refused, shown

#: Start, end (exclusive), seconds to add to an instant for its reading, and the last reading that
#: was already shown before the start (-inf in effect where nothing is read twice).
Stretch = tuple[int, int, int, int]

#: A gap of up to this many seconds is made up for; a longer one is a change of calendar.
LONGEST_GAP: Final = 3 * 3600
#: No clock differs from UTC by as much; two clock settings never lie a whole one apart either.
FAR: Final = 2 * DAY

_NOTHING_YET: Final = -(1 << 60)
_BLOCK_BITS: Final = 25  # 388 days
_FIXED_OFFSET: Final = re.compile(r"(?:UTC|GMT)?([+-])(0?[0-9]|1[0-2])(?::?00)?")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_SAME_AS_UTC: Final = frozenset({"UTC", "Etc/UTC"})


class Zone:
    """The clock of one zone as stretches, found by asking `zoneinfo` and remembered in blocks.

    Safe to share between threads: what is remembered is replaced as a whole, never changed.
    """

    __slots__ = ("_blocks", "_info", "name", "window")

    def __init__(self, name: str, info: ZoneInfo) -> None:
        self.name = name
        self._info = info
        self._blocks: dict[int, tuple[Stretch, ...]] = {}
        #: The stretch that a search started in last.
        self.window: Stretch = (0, 0, 0, _NOTHING_YET)

    def stretch(self, second: int) -> Stretch:
        """The stretch that the instant *second* lies in.

        A start or an end may also be the edge of what was looked at, with no change of the clock.
        """
        block = self._blocks.get(second >> _BLOCK_BITS)
        if block is None:
            block = self._blocks[second >> _BLOCK_BITS] = self._look(second >> _BLOCK_BITS)
        index = 0
        while second >= block[index][1]:
            index += 1
        return block[index]

    def place(self, reading: int) -> tuple[int, int]:
        """The first instant at which the clock shows *reading*, and 0.

        If the clock skips the reading: the first instant after that gap, and the gap's length.
        """
        before = 0
        stretch = self.stretch(reading - FAR)
        while True:
            start, end, offset, _ = stretch
            instant = reading - offset
            if instant < start:
                return start, offset - before
            if instant < end:
                return instant, 0
            before = offset
            stretch = self.stretch(end)

    def _look(self, block: int) -> tuple[Stretch, ...]:
        """The stretches of one block, and of two days before it, so that repeated readings show.

        Looks once a day: no zone has ever set its clock and taken that back within three days, which
        a test holds against the whole database.
        """
        start = at = (block << _BLOCK_BITS) - FAR
        end = block + 1 << _BLOCK_BITS
        offset, shown_before = self._offset(at), _NOTHING_YET
        stretches: list[Stretch] = []
        while at < end:
            if self._offset(at + DAY) == offset:
                at += DAY
                continue
            change = self._change(at, at + DAY, offset)
            stretches.append((start, change, offset, shown_before))
            after = self._offset(change)
            if after < offset:
                shown_before = max(shown_before, change + offset - 1)
            start, at, offset = change, change, after
        stretches.append((start, at, offset, shown_before))
        return tuple(stretches)

    def _change(self, before: int, after: int, offset: int) -> int:
        """The first second after *before* with another offset than *offset*; *after* has one."""
        while after - before > 1:
            middle = (before + after) // 2
            if self._offset(middle) == offset:
                before = middle
            else:
                after = middle
        return after

    def _offset(self, second: int) -> int:
        # At the ends of the calendar a reading would leave it; no clock changes there.
        inside = min(max(second, FIRST_SECOND + FAR), LAST_SECOND - FAR)
        shift = (EPOCH + timedelta(seconds=inside)).astimezone(self._info).utcoffset() or timedelta(0)
        return shift.days * DAY + shift.seconds


_ZONES: dict[str, Zone | None] = {"UTC": None}


def find_zone(name: str) -> Zone | None:
    """The zone of that IANA name, None for UTC; ScheduleError (JK309) for anything else."""
    try:
        return _ZONES[name]
    except (KeyError, TypeError):
        if not is_text(name):
            what = f"a time zone is a name such as Europe/Berlin, not {kind_of(name)}"
            raise refused("JK309", what, 'write it in quotes: "Europe/Berlin"') from None
    name = str.__str__(name)
    zone = _ZONES[name] = _load(name)
    return zone


def _load(name: str) -> Zone | None:
    if len(name) > 64 or _NAME.fullmatch(name) is None or name not in _known_names():
        raise _unknown(name)
    try:
        return None if name in _SAME_AS_UTC else Zone(name, ZoneInfo(name))
    except (OSError, ValueError) as error:
        raise refused(
            "JK309",
            f"the data of the time zone {name} cannot be read: {shown(str(error))}",
            "reinstall the `tzdata` package, or the system's zone data",
        ) from error


def _unknown(name: str) -> ScheduleError:
    what = f"`{shown(name)}` is not the name of a time zone" if name else "the time zone is empty"
    if match := _FIXED_OFFSET.fullmatch(name):
        # The database turns the sign around: Etc/GMT-2 is two hours ahead.
        sign = "-" if match[1] == "+" else "+"
        return refused("JK309", what, f"a fixed offset is written `Etc/GMT{sign}{int(match[2])}`")
    # An abbreviation that looks alike belongs to another continent.
    near = None if name.isupper() else closest(name, _known_names())
    general = "write an IANA name such as `Europe/Berlin`, or `UTC`"
    return refused("JK309", what, f"did you mean `{near}`?" if near else general)


@lru_cache(maxsize=1)
def _known_names() -> frozenset[str]:
    """Every name of the zone database; not the system's extra files (localtime, right/…)."""
    listing = Path(import_module("tzdata").__path__[0], "zones")
    try:
        return frozenset(listing.read_text(encoding="ascii").split())
    except OSError:  # installed as an archive
        return frozenset(available_timezones())


def zone_data_version() -> str:
    """Which zone data is in force here, for replicas to compare: ``2025b (/usr/share/zoneinfo)``.

    `zoneinfo` prefers the system's files to those of the `tzdata` package.
    """
    for folder in TZPATH:
        path = Path(folder)
        if (path / "Europe" / "Berlin").is_file():
            return f"{_system_version(path)} ({folder})"
    return f"{import_module('tzdata').IANA_VERSION} (tzdata)"


def _system_version(folder: Path) -> str:
    for name, pattern in (("tzdata.zi", r"# version (\S+)"), ("+VERSION", r"(\S+)")):
        try:
            with (folder / name).open(encoding="ascii", errors="replace") as lines:
                match = re.match(pattern, lines.readline(80))
        except OSError:
            continue
        if match:
            return match[1]
    return "unknown"
