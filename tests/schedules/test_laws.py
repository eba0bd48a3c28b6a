"""Laws that hold for every expression in every zone, tried against a slow enumerator."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given
from hypothesis import strategies as st

from jobkit import CronSchedule, ScheduleError
from tests.schedules import oracle
from tests.schedules.texts import around_a_change, expressions, near_a_change
from tests.sweep import examples

WINDOW = timedelta(hours=40)


def walk(schedule: CronSchedule, start: datetime, end: datetime) -> list[datetime]:
    """Every fire after *start* up to *end*, each asked for from the one before."""
    fires: list[datetime] = []
    fire = schedule.next_after(start)
    while fire is not None and fire <= end:
        fires.append(fire)
        fire = schedule.next_after(fire)
    return fires


def accepted(text: str, zone: str = "UTC") -> CronSchedule:
    """The schedule, or another example if no day matches or croniter takes ``L,2-31`` for all days."""
    try:
        return CronSchedule(text, zone)
    except ScheduleError as error:
        assume(error.code not in {"JK308", "JK316"})
        raise


@given(where=near_a_change(), text=around_a_change)
@examples(200)
@example(where=("Europe/Berlin", datetime(2025, 3, 29, 20, tzinfo=UTC)), text="0 30 2 * * *")
@example(where=("Australia/Lord_Howe", datetime(2025, 10, 4, 2, tzinfo=UTC)), text="0 15 2 * * *")
@example(where=("Pacific/Apia", datetime(2011, 12, 29, 20, tzinfo=UTC)), text="0 30 2 * * *")
@example(where=("Pacific/Kwajalein", datetime(1969, 9, 30, 2, tzinfo=UTC)), text="0 0 */2 * * *")
def test_around_a_clock_change_every_minute_agrees(where: tuple[str, datetime], text: str) -> None:
    """Within forty hours around a change the fires are those of looking at each minute."""
    zone, start = where
    end = start + WINDOW
    expected = oracle.fires(text, ZoneInfo(zone), start, end)
    assert walk(CronSchedule(text, zone), start, end) == expected


@given(text=expressions, where=near_a_change())
@examples(50)
def test_a_fire_is_strictly_later_and_matches(text: str, where: tuple[str, datetime]) -> None:
    """The next fire is later than the question, and at most a made-up one is off its reading."""
    zone, start = where
    schedule = accepted(text, zone)
    cron = oracle.read(text)
    previous = start
    for fire in schedule.upcoming(start, 5):
        assert fire > previous
        assert fire.tzinfo is UTC
        local = fire.astimezone(ZoneInfo(zone))
        shown = local.second in cron.seconds and local.minute in cron.minutes and local.hour in cron.hours
        made_up = (schedule.note(fire) or "").startswith("made up")
        assert made_up or (shown and cron.on(local.date()))
        previous = fire


@given(text=expressions, where=near_a_change(), later=st.integers(0, 400_000))
@examples(50)
def test_a_later_question_has_no_earlier_answer(text: str, where: tuple[str, datetime], later: int) -> None:
    """`next_after` is monotone: asking later never answers with an earlier fire."""
    zone, start = where
    schedule = accepted(text, zone)
    first = schedule.next_after(start)
    second = schedule.next_after(start + timedelta(seconds=later))
    assert first is not None
    assert second is not None
    assert first <= second
    assert start + timedelta(seconds=later) >= first or second == first


@given(text=around_a_change, where=near_a_change(), stop=st.integers(0, int(WINDOW.total_seconds())))
@examples(50)
def test_a_restart_anywhere_changes_nothing(text: str, where: tuple[str, datetime], stop: int) -> None:
    """The fires up to a moment and those from it on are together the fires of one long walk."""
    zone, start = where
    middle, end = start + timedelta(seconds=stop), start + WINDOW
    schedule, anew = CronSchedule(text, zone), CronSchedule(text, zone)
    assert walk(schedule, start, middle) + walk(anew, middle, end) == walk(schedule, start, end)


@given(text=expressions, where=near_a_change(), micro=st.integers(1, 999_999))
@examples(50)
def test_fractions_of_a_second_are_before_the_next_second(
    text: str, where: tuple[str, datetime], micro: int
) -> None:
    """A fire one microsecond ahead is still ahead, and one just passed is not repeated."""
    zone, start = where
    schedule = accepted(text, zone)
    fire = schedule.next_after(start)
    assert fire is not None
    assert schedule.next_after(fire - timedelta(microseconds=micro)) == fire
    assert schedule.next_after(fire + timedelta(microseconds=micro)) == schedule.next_after(fire)


@given(text=around_a_change, where=near_a_change(), seconds=st.integers(0, 200_000))
@examples(50)
@example(text="0 0 2,3 * * *", where=("Europe/Berlin", datetime(2025, 3, 29, 20, tzinfo=UTC)), seconds=36_000)
@example(text="0 30 2 * * *", where=("Europe/Berlin", datetime(2025, 10, 25, 20, tzinfo=UTC)), seconds=18_600)
@example(
    text="0 30 2 * * *", where=("Europe/Berlin", datetime(2025, 10, 26, 1, 5, tzinfo=UTC)), seconds=9_000
)
def test_counting_agrees_with_walking(text: str, where: tuple[str, datetime], seconds: int) -> None:
    """`count` is the number of fires that a walk finds, without the walk."""
    zone, start = where
    schedule = CronSchedule(text, zone)
    end = start + timedelta(seconds=seconds)
    assert schedule.count(_epoch(start), _epoch(end)) == len(walk(schedule, start, end))


@given(text=expressions, where=near_a_change(), years=st.integers(0, 3))
@examples(50)
@example(
    text="*/20 * */3 */2 * */2", where=("Asia/Tehran", datetime(2022, 9, 22, 15, 43, tzinfo=UTC)), years=3
)
def test_counts_add_up(text: str, where: tuple[str, datetime], years: int) -> None:
    """A count over years is the sum of the counts of its parts, and begins after its start."""
    zone, start = where
    schedule = accepted(text, zone)
    first, last = _epoch(start), _epoch(start) + years * 31_556_952
    middle = (first + last) // 2
    assert schedule.count(first, last) == schedule.count(first, middle) + schedule.count(middle, last)
    fire = schedule.next_epoch(first)
    assert fire is not None
    assert (schedule.count(first, fire - 1), schedule.count(first, fire)) == (0, 1)


@given(text=expressions, where=near_a_change())
@examples(50)
def test_the_previous_fire_is_the_one_before(text: str, where: tuple[str, datetime]) -> None:
    """`previous_epoch` walks back over the same fires that `next_epoch` walks forward over."""
    zone, start = where
    schedule = accepted(text, zone)
    first = schedule.next_epoch(_epoch(start))
    assert first is not None
    second = schedule.next_epoch(first)
    assert second is not None
    assert schedule.previous_epoch(second) == first
    assert schedule.previous_epoch(first + 1) == first


def _epoch(instant: datetime) -> int:
    return int(instant.timestamp())
