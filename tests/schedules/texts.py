"""Expressions and zones to try: the whole accepted grammar, and every kind of clock change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

RANGES = [(0, 59, 59), (0, 59, 59), (0, 23, 23), (1, 31, 31), (1, 12, 12), (0, 7, 7)]
MONTHS = ["JAN", "feb", "Mar", "APR", "may", "Jun", "JUL", "aug", "Sep", "OCT", "nov", "Dec"]
WEEKDAYS = ["SUN", "mon", "Tue", "WED", "thu", "Fri", "SAT"]

#: Zone and year, one line for each kind of change that has broken a cron somewhere.
CLOCK_CHANGES = [
    ("Europe/Berlin", 2025),
    ("America/New_York", 2026),
    ("Europe/Dublin", 2025),  # winter time is the exception ("negative DST")
    ("Antarctica/Troll", 2025),  # two hours
    ("Australia/Lord_Howe", 2025),  # thirty minutes
    ("America/Havana", 2025),  # midnight does not happen
    ("Africa/Cairo", 2025),
    ("America/Santiago", 2025),
    ("Asia/Beirut", 2025),
    ("America/Sao_Paulo", 2018),
    ("Africa/Casablanca", 2025),  # Ramadan: back, and forth again a month later
    ("Africa/Cairo", 2010),  # four changes in a year
    ("Pacific/Apia", 2011),  # 30 December does not happen
    ("Pacific/Kiritimati", 1994),  # nor does the last day of this year
    ("Pacific/Kwajalein", 1993),
    ("Pacific/Kwajalein", 1969),  # nearly a whole day happens twice
    ("Asia/Pyongyang", 2015),
    ("Asia/Pyongyang", 2018),
    ("America/Caracas", 2007),
    ("America/Caracas", 2016),
    ("Asia/Kathmandu", 1986),  # fifteen minutes
    ("Africa/Monrovia", 1972),  # forty-four minutes and thirty seconds
    ("Pacific/Chatham", 2025),
    ("Europe/Moscow", 2014),
    ("Europe/Istanbul", 2016),
    ("Europe/Volgograd", 2020),
    ("Asia/Gaza", 2023),
    ("Asia/Tehran", 2022),
    ("America/Juneau", 1983),
    ("Australia/Adelaide", 2025),
]


@cache
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """The instants of *year* at which the zone's clock is set, in UTC."""
    info = ZoneInfo(zone)

    def offset(instant: datetime) -> timedelta | None:
        return instant.astimezone(info).utcoffset()

    found = []
    before = datetime(year, 1, 1, tzinfo=UTC) - timedelta(days=2)
    while before.year <= year:
        after = before + timedelta(hours=12)
        if offset(before) != offset(after):
            low, high = before, after
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            found.append(high)
        before = after
    return tuple(found)


@st.composite
def near_a_change(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone, and an instant within thirty hours of a change of its clock."""
    zone, year = draw(st.sampled_from(CLOCK_CHANGES))
    change = draw(st.sampled_from(changes(zone, year)))
    seconds = draw(
        st.integers(-108_000, 108_000) | st.sampled_from([-1, 0, 1, -3600, 3600, -3601, 3599, -1800, 1800])
    )
    return zone, change + timedelta(seconds=seconds)


def _number(index: int) -> st.SearchStrategy[str]:
    low, high, _ = RANGES[index]
    numbers = st.integers(low, high).map(str) | st.integers(low, high).map(lambda n: f"{n:02}")
    names = {4: MONTHS, 5: WEEKDAYS}.get(index)
    return numbers | st.sampled_from(names) if names else numbers


@st.composite
def _term(draw: st.DrawFn, index: int) -> str:
    low, high, largest_step = RANGES[index]
    form = draw(st.sampled_from(["n", "n", "n", "a-b", "a-b/s", "*/s", "n/s", "*"]))
    step = draw(st.integers(1, largest_step))
    if form.startswith("a-b"):
        first = draw(st.integers(low, high))
        text = f"{first}-{draw(st.integers(first, high))}"
    else:
        text = "*" if form.startswith("*") else draw(_number(index))
    return f"{text}/{step}" if form.endswith("/s") else text


@st.composite
def field(draw: st.DrawFn, index: int) -> str:
    """Any accepted text for the field at *index*, without ``H``."""
    if index == 3 and draw(st.integers(0, 7)) == 0:
        return f"{draw(st.integers(1, 31))}{draw(st.sampled_from('Ww'))}"
    if index == 5 and draw(st.integers(0, 4)) == 0:
        special = st.builds(
            "".join, st.tuples(_number(5), st.sampled_from(["L", "l", "#1", "#2", "#3", "#4", "#05"]))
        )
        return ",".join(draw(st.lists(special, min_size=1, max_size=3)))
    terms = _term(index) | st.sampled_from("Ll") if index == 3 else _term(index)
    return ",".join(draw(st.lists(terms, min_size=1, max_size=3)))


def _mostly_star(index: int) -> st.SearchStrategy[str]:
    return st.just("*") | st.just("*") | field(index)


#: Any accepted expression; some of them name no day that exists.
expressions = st.tuples(*(field(i) for i in range(3)), *(_mostly_star(i) for i in (3, 4, 5))).map(" ".join)

#: Expressions that say something about the hours around a clock change, a few fires a minute at most.
around_a_change = st.tuples(
    st.sampled_from(["0", "0", "0", "30", "15,45", "*/20"]),
    st.sampled_from(["*", "*/15", "*/7", "0", "30", "0,30", "15", "10-20/5", "59", "45/5"]),
    st.sampled_from(["*", "*/2", "*/3", "0", "1", "2", "3", "0-3", "1,2,3", "23", "0,2", "22-23", "4"]),
    st.sampled_from(["*", "*", "*", "L", "*/2", "29-31", "1"]),
    st.just("*"),
    st.sampled_from(["*", "*", "*", "0", "*/2", "1-5", "0L", "SUN#2"]),
).map(" ".join)


def single_fields(index: int) -> Iterator[str]:
    """Every form of one field: each number, range, step and name; about 100,000 for a minute."""
    low, high, largest_step = RANGES[index]
    last = 6 if index == 5 else high
    yield from ["*", *(f"*/{step}" for step in range(1, largest_step + 1))]
    for first in range(low, high + 1):
        yield str(first)
        yield from (f"{first}/{step}" for step in range(1, largest_step + 1))
        for end in range(first, high + 1):
            yield f"{first}-{end}"
            if first <= last:
                yield from (f"{first}-{end}/{step}" for step in range(1, largest_step + 1))
    if index == 3:
        yield from ["L", "1,L", "L,15", *(f"{day}W" for day in range(1, 32))]
    if index in {4, 5}:
        names = MONTHS if index == 4 else WEEKDAYS
        yield from names
        yield from (f"{a}-{b}" for i, a in enumerate(names) for b in names[i:])
    if index == 5:
        yield from (
            f"{day}{end}" for day in [*range(8), *WEEKDAYS] for end in ("L", "#1", "#2", "#3", "#4", "#5")
        )
