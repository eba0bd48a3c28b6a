"""What cron text means, field by field: golden tables, croniter's verdict, a second reading."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from jobkit import CronSchedule
from jobkit.schedules.fields import FIELDS, read_field
from tests.schedules import oracle
from tests.schedules.texts import single_fields

START = datetime(2027, 3, 1, tzinfo=UTC)  # a Monday


def fires(text: str, count: int, start: datetime = START, name: str = "") -> list[str]:
    """The next fires as text, without what all of them share."""
    schedule = CronSchedule(text, name=name)
    return [fire.isoformat(" ")[:19] for fire in schedule.upcoming(start, count)]


EVERYDAY = {
    "0 0 * * * *": ["2027-03-01 01:00:00", "2027-03-01 02:00:00", "2027-03-01 03:00:00"],
    "0 */15 * * * *": ["2027-03-01 00:15:00", "2027-03-01 00:30:00", "2027-03-01 00:45:00"],
    "0 0 0 * * *": ["2027-03-02 00:00:00", "2027-03-03 00:00:00", "2027-03-04 00:00:00"],
    "0 0 3 * * *": ["2027-03-01 03:00:00", "2027-03-02 03:00:00", "2027-03-03 03:00:00"],
    "0 0 */2 * * *": ["2027-03-01 02:00:00", "2027-03-01 04:00:00", "2027-03-01 06:00:00"],
    "0 0 0 * * 0": ["2027-03-07 00:00:00", "2027-03-14 00:00:00", "2027-03-21 00:00:00"],
    "* * * * * *": ["2027-03-01 00:00:01", "2027-03-01 00:00:02", "2027-03-01 00:00:03"],
    "*/30 * * * * *": ["2027-03-01 00:00:30", "2027-03-01 00:01:00", "2027-03-01 00:01:30"],
    "0 30 9 * * MON-FRI": ["2027-03-01 09:30:00", "2027-03-02 09:30:00", "2027-03-03 09:30:00"],
    "0 0 12 1 * *": ["2027-03-01 12:00:00", "2027-04-01 12:00:00", "2027-05-01 12:00:00"],
    "0 0 0 1 1 *": ["2028-01-01 00:00:00", "2029-01-01 00:00:00", "2030-01-01 00:00:00"],
    "0 0 0 1,15 * 3": ["2027-03-03 00:00:00", "2027-03-10 00:00:00", "2027-03-15 00:00:00"],
    "0 0 0 */2 * 3": ["2027-03-03 00:00:00", "2027-03-17 00:00:00", "2027-03-31 00:00:00"],
}

CHANGED_IN_CRONITER_7 = {
    "0 59/15 * * * *": ["2027-03-01 00:59:00", "2027-03-01 01:59:00"],
    "0 0 0 * * 6/1": ["2027-03-06 00:00:00", "2027-03-13 00:00:00"],
    "0 0 0 31/5 * *": ["2027-03-31 00:00:00", "2027-05-31 00:00:00"],
    "0 0 23/5 * * *": ["2027-03-01 23:00:00", "2027-03-02 23:00:00"],
    "0 0 0 1 DEC/3 *": ["2027-12-01 00:00:00", "2028-12-01 00:00:00"],
}

#: Where other crons read the same text otherwise, or not at all.
PARTICULAR = {
    # An equal range is that value, not the whole field.
    "0 5-5 3 * * *": ["2027-03-01 03:05:00", "2027-03-02 03:05:00"],
    "0 0 0 1-1 * *": ["2027-04-01 00:00:00", "2027-05-01 00:00:00"],
    "0 0 0 * * MON-MON": ["2027-03-08 00:00:00", "2027-03-15 00:00:00"],
    # Sunday is 0 and 7.
    "0 0 0 * * 7": ["2027-03-07 00:00:00", "2027-03-14 00:00:00"],
    "0 0 0 * * 5-7": ["2027-03-05 00:00:00", "2027-03-06 00:00:00", "2027-03-07 00:00:00"],
    "0 0 0 * * FRI-7": ["2027-03-05 00:00:00", "2027-03-06 00:00:00", "2027-03-07 00:00:00"],
    "0 0 0 * * 5/1": ["2027-03-05 00:00:00", "2027-03-06 00:00:00", "2027-03-12 00:00:00"],
    "0 0 0 * * 7/3": ["2027-03-03 00:00:00", "2027-03-06 00:00:00", "2027-03-07 00:00:00"],
    # A step past the end leaves the first value.
    "0 50/15 3 * * *": ["2027-03-01 03:50:00", "2027-03-02 03:50:00"],
    "0 0 0 */31 * *": ["2027-04-01 00:00:00", "2027-05-01 00:00:00"],
    "*/59 0 0 * * *": ["2027-03-01 00:00:59", "2027-03-02 00:00:00", "2027-03-02 00:00:59"],
    # Leading zeros, blanks, tabs, any case.
    "00 0005 03 * * *": ["2027-03-01 03:05:00", "2027-03-02 03:05:00"],
    "  0\t5   3 *\t*  * ": ["2027-03-01 03:05:00", "2027-03-02 03:05:00"],
    "0 0 0 * jAn-Mar tUe": ["2027-03-02 00:00:00", "2027-03-09 00:00:00"],
    # The last day, the last and the n-th weekday, the nearest working day.
    "0 0 0 L * *": ["2027-03-31 00:00:00", "2027-04-30 00:00:00", "2027-05-31 00:00:00"],
    "0 0 0 L 2 *": ["2028-02-29 00:00:00", "2029-02-28 00:00:00"],
    "0 0 0 15,L * *": ["2027-03-15 00:00:00", "2027-03-31 00:00:00"],
    "0 0 0 * * 5L": ["2027-03-26 00:00:00", "2027-04-30 00:00:00"],
    "0 0 0 * * FRIL": ["2027-03-26 00:00:00", "2027-04-30 00:00:00"],
    "0 0 0 * * 5#2": ["2027-03-12 00:00:00", "2027-04-09 00:00:00"],
    "0 0 0 * * FRI#2,1#1": ["2027-03-12 00:00:00", "2027-04-05 00:00:00", "2027-04-09 00:00:00"],
    "0 0 0 * * 7#5": ["2027-05-30 00:00:00", "2027-08-29 00:00:00"],
    "0 0 0 15W 5,8 *": ["2027-05-14 00:00:00", "2027-08-16 00:00:00"],
    "0 0 0 1W 5,8 *": ["2027-05-03 00:00:00", "2027-08-02 00:00:00"],
    "0 0 0 31W * *": ["2027-03-31 00:00:00", "2027-05-31 00:00:00", "2027-07-30 00:00:00"],
    "0 0 0 31W 10 *": ["2027-10-29 00:00:00", "2028-10-31 00:00:00"],
    "0 0 0 28 3,4 2#5": [
        "2027-03-28 00:00:00",
        "2027-03-30 00:00:00",
        "2027-04-28 00:00:00",
        "2028-03-28 00:00:00",
    ],
    "0 0 0 30W 1-3 *": ["2027-03-30 00:00:00", "2028-01-31 00:00:00", "2028-03-30 00:00:00"],
    # Sparse: leap days, and leap days on a Sunday.
    "0 0 0 29 2 *": ["2028-02-29 00:00:00", "2032-02-29 00:00:00"],
    "0 0 0 29 2 */7": ["2032-02-29 00:00:00", "2060-02-29 00:00:00", "2088-02-29 00:00:00"],
    "0 0 0 */30 3 3#5": ["2027-03-31 00:00:00", "2032-03-31 00:00:00"],
}


@pytest.mark.parametrize(("text", "expected"), (EVERYDAY | CHANGED_IN_CRONITER_7 | PARTICULAR).items())
def test_golden_fires(text: str, expected: list[str]) -> None:
    """The text means exactly these instants, counted out by hand."""
    assert fires(text, len(expected)) == expected


@pytest.mark.parametrize("text", EVERYDAY)
def test_everyday_forms_agree_with_croniter(text: str) -> None:
    """croniter finds the same hundred fires for each of the forms that everybody writes."""
    theirs = croniter(
        text, START.replace(tzinfo=None), datetime, second_at_beginning=True, implement_cron_bug=True
    )
    expected = [f"{theirs.get_next():%Y-%m-%d %H:%M:%S}" for _ in range(100)]
    assert fires(text, 100) == expected


@pytest.mark.parametrize("index", range(6), ids=[field.name for field in FIELDS])
def test_a_sample_of_each_field_is_confirmed(index: int) -> None:
    """Some of all forms of one field: croniter and a second reading list the values that we list."""
    forms = list(single_fields(index))
    for text in random.Random(7).sample(forms, min(len(forms), 120)):
        check_field(index, text)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("index", range(6), ids=[field.name for field in FIELDS])
def test_every_form_of_each_field_is_confirmed(index: int) -> None:
    """Each number, range, step and name of the field: about 260,000 texts in all."""
    for text in single_fields(index):
        check_field(index, text)


def check_field(index: int, text: str) -> None:
    """Construction asks croniter; the values are compared with another reading of the text."""
    fields = ["*"] * 6
    fields[index] = text
    try:
        CronSchedule(" ".join(fields))
    except ValueError as error:
        raise AssertionError(text) from error
    special = text.upper().endswith(("L", "W")) or "#" in text or "L" in text.upper().split(",")
    if not special or text.upper() == "JUL":
        assert read_field(FIELDS[index], text).plain == oracle.plain(text.upper(), index), text


@given(name=st.text(max_size=20), text=st.sampled_from(["H", "H/15", "H(0-29)", "H(0-29)/10", "h/59"]))
def test_h_is_drawn_as_croniter_draws_it(name: str, text: str) -> None:
    """Jobs that come from croniter keep the times that their ``H`` stood for."""
    theirs, _ = croniter.expand(f"{text} {text} * * * *", hash_id=name.encode(), second_at_beginning=True)
    drawn = CronSchedule(f"{text} {text} * * * *", name=name).upcoming(START, 500)
    assert {fire.minute for fire in drawn} == set(theirs[0])
    assert {fire.second for fire in drawn} == set(theirs[5])


@given(name=st.text(max_size=20))
def test_h_among_the_days_of_a_month_comes_every_month(name: str) -> None:
    """A day of the month is drawn from 1 to 28: a monthly job never skips February."""
    drawn = CronSchedule("H H H H * *", name=name).upcoming(START, 12)
    assert [fire.month for fire in drawn] in ([*range(3, 13), 1, 2], [*range(4, 13), 1, 2, 3])
    assert len({(fire.day, fire.hour, fire.minute, fire.second) for fire in drawn}) == 1


def test_h_spreads_jobs() -> None:
    """A thousand jobs with ``H`` do not meet in one minute."""
    minutes = [fires("0 H * * * *", 1, name=f"job_{number}")[0] for number in range(1000)]
    assert max(minutes.count(minute) for minute in set(minutes)) < 40


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("0 0 0 * * H", 0, 6), ("0 0 0 * * H(1-5)", 1, 5), ("0 0 0 * * H(0-7)", 0, 6)],
)
def test_h_among_weekdays(text: str, low: int, high: int) -> None:
    """``H`` draws a weekday from its range; 7 is Sunday."""
    drawn = {
        fire.isoweekday() % 7
        for number in range(200)
        for fire in CronSchedule(text, name=f"job_{number}").upcoming(START, 1)
    }
    assert drawn == set(range(low, high + 1))


def test_the_name_matters_for_h_only() -> None:
    """Two jobs with the same plain expression fire together; with ``H`` each has its own time."""
    assert fires("0 5 3 * * *", 3, name="a") == fires("0 5 3 * * *", 3, name="b")
    assert fires("H H 3 * * *", 3, name="a") != fires("H H 3 * * *", 3, name="b")
    assert fires("H H 3 * * *", 3, name="a") == fires("H H 3 * * *", 3, name="a")


def test_sparse_dates_answer_at_the_end_of_the_calendar() -> None:
    """Where the calendar ends there is no next fire, and no error."""
    late = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC)
    assert fires("* * * * * *", 3, late) == ["9999-12-31 23:59:59"]
    assert fires("0 0 0 29 2 *", 1, late) == []
    assert fires("0 0 0 29 2 1", 2, datetime.min.replace(tzinfo=UTC)) == fires(
        "0 0 0 29 2 1", 2, datetime(1, 1, 1, tzinfo=UTC)
    )
    before_the_first = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))
    assert fires("0 0 12 * * *", 1, before_the_first) == ["0001-01-01 12:00:00"]
    assert fires("0 0 0 1 1 *", 1, datetime.min.replace(tzinfo=UTC)) == ["0002-01-01 00:00:00"]
