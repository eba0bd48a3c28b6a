"""The tables of the documentation are executed: what they promise is what happens."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from jobkit import CronSchedule, ScheduleError
from jobkit.schedules import Schedule, parse_schedule

DOCS = Path(__file__).parents[2] / "docs"
CLOCKS = DOCS / "explanation" / "schedules.md"
REFERENCE = DOCS / "reference" / "cron.md"
START = datetime(2027, 3, 1, tzinfo=UTC)  # the reference says so

Row = list[str]


def tables(page: Path) -> list[tuple[Row, list[Row]]]:
    """Each table of a Markdown page: its header, and its rows."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", page.read_text(encoding="utf-8"), flags=re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append((rows[0], rows[2:]))
    return found


def codes(cell: str) -> list[str]:
    """The texts in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def nights() -> list[tuple[str, str, str, str, str]]:
    """Zone, day, expression, kind of job and runs, from the tables of the clock changes."""
    found = []
    for header, rows in tables(CLOCKS):
        for first, kind, runs in rows:
            zone, day = (first if header[0] == "zone, day" else header[0]).split(":")[0].split(", ")
            found.append((zone, day, codes(first)[0], kind, runs))
    return found


@pytest.mark.parametrize(("zone", "day", "text", "kind", "runs"), nights())
def test_the_nights_are_as_documented(zone: str, day: str, text: str, kind: str, runs: str) -> None:
    """Between 01:00 and 04:00 of that local day exactly the documented runs happen, marked as documented."""
    schedule = CronSchedule(text, zone)
    assert ("fixed-time" if schedule.fixed_time else "interval") == kind
    assert happening(schedule, ZoneInfo(zone), datetime.fromisoformat(day)) == ("" if runs == "–" else runs)


def happening(schedule: CronSchedule, zone: ZoneInfo, day: datetime) -> str:
    """The fires from 01:00 until before 04:00 as a table cell; a midnight made up for is among them."""
    first, last = (day.replace(hour=hour, tzinfo=zone).astimezone(UTC) for hour in (1, 4))
    shown = []
    fire = schedule.next_after(first - timedelta(seconds=1))
    while fire is not None and fire < last:
        local = fire.astimezone(zone)
        note = schedule.note(fire)
        mark = f" ({note.split(':')[0]})" if note else ""
        if local.date() == day.date():  # a skipped day has no hours: its instants belong to the next
            shown.append(f"{local:%H:%M}{local.strftime('%z')[:3]}{mark}")
        fire = schedule.next_after(fire)
    return ", ".join(shown)


def test_both_nights_show_the_four_expressions() -> None:
    """Spring and autumn have the four expressions whose difference the page is about."""
    wanted = {"0 30 2 * * *", "0 0 */2 * * *", "0 */15 * * * *", "0 */15 2 * * *"}
    for day in ("2027-03-28", "2027-10-31"):
        assert wanted <= {text for zone, when, text, _, _ in nights() if when == day}


def examples() -> list[tuple[str, str]]:
    """Every text of the reference with its next fires."""
    return [
        (text, row[-1])
        for header, rows in tables(REFERENCE)
        if header[-1] == "next fires"
        for row in rows
        for text in codes(row[header.index("example") if "example" in header else 0])
    ]


@pytest.mark.parametrize(("text", "fires"), examples())
def test_examples_fire_as_documented(text: str, fires: str) -> None:
    """The documented fires are the next ones after 1 March 2027, 00:00 UTC."""
    schedule = parse_schedule(text)
    assert isinstance(schedule, Schedule)
    expected = fires.split(", ")
    assert [f"{fire:%Y-%m-%d %H:%M:%S}" for fire in schedule.upcoming(START, len(expected))] == expected


def refused() -> list[tuple[str, str]]:
    """Every text that the reference lists as refused, with its code."""
    return [
        (codes(row[0])[0], row[2])
        for header, rows in tables(REFERENCE)
        if header[-1] == "code"
        for row in rows
    ]


@pytest.mark.parametrize(("text", "code"), refused())
def test_refused_texts_are_refused_as_documented(text: str, code: str) -> None:
    """What the reference calls refused raises a ScheduleError with the documented code."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert caught.value.code == code


def test_no_table_is_overlooked() -> None:
    """The tests above found rows in each of the tables that promise something."""
    assert len(nights()) >= 16
    assert len(examples()) >= 25
    assert len(refused()) >= 10


def test_the_python_example_says_what_is_described() -> None:
    """The words in the Python example are those that `describe` returns."""
    page = REFERENCE.read_text(encoding="utf-8")
    match = re.search(r'CronSchedule\("(.+)", "(.+)"\)', page)
    words = re.search(r"schedule\.describe\(\)  # (.+)", page)
    assert match is not None
    assert words is not None
    assert CronSchedule(match[1], match[2]).describe() == words[1]
