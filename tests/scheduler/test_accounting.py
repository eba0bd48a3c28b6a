"""Whatever happens in whatever order: every due tick is accounted for by exactly one row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.scheduler.policies import Policy
from tests.scheduler.ledger import Act, Guard, Play, utc

#: Cron text, zone, and a start near something that goes wrong elsewhere.
SCHEDULES = [
    ("* * * * * *", "UTC", utc("2026-05-01T00:00:00.250")),
    ("*/20 * * * * *", "UTC", utc("2026-12-31T23:59:30")),
    ("0 */15 * * * *", "Europe/Berlin", utc("2026-03-29T00:10:00")),
    ("0 30 2 * * *", "Europe/Berlin", utc("2026-03-28T00:00:00")),
    ("0 30 2 * * *", "Europe/Berlin", utc("2026-10-24T12:00:00")),
    ("0 */30 2 * * *", "Europe/Berlin", utc("2026-10-24T23:40:00")),
    ("0 0 0 * * *", "America/Havana", utc("2026-03-07T12:00:00")),
    ("every 7m", "UTC", utc("2026-06-01T12:00:00")),
    ("at 2026-06-01T12:10:00Z", "UTC", utc("2026-06-01T12:00:00")),
]
REACH = {"* * * * * *": 20.0, "*/20 * * * * *": 400.0}

policies = st.builds(
    Policy,
    st.sampled_from(["latest", "all", "none"]),
    st.sampled_from([None, timedelta(0), timedelta(seconds=5), timedelta(minutes=30), timedelta(days=2)]),
    st.sampled_from([timedelta(0), timedelta(minutes=1)]),
)


def acts(reach: float, *, back: float) -> st.SearchStrategy[list[Act]]:
    """Anything that replicas, operators and clocks do; a clock is set back by *back* seconds at most."""
    one = st.one_of(
        st.builds(Act, st.just("pass"), seconds=st.floats(0, reach)),
        st.builds(Act, st.just("set"), seconds=st.floats(-back, reach)),
        st.builds(
            Act,
            st.sampled_from(["look", "claim", "claim", "claim, crash before", "claim, crash after"]),
            replica=st.integers(0, 2),
            busy=st.booleans(),
        ),
        st.builds(Act, st.sampled_from(["pause", "resume"])),
    )
    return st.lists(one, max_size=40)


@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize(("text", "zone", "start"), SCHEDULES)
@given(data=st.data(), policy=policies)
def test_every_due_tick_has_exactly_one_row(
    text: str, zone: str, start: datetime, data: st.DataObject, policy: Policy
) -> None:
    """Stale claims, crashes before and after the commit, pauses, steps of the clock within ten minutes."""
    script = data.draw(acts(REACH.get(text, 5000.0), back=500.0))
    # So many steps back as to come ten minutes before a mark are another test's.
    if sum(-act.seconds for act in script if act.what == "set" and act.seconds < 0) > 590:
        return
    assert Play(text, start, policy, zone=zone).play(script).problems() == []


@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize(("text", "zone", "start"), SCHEDULES)
@given(data=st.data(), policy=policies)
def test_no_tick_runs_twice_however_wrong_the_clock(
    text: str, zone: str, start: datetime, data: st.DataObject, policy: Policy
) -> None:
    """Hours back: marks are pulled back, every tick still has a row, and none a second run."""
    script = data.draw(acts(REACH.get(text, 5000.0), back=20_000.0))
    assert Play(text, start, policy, zone=zone).play(script).problems() == []


STALE = [
    Act("pass", seconds=61),
    Act("look", replica=0),
    Act("look", replica=1),
    Act("claim", replica=0, busy=True),
    Act("pass", seconds=1),
    Act("claim", replica=1, busy=True),
]
WRONG_CLOCK = [
    Act("set", seconds=3600),
    *[Act("claim")] * 3,
    Act("set", seconds=-3600),
    *[Act("claim")] * 3,
]


@pytest.mark.parametrize(
    ("guard", "text", "script"), [("mark", "*/20 * * * * *", STALE), ("unique", "0 0 * * * *", WRONG_CLOCK)]
)
def test_each_guard_is_needed(guard: Literal["mark", "unique"], text: str, script: list[Act]) -> None:
    """With the guard off the same acts give a tick two rows, or two runs."""
    start = utc("2026-05-01T00:00:00") - timedelta(seconds=0 if guard == "mark" else 900)

    def problems(*without: Guard) -> list[str]:
        return Play(text, start, Policy("all", timedelta(days=1)), without=without).play(script).problems()

    assert problems() == []
    assert problems(guard) != []
