"""A schedule as an object: described, compared, copied, shared between threads, made cheaply."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from jobkit import CronSchedule
from jobkit.schedules import Schedule, parse_schedule

START = datetime(2027, 3, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 3 * * *", "at 03:00 every day"),
        ("15 30 2 * * *", "at 02:30:15 every day"),
        ("0 0 9,17 * * MON-FRI", "at 09:00 and 17:00 on Monday to Friday"),
        ("0 0 * * * *", "every hour"),
        ("0 30 * * * *", "every hour, at minute 30"),
        ("0 0 */2 * * *", "every 2 hours"),
        ("0 */15 * * * *", "every 15 minutes"),
        ("*/5 * * * * *", "every 5 seconds"),
        ("* * * * * *", "every second"),
        ("0 * * * * *", "every minute"),
        ("30 */10 * * * *", "at second 30, every 10 minutes"),
        ("*/7 * * * * *", "at seconds 0, 7, 14, 21, 28, 35, 42, 49 and 56"),
        ("0 */7 9-17 * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56, in hours 9 to 17"),
        ("0 1/5 * * * *", "at minutes 1, 6, 11, ... 56 (12 values)"),
        ("0 0 0 * * 0", "at 00:00 on Sunday"),
        ("0 0 0 * * 0,6", "at 00:00 on Saturday and Sunday"),
        ("0 0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 0 1,15,L * *", "at 00:00 on days 1 and 15 and the last day of the month"),
        ("0 0 0 15W * *", "at 00:00 on the Monday to Friday nearest to day 15 of the month"),
        ("0 0 0 * * 5L", "at 00:00 on the last Friday of the month"),
        ("0 0 0 * * 5#2,1#1", "at 00:00 on the first Monday and second Friday of the month"),
        ("0 0 0 29 2 *", "at 00:00 on day 29 of the month in February"),
        ("0 0 0 * 6-8,12 *", "at 00:00 every day in June to August and December"),
        ("0 0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday"),
        ("0 0 0 */10 * 5", "at 00:00 on days 1, 11, 21 and 31 of the month, if that is Friday"),
        ("0 0 0 L * 5#2", "at 00:00 on the last day of the month or on the second Friday of the month"),
    ],
)
def test_schedules_are_described_in_words(text: str, words: str) -> None:
    """The description says what the fields say, and names the zone."""
    assert CronSchedule(text, "Europe/Berlin").describe() == f"{words} (Europe/Berlin)"


def test_h_is_described_by_what_it_came_to() -> None:
    """Somebody who asks when a job with ``H`` runs is told the time."""
    schedule = CronSchedule("0 H 3 * * *", name="cleanup")
    fire = schedule.next_after(START)
    assert fire is not None
    assert schedule.describe() == f"at 03:{fire.minute:02} every day (UTC)"


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("0 0 3 1 * 5", "either may match, because neither starts with `*`"),
        ("0 0 3 */2 * 5", "both must match, because one of them starts with `*`"),
        ("0 0 3 1 * */2", "both must match, because one of them starts with `*`"),
    ],
)
def test_two_restricted_day_fields_are_remarked(text: str, remark: str) -> None:
    """Which of the two day rules holds is said where it matters."""
    (warning,) = CronSchedule(text).warnings()
    assert warning.endswith(remark)


@pytest.mark.parametrize("text", ["0 0 3 * * *", "0 0 3 1 * *", "0 0 3 * * 5", "0 0 3 L * *"])
def test_one_restricted_day_field_is_not_remarked(text: str) -> None:
    """Where only one day field says something there is nothing to warn of."""
    assert CronSchedule(text).warnings() == ()


NOTES = [
    ("0 30 2 * * *", "2027-03-28T01:00:00Z", "made up: 02:30, as the clock went from 02:00 to 03:00"),
    ("0 */20 2 * * *", "2027-10-31T01:20:00Z", "repeated: the clock shows 02:20 for the second time"),
    (
        "0 0,20,40 2 * * *",
        "2027-03-28T01:00:00Z",
        "made up: 02:00 and 2 more, as the clock went from 02:00 to 03:00",
    ),
    ("0 0 2,3 * * *", "2027-03-28T01:00:00Z", "also made up: 02:00, as the clock went from 02:00 to 03:00"),
    ("0 0 3 * * *", "2027-03-28T01:00:00Z", None),
    ("0 30 2 * * *", "2027-03-29T00:30:00Z", None),
    ("0 30 2 * * *", "2027-10-31T00:30:00Z", None),  # the first of two, and the only run
    ("0 */20 2 * * *", "2027-10-31T00:20:00Z", None),
    ("0 30 2 * * *", "2027-10-31T01:30:00Z", None),  # no fire, so nothing to remark
    ("0 30 2 * * *", "2027-03-28T01:00:00.5Z", None),
]


def test_a_day_that_did_not_happen_is_not_made_up() -> None:
    """Midnight after a skipped day is an ordinary midnight."""
    schedule = CronSchedule("0 0 0 * * *", "Pacific/Apia")
    (fire,) = schedule.upcoming(datetime(2011, 12, 29, 12, tzinfo=UTC), 1)
    assert fire == datetime(2011, 12, 30, 10, tzinfo=UTC)  # 31 December there
    assert schedule.note(fire) is None


@pytest.mark.parametrize(("text", "instant", "note"), NOTES)
def test_made_up_and_repeated_fires_are_noted(text: str, instant: str, note: str | None) -> None:
    """Exactly the fires that a clock change made up or repeats have a note."""
    assert CronSchedule(text, "Europe/Berlin").note(datetime.fromisoformat(instant)) == note


def test_any_aware_datetime_may_ask() -> None:
    """The zone of the question does not matter, the instant does; the answer is in UTC."""
    schedule = CronSchedule("0 0 3 * * *", "Asia/Tokyo")
    asked = [START, START.astimezone(timezone(timedelta(hours=-7))), START.astimezone()]
    assert {schedule.next_after(instant) for instant in asked} == {datetime(2027, 3, 27, 18, tzinfo=UTC)}
    answer = schedule.next_after(asked[1])
    assert answer is not None
    assert answer.tzinfo is UTC


def test_an_ambiguous_question_is_told_apart_by_its_fold() -> None:
    """02:30 the first time and 02:30 the second time are two instants."""
    from zoneinfo import ZoneInfo

    schedule = CronSchedule("0 */30 * * * *", "Europe/Berlin")
    first = datetime(2027, 10, 31, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    assert schedule.next_after(first) == datetime(2027, 10, 31, 1, 0, tzinfo=UTC)
    assert schedule.next_after(first.replace(fold=1)) == datetime(2027, 10, 31, 2, 0, tzinfo=UTC)


def test_upcoming_lists_as_many_as_there_are() -> None:
    """Zero asks for none, and a schedule that ends gives what it has."""
    assert CronSchedule("0 0 3 * * *").upcoming(START, 0) == []
    once = parse_schedule("at 2027-04-01T00:00:00Z")
    assert once is not None
    assert len(once.upcoming(START, 5)) == 1


def test_equal_schedules_are_equal() -> None:
    """Expression, zone and name make a schedule; nothing else does."""
    schedule = CronSchedule("0 0 3 * * *", "Europe/Berlin", name="a")
    assert schedule == CronSchedule("0 0 3 * * *", "Europe/Berlin", name="a")
    assert hash(schedule) == hash(CronSchedule("0 0 3 * * *", "Europe/Berlin", name="a"))
    assert schedule != CronSchedule("0 0 3 * * *", "Europe/Berlin", name="b")
    assert schedule != CronSchedule("0 0 3 * * *", "UTC", name="a")
    assert schedule != CronSchedule("0 0 4 * * *", "Europe/Berlin", name="a")
    assert schedule != "0 0 3 * * *"
    assert repr(schedule) == "CronSchedule('0 0 3 * * *', timezone='Europe/Berlin')"


@pytest.mark.parametrize("text", ["0 H 3 * * *", "@daily", "every 5m", "at 2027-04-01T00:00:00Z"])
def test_schedules_travel_to_other_processes(text: str) -> None:
    """Pickled or copied, a schedule has the same text and the same fires."""
    schedule = parse_schedule([text, "0 0 9 * * *"], timezone="Europe/Berlin", name="job")
    assert schedule is not None
    for other in (pickle.loads(pickle.dumps(schedule)), copy.copy(schedule), copy.deepcopy(schedule)):
        assert isinstance(other, Schedule)
        assert (other.text, other.timezone) == (schedule.text, schedule.timezone)
        assert other.upcoming(START, 5) == schedule.upcoming(START, 5)


def test_threads_share_schedules() -> None:
    """Tables and zones are shared by all schedules; threads far apart in time do not disturb each other."""
    texts = ["0 30 2 * * *", "0 0 0 29 2 *", "0 */15 * * * *", "0 0 9 L * FRI#2"]
    schedules = [CronSchedule(text, "Europe/Berlin") for text in texts]

    def fires(year: int) -> list[list[datetime]]:
        return [schedule.upcoming(datetime(year, 1, 1, tzinfo=UTC), 150) for schedule in schedules]

    years = [*range(1975, 2095, 5)]
    expected = [fires(year) for year in years]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(fires, years * 4)) == expected * 4


def test_importing_schedules_is_light() -> None:
    """croniter and the zone data are loaded by the first expression, not by the import."""
    code = (
        "import sys, jobkit.schedules as s\n"
        "heavy = {'croniter', 'dateutil', 'asyncio', 'difflib', 'importlib.resources'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "s.parse_schedule('every 5m')\n"
        "assert 'croniter' not in sys.modules\n"
        "s.CronSchedule('0 0 3 * * *')\n"
        "assert 'croniter' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
