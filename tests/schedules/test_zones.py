"""Zones: every change of every clock in the database is seen, and its data can be told apart."""

from __future__ import annotations

import itertools
import struct
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from jobkit import CronSchedule
from jobkit.schedules import zone_data_version
from jobkit.schedules.zones import find_zone
from tests.schedules import oracle
from tests.schedules.texts import CLOCK_CHANGES

NAMES = resources.files("tzdata").joinpath("zones").read_text(encoding="ascii").split()
Change = tuple[int, int, int]


def data_of(name: str) -> bytes:
    """The file that `zoneinfo` reads for a zone."""
    for folder in TZPATH:
        if (path := Path(folder, name)).is_file():
            return path.read_bytes()
    return resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()


def changes(name: str) -> list[Change]:
    """Every change of a zone's offset as the file has it: instant, offset before, offset after."""
    data = data_of(name)
    at = 0
    counts = struct.unpack(">6l", data[20:44])
    if data[4:5] >= b"2":  # the second block has 64-bit instants
        utc, std, leaps, times, types, chars = counts
        at = 44 + times * 5 + types * 6 + chars + leaps * 8 + std + utc
        counts = struct.unpack(">6l", data[at + 20 : at + 44])
    _, _, _, times, types, _ = counts
    at += 44
    instants = struct.unpack(f">{times}q", data[at : at + 8 * times])
    at += 8 * times
    kinds = data[at : at + times]
    at += times
    offsets = [struct.unpack(">l", data[at + 6 * i : at + 6 * i + 4])[0] for i in range(types)]
    found, before = [], offsets[0]
    for instant, kind in zip(instants, kinds, strict=True):
        if offsets[kind] != before:
            found.append((instant, before, offsets[kind]))
            before = offsets[kind]
    return found


def test_no_zone_ever_took_a_change_back_within_three_days() -> None:
    """Looking at each clock once a day therefore sees every change there is."""
    for name in NAMES:
        all_changes = changes(name)
        for (first, before, _), (second, _, after) in itertools.pairwise(all_changes):
            assert before != after or second - first > 3 * 86_400, name


def check(name: str, first_year: int) -> int:
    """Compare the stretches of a zone with its file; the number of changes compared."""
    zone = find_zone(name)
    first = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    last = int(datetime(2037, 1, 1, tzinfo=UTC).timestamp())
    expected = [change for change in changes(name) if first < change[0] < last]
    if zone is None:
        return len(expected)
    found = []
    stretch = zone.stretch(first)
    while stretch[1] < last:
        following = zone.stretch(stretch[1])
        if following[2] != stretch[2]:
            found.append((stretch[1], stretch[2], following[2]))
        stretch = following
    assert found == expected, name
    return len(found)


@pytest.mark.parametrize(
    "name", ["Africa/Freetown", "America/Recife", *sorted({z for z, _ in CLOCK_CHANGES})]
)
def test_every_change_of_a_clock_is_seen(name: str) -> None:
    """The stretches begin and end where the database says; the first two zones changed within a week."""
    assert check(name, 1935 if name == "Africa/Freetown" else 1965) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_change_of_every_clock_is_seen() -> None:
    """All zones, those of several names once, from the first railway time to 2037."""
    different = {data_of(name): name for name in NAMES}
    assert sum(check(name, 1883) for name in different.values()) > 15_000


AROUND_EVERY_CHANGE = [
    "0 30 2 * * *",
    "0 0 */2 * * *",
    "0 */15 * * * *",
    "0 */15 2 * * *",
    "0 0 0 * * *",
    "30 59 23 * * *",
    "0 0,20,45 0-3 * * *",
    "0 0 3 L * SUN",
]


def agree_around(name: str, years: tuple[int, int]) -> int:
    """Compare our fires from eight hours before to eight hours after each change; how many changes."""
    zone, eight_hours = ZoneInfo(name), timedelta(hours=8)
    first, last = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in years)
    instants = [datetime.fromtimestamp(at, UTC) for at, _, _ in changes(name) if first < at < last]
    for text in AROUND_EVERY_CHANGE:
        schedule = CronSchedule(text, name)
        for change in instants:
            expected = oracle.fires(text, zone, change - eight_hours, change + eight_hours)
            found = schedule.upcoming(change - eight_hours, len(expected) + 1)
            assert [fire for fire in found if fire <= change + eight_hours] == expected, (name, text, change)
    return len(instants)


@pytest.mark.parametrize("name", ["Europe/Berlin", "Africa/Casablanca", "Australia/Lord_Howe"])
def test_fires_agree_around_changes(name: str) -> None:
    """Some years of some zones: every change, every kind of expression, minute by minute."""
    assert agree_around(name, (2019, 2023)) >= 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fires_agree_around_every_change_of_every_zone() -> None:
    """All zones from 1980 to 2037: every change, every kind of expression, minute by minute."""
    different = {data_of(name): name for name in NAMES}
    assert sum(agree_around(name, (1980, 2037)) for name in different.values()) > 10_000


@pytest.mark.parametrize("name", ["UTC", "Etc/UTC", "Etc/GMT-14", "Etc/GMT+12", "GMT", "Asia/Kolkata"])
def test_zones_without_changes(name: str) -> None:
    """A fixed offset shifts every reading by the same amount."""
    noon = CronSchedule("0 0 12 * * *", name).upcoming(datetime(2027, 1, 1, tzinfo=UTC), 400)
    assert {fire.astimezone(ZoneInfo(name)).hour for fire in noon} == {12}
    assert {b - a for a, b in itertools.pairwise(noon)} == {timedelta(days=1)}


@pytest.mark.parametrize("name", NAMES)
def test_every_zone_name_is_accepted(name: str) -> None:
    """Each name of the database gives a schedule."""
    fire = CronSchedule("0 0 12 * * *", name).next_after(datetime(2027, 1, 1, tzinfo=UTC))
    assert fire is not None
    assert fire.astimezone(ZoneInfo(name)).hour == 12


def test_the_ends_of_the_calendar_have_no_surprises() -> None:
    """Whatever the zone, the first and the last day that datetime has can be asked about."""
    for name in ("Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"):
        for text in ("* * * * * *", "0 30 2 * * *", "0 */7 * * * *", "0 0 0 29 2 *"):
            schedule = CronSchedule(text, name)
            first = datetime.min.replace(tzinfo=UTC)
            last = datetime.max.replace(tzinfo=UTC)
            fire = schedule.next_after(first)
            assert fire is not None
            assert fire > first
            assert schedule.next_after(last) is None
            assert schedule.previous_epoch(int(first.timestamp())) is None
            assert schedule.previous_epoch(int(last.timestamp())) is not None


def test_the_version_of_the_zone_data_is_known() -> None:
    """Replicas can compare what they run on: a release such as 2026b, and where it comes from."""
    release, _, place = zone_data_version().partition(" ")
    assert release[:2] == "20"
    assert place.startswith("(")
