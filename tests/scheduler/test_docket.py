"""What is taken of what is due: something of every second, and of one second the most frequent first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobkit.scheduler.docket import Docket


def docket_of(*due: tuple[int, str, int]) -> Docket[str]:
    """Second, item, and seconds since it was due before."""
    docket: Docket[str] = Docket()
    for second, item, since in due:
        docket.add(second, item, since=since)
    return docket


def test_each_second_has_its_share() -> None:
    """A crowd leaves half to the one job of the next second, and takes what that leaves."""
    docket = docket_of(*((1, f"crowd{number}", 60) for number in range(100)), (2, "next", 60))
    taken = docket.take(10)
    assert "next" in taken
    assert (len(taken), len(docket)) == (10, 91)


def test_the_most_frequent_come_first() -> None:
    """Of one second; those alike in the order in which they came."""
    docket = docket_of((1, "hourly", 3600), (1, "b", 1), (1, "a", 1), (1, "daily", 86400))
    assert docket.take(3) == ["b", "a", "hourly"]
    assert docket.take(3) == ["daily"]


def test_no_second_is_forgotten() -> None:
    """With more seconds than are taken, the oldest and the newest have turns."""
    docket = docket_of(*((second, str(second), 1) for second in range(6)))
    turns = [docket.take(2) for _ in range(3)]
    assert sorted(map(sorted, turns)) == [["0", "1"], ["2", "3"], ["4", "5"]]
    assert {"0", "5"} <= {*turns[0], *turns[1]}


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=60),
    st.lists(st.integers(0, 12), max_size=40),
)
def test_everything_is_taken_once(due: list[tuple[int, int]], takes: list[int]) -> None:
    """Never more than asked for, and never less while there is any."""
    docket = docket_of(*((second, str(number), since) for number, (second, since) in enumerate(due)))
    taken: list[str] = []
    for limit in [*takes, len(due)]:
        before = len(docket)
        part = docket.take(limit)
        assert len(part) == min(limit, before)
        taken += part
    assert sorted(taken, key=int) == [str(number) for number in range(len(due))]
    assert len(docket) == 0
