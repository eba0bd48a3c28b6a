"""Agreement with engines that others wrote, wherever their rules are the same as ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given
from hypothesis import strategies as st

from jobkit import CronSchedule, ScheduleError
from tests.schedules.texts import WEEKDAYS, around_a_change, changes, expressions, near_a_change
from tests.sweep import examples

INSTANTS = st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1)).map(lambda d: d.replace(microsecond=0))
NO_SHIFT = timedelta(0)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def accepted(text: str) -> CronSchedule:
    """The schedule, or another example if no day matches or croniter takes ``L,2-31`` for all days."""
    try:
        return CronSchedule(text)
    except ScheduleError as error:
        assume(error.code not in {"JK308", "JK316"})
        raise


def in_cronsim(text: str) -> str:
    """*text*, or another example where cronsim has another grammar."""
    monthday, _, weekday = text.upper().split()[3:]
    for term in (term for field in text.split() for term in field.split(",") if "/" in term):
        first, _, last = term.partition("/")[0].partition("-")
        assume(first != last)  # it reads 5-5/2 as 5/2
    for term in weekday.split(","):
        assume(not (term.endswith("L") and not term[:-1].isdigit()))  # it has 5L, not FRIL
        assume("/" not in term or "*" in term or "-" in term)  # its n/2 runs to weekday 7
    assume("W" not in monthday)
    return text


def in_croniter(text: str) -> str:
    """*text* in the words of croniter, or another example where it has another meaning."""
    fields = text.upper().split()
    for term in (term for field in fields for term in field.split(",")):
        first, _, last = term.partition("/")[0].partition("-")
        assume(first != last and {first, last} != {"0", "7"})  # it reads an equal range as the whole field
    monthday, weekday = fields[3], fields[5]
    assume(monthday not in {"29W", "30W", "31W", "029W"})  # it clamps them in a short month
    # It does not apply the crontab's rule for two day fields to W, # and L.
    assume(all("*" not in field[1:] for field in (monthday, weekday)))  # nor does it see which comes first
    special = "W" in monthday or "#" in weekday or "L" in weekday
    assume(not special or "*" in {monthday, weekday})
    fields[5] = ",".join(_last_weekday(term) if term.endswith("L") else term for term in weekday.split(","))
    return " ".join(fields)


def _last_weekday(term: str) -> str:
    names = [name.upper() for name in WEEKDAYS]
    return f"L{names.index(term[:-1]) if term[:-1] in names else int(term[:-1]) % 7}"


def changes_near(zone: str, start: datetime) -> list[tuple[datetime, timedelta]]:
    """The changes of the clock within ninety days of *start*, and how far each one sets it."""
    info = ZoneInfo(zone)
    near = [
        change
        for year in (start.year - 1, start.year, start.year + 1)
        for change in changes(zone, year)
        if abs(change - start) < timedelta(days=90)
    ]
    offsets = [
        [(c - back).astimezone(info).utcoffset() or NO_SHIFT for back in (NO_SHIFT, SECOND)] for c in near
    ]
    return [(change, after - before) for change, (after, before) in zip(near, offsets, strict=True)]


@given(text=expressions, start=INSTANTS)
@examples(60)
def test_cronsim_agrees_in_utc(text: str, start: datetime) -> None:
    """cronsim finds the same five fires in UTC."""
    start = start.replace(tzinfo=UTC)
    schedule = accepted(in_cronsim(text))
    theirs = CronSim(text, start)
    assert schedule.upcoming(start, 5) == [next(theirs) for _ in range(5)]


@given(text=expressions, start=INSTANTS)
@examples(60)
def test_croniter_agrees_on_readings(text: str, start: datetime) -> None:
    """croniter, asked about a clock without a zone and with the crontab's day rule, agrees."""
    schedule = accepted(text)
    theirs = croniter(
        in_croniter(text), start, datetime, second_at_beginning=True, implement_cron_bug=True, day_or=True
    )
    ours = schedule.upcoming(start.replace(tzinfo=UTC), 5)
    assert [fire.replace(tzinfo=None) for fire in ours] == [theirs.get_next() for _ in range(5)]


@given(text=around_a_change, where=near_a_change())
@examples(60)
def test_cronsim_agrees_on_interval_jobs(text: str, where: tuple[str, datetime]) -> None:
    """With six fields cronsim reads the clock at every real instant: our rule for interval jobs."""
    zone, start = where
    schedule = CronSchedule(text, zone)
    assume(not schedule.fixed_time)
    for change, shift in changes_near(zone, start):
        # It steps by whole hours of the clock, and so over a change within one.
        assume(shift % HOUR == NO_SHIFT and change.astimezone(ZoneInfo(zone)).minute == 0)
        midnight = (change - SECOND).astimezone(ZoneInfo(zone)).hour == 23
        assume(not (midnight and shift > NO_SHIFT))  # it fires at a midnight that does not happen
    theirs = CronSim(in_cronsim(text), start.astimezone(ZoneInfo(zone)))
    assert schedule.upcoming(start, 6) == [next(theirs).astimezone(UTC) for _ in range(6)]


@given(text=around_a_change, where=near_a_change())
@examples(60)
def test_cronsim_agrees_on_fixed_time_jobs(text: str, where: tuple[str, datetime]) -> None:
    """With five fields cronsim follows the crontab's rule: ours for fixed-time jobs."""
    zone, start = where
    text = text.split(None, 1)[1]
    schedule = CronSchedule(f"0 {text}", zone)
    assume(schedule.fixed_time)
    for change, shift in changes_near(zone, start):
        assume(shift % HOUR == NO_SHIFT)
        assume(shift <= 3 * HOUR)  # it makes up for a skipped day too
        assume(not change <= start < change - shift)  # it takes the second pass for the first
    theirs = CronSim(in_cronsim(f"0 {text}")[2:], start.astimezone(ZoneInfo(zone)))
    assert schedule.upcoming(start, 6) == [next(theirs).astimezone(UTC) for _ in range(6)]
