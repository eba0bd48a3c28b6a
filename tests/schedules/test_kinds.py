"""The other kinds of schedule: `every`, `at`, aliases, lists, and what plugins add."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import CronSchedule, ScheduleError
from jobkit.schedules import (
    BUILTIN_KINDS,
    MANUAL,
    EpochSchedule,
    Schedule,
    ScheduleKind,
    UnionSchedule,
    parse_schedule,
)

START = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)


def parsed(text: str | list[str], timezone: str = "UTC", name: str = "") -> Schedule:
    """The schedule, which must be one."""
    schedule = parse_schedule(text, timezone=timezone, name=name)
    assert isinstance(schedule, Schedule)
    return schedule


def fires(schedule: Schedule, count: int = 3, start: datetime = START) -> list[str]:
    return [f"{fire:%Y-%m-%dT%H:%M:%S}" for fire in schedule.upcoming(start, count)]


def test_no_text_means_started_by_hand() -> None:
    """The empty text, list and tuple are no schedule at all."""
    assert parse_schedule(MANUAL) is None
    assert parse_schedule([]) is None
    assert parse_schedule(()) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 30s", 30),
        ("every 5m", 300),
        ("every 2h30m", 9000),
        ("every 1d", 86_400),
        ("  every\t90s ", 90),
    ],
)
def test_every_fires_on_a_grid_from_the_epoch(text: str, seconds: int) -> None:
    """Each fire is a multiple of the duration since 1970, whatever it was asked from."""
    found = parsed(text).upcoming(START + timedelta(seconds=7), 50)
    assert all(fire.timestamp() % seconds == 0 for fire in found)
    assert {b - a for a, b in itertools.pairwise(found)} == {timedelta(seconds=seconds)}


def test_every_knows_no_clock_changes() -> None:
    """The zone of the job does not move an interval of elapsed time."""
    assert fires(parsed("every 1h", "Europe/Berlin"), 48) == fires(parsed("every 1h"), 48)


@given(seconds=st.integers(1, 10**7), after=st.integers(-(10**9), 10**10), length=st.integers(0, 10**6))
def test_every_counts_and_looks_back_as_it_walks(seconds: int, after: int, length: int) -> None:
    """`count` and `previous_epoch` tell of the same fires as `next_epoch`."""
    schedule = parsed(f"every {seconds}s")
    first = schedule.next_epoch(after)
    assert first is not None
    assert after < first <= after + seconds
    assert schedule.previous_epoch(first) == first - seconds
    assert schedule.count(after, after + length) == len(range(first, after + length + 1, seconds))


@pytest.mark.parametrize("text", ["every", "every 0s", "every 5", "every 500ms", "every 1.5s", "every -5m"])
def test_every_needs_whole_seconds(text: str) -> None:
    """Nothing, no unit, and parts of a second are refused (JK310)."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert caught.value.code == "JK310"


@pytest.mark.parametrize(
    ("text", "zone", "fire"),
    [
        ("at 2027-04-01T03:00:00Z", "Europe/Berlin", "2027-04-01T03:00:00"),
        ("at 2027-04-01t03:00:00+02:00", "UTC", "2027-04-01T01:00:00"),
        ("at 2027-04-01 03:00", "Europe/Berlin", "2027-04-01T01:00:00"),
        ("AT 2027-04-01T03:00:00.000Z", "UTC", "2027-04-01T03:00:00"),
        ("at 2027-10-31T02:30:00", "Europe/Berlin", "2027-10-31T00:30:00"),  # the first of two
    ],
)
def test_at_fires_once(text: str, zone: str, fire: str) -> None:
    """One fire at that instant, and none after it."""
    schedule = parsed(text, zone)
    assert fires(schedule) == [fire]
    assert schedule.next_after(datetime.fromisoformat(fire + "Z")) is None
    assert schedule.note(datetime.fromisoformat(fire + "Z")) is None


def test_at_in_a_gap_is_made_up_for() -> None:
    """A time that the clock skips becomes the first instant after the gap, and says so."""
    schedule = parsed("at 2027-03-28T02:30:00", "Europe/Berlin")
    assert fires(schedule) == ["2027-03-28T01:00:00"]
    assert schedule.note(datetime(2027, 3, 28, 1, tzinfo=UTC)) == (
        "made up: 02:30, as the clock went from 02:00 to 03:00"
    )


@pytest.mark.parametrize(
    "text",
    [
        "at",
        "at noon",
        "at 2027-04-01",
        "at 2027-02-30T00:00:00Z",
        "at 2027-04-01T24:00:00Z",
        "at 2027-04-01T03:00:60Z",
        "at 2027-04-01T03:00:00.5Z",
        "at 2027-W13-4T03:00:00Z",
        "at 0000-01-01T00:00:00Z",
        "at 9999-12-31T23:59:59-12:00",
        "at 2011-12-30T12:00:00",  # a day that this zone did not have
    ],
)
def test_at_needs_an_instant(text: str) -> None:
    """What is no date and time, or never comes, is refused (JK311)."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text, timezone="Pacific/Apia")
    assert caught.value.code == "JK311"


@pytest.mark.parametrize(
    ("alias", "expression"),
    [
        ("@yearly", "0 0 0 1 1 *"),
        ("@annually", "0 0 0 1 1 *"),
        ("@monthly", "0 0 0 1 * *"),
        ("@weekly", "0 0 0 * * 0"),
        ("@daily", "0 0 0 * * *"),
        ("@midnight", "0 0 0 * * *"),
        ("@Hourly", "0 0 * * * *"),
    ],
)
def test_aliases_stand_for_cron_expressions(alias: str, expression: str) -> None:
    """An alias fires as its expression does, and keeps its text."""
    schedule = parsed(alias, "America/Havana")
    assert fires(schedule, 20) == fires(CronSchedule(expression, "America/Havana"), 20)
    assert schedule.text == alias
    assert schedule.describe() == CronSchedule(expression, "America/Havana").describe()


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("@dayly", "`@daily`"),
        ("@reboot", "run_on_startup"),
        ("@every 5m", "`every 5m`"),
        ("@", "`@hourly`"),
        ("evry 5m", "`every`"),
        ("daily", "`@daily`"),
        ("sunset Berlin", "a schedule is"),
    ],
)
def test_unknown_words_are_refused_with_the_closest(text: str, help: str) -> None:
    """What begins like no kind of schedule is refused with what it may have meant (JK312)."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert caught.value.code == "JK312"
    assert help in (caught.value.help or "")


def test_a_list_fires_on_the_union() -> None:
    """Each entry adds its fires; what coincides fires once."""
    schedule = parsed(["0 0 */6 * * *", "0 0 3,6 * * *", "at 2027-03-27T15:00:00Z"])
    assert fires(schedule, 5) == [
        "2027-03-27T15:00:00",
        "2027-03-27T18:00:00",
        "2027-03-28T00:00:00",
        "2027-03-28T03:00:00",
        "2027-03-28T06:00:00",
    ]
    assert schedule.text == "0 0 */6 * * * | 0 0 3,6 * * * | at 2027-03-27T15:00:00Z"
    assert schedule.describe().count("; and ") == 2


def test_duplicates_in_a_list_collapse() -> None:
    """The same text twice, blanks apart, is one entry; one entry alone is itself."""
    assert isinstance(parsed(["0 0 3 * * *", " 0  0 3 * * * "]), CronSchedule)
    assert isinstance(parsed(["@daily"]), CronSchedule)
    assert isinstance(parsed(["@daily", "@hourly", "@daily"]), UnionSchedule)
    assert parsed(["@daily", "@hourly", "@daily"]).text == "@daily | @hourly"


@pytest.mark.parametrize("text", [["@daily", ""], [" "], [None], [5], [["@daily"]], ["@daily"] * 101])
def test_a_wrong_list_is_refused(text: list[str]) -> None:
    """An empty entry, one that is no text, and too many are refused (JK313)."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule(text)
    assert caught.value.code == "JK313"


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
    texts=st.lists(
        st.sampled_from(["0 */7 * * * *", "every 13m", "0 30 2 * * *", "@daily", "at 2025-06-01T00:00:00Z"]),
        min_size=2,
        max_size=4,
        unique=True,
    ),
)
def test_a_union_is_what_its_entries_are_together(start: datetime, texts: list[str]) -> None:
    """The fires of a day are those of the entries, sorted, each once; counted and walked back too."""
    first = int(start.replace(tzinfo=UTC).timestamp())
    union = parsed(texts, "Europe/Berlin")
    together: set[int] = set()
    for text in texts:
        fire = parsed(text, "Europe/Berlin").next_epoch(first)
        while fire is not None and fire <= first + 86_400:
            together.add(fire)
            fire = parsed(text, "Europe/Berlin").next_epoch(fire)
    walked = [int(fire.timestamp()) for fire in union.upcoming(start.replace(tzinfo=UTC), len(together))]
    assert walked == sorted(together)
    assert union.count(first, first + 86_400) == len(together)
    assert union.previous_epoch(walked[-1] + 1) == walked[-1]


def test_a_union_notes_what_only_made_up_entries_bring() -> None:
    """A fire is made up only if no entry has it of its own accord."""
    spring = datetime(2027, 3, 28, 1, tzinfo=UTC)
    only = parsed(["0 30 2 * * *", "0 15 2 * * *"], "Europe/Berlin")
    assert (only.note(spring) or "").count("made up") == 2
    own = parsed(["0 30 2 * * *", "0 0 3 * * *"], "Europe/Berlin")
    assert fires(own, 1) == ["2027-03-28T01:00:00"]
    assert own.note(spring) is None


class Weekly(EpochSchedule):
    """A plugin's schedule: the same second of each week."""

    def next_epoch(self, second: int) -> int | None:
        return (second // 604_800 + 1) * 604_800

    def describe(self) -> str:
        return "once a week"


def test_a_plugin_adds_a_kind() -> None:
    """A kind with its own word is tried before cron, and gets everything else for free."""
    kind = ScheduleKind("weekly", lambda text, timezone, name: Weekly(text, timezone), "a week: `weekly`")
    schedule = parse_schedule("weekly", timezone="Europe/Berlin", kinds=(kind, *BUILTIN_KINDS))
    assert isinstance(schedule, Weekly)
    assert fires(schedule, 2) == ["2027-04-01T00:00:00", "2027-04-08T00:00:00"]
    assert schedule.previous_epoch(604_800 * 5) == 604_800 * 4
    assert schedule.count(0, 604_800 * 5) == 5
    assert (schedule.note(START), schedule.warnings(), schedule.timezone) == (None, (), "Europe/Berlin")
    assert repr(schedule) == "Weekly('weekly', timezone='Europe/Berlin')"


def test_a_plugin_kind_joins_lists_and_suggestions() -> None:
    """In a list it stands beside built-in kinds; a misspelling of its word finds it."""
    kind = ScheduleKind(
        "sunset", lambda text, timezone, name: Weekly(text, timezone), "a sunset: `sunset Berlin`"
    )
    kinds = (kind, *BUILTIN_KINDS)
    assert isinstance(parse_schedule(["sunset Berlin", "@daily"], kinds=kinds), UnionSchedule)
    with pytest.raises(ScheduleError) as caught:
        parse_schedule("sunsett Berlin", kinds=kinds)
    assert caught.value.help == "did you mean `sunset`?"


def test_a_plugin_kind_may_match_as_it_likes() -> None:
    """`matches` replaces the prefix; cron still takes what nobody claims."""
    kind = ScheduleKind(
        "", lambda text, timezone, name: Weekly(text), "weeks", matches=lambda text: text.endswith("weeks")
    )
    assert isinstance(parse_schedule("all weeks", kinds=(kind, *BUILTIN_KINDS)), Weekly)
    assert isinstance(parse_schedule("0 0 3 * * *", kinds=(kind,)), CronSchedule)
