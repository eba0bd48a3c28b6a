"""The agenda: what is due, in order, each job once, in slices."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobkit.scheduler.agenda import Agenda


def agenda(**due: int) -> Agenda[str]:
    """Jobs and when they are due."""
    made: Agenda[str] = Agenda()
    for key, at in due.items():
        made.schedule(key, at)
    return made


def test_what_is_due_comes_in_order() -> None:
    """The longest due first, of one instant in the order of scheduling; then it is off."""
    jobs = agenda(c=30, a=10, b=20, also_a=10, later=40)
    assert jobs.next_at == 10
    assert jobs.due(30.5, 100) == ["a", "also_a", "b", "c"]
    assert (len(jobs), jobs.next_at, jobs.due(30.5, 100)) == (1, 40, [])


def test_it_is_given_in_slices() -> None:
    """Rescheduling between two of them loses nothing and repeats nothing."""
    jobs = agenda(a=10, b=10, c=10)
    assert jobs.due(10, 2) == ["a", "b"]
    jobs.schedule("a", 11)
    assert jobs.due(10, 2) == ["c"]
    assert jobs.due(11, 2) == ["a"]


def test_a_job_is_due_once() -> None:
    """Scheduled again it is due then and not before; removed it is not due at all."""
    jobs = agenda(a=10, b=10)
    jobs.schedule("a", 20)
    jobs.remove("b")
    jobs.remove("b")
    assert ("a" in jobs, "b" in jobs, len(jobs)) == (True, False, 1)
    assert jobs.due(15, 9) == []
    assert jobs.next_at == 20
    assert jobs.due(20, 9) == ["a"]
    assert jobs.next_at is None


def test_what_was_replaced_does_not_pile_up() -> None:
    """A job that is rescheduled for ever takes the room of one."""
    jobs = agenda(a=0)
    for at in range(20_000):
        jobs.schedule("a", at)
    assert len(jobs._heap) < 2000
    assert jobs.due(20_000, 9) == ["a"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("schedule"), st.integers(0, 9), st.integers(0, 50)),
            st.tuples(st.just("remove"), st.integers(0, 9), st.just(0)),
            st.tuples(st.just("due"), st.integers(1, 4), st.integers(0, 50)),
        ),
        max_size=60,
    )
)
def test_it_is_a_mapping_sorted_by_time(acts: list[tuple[str, int, int]]) -> None:
    """Against a plain dictionary."""
    jobs: Agenda[int] = Agenda()
    model: dict[int, tuple[int, int]] = {}
    for number, (what, key, at) in enumerate(acts):
        if what == "schedule":
            jobs.schedule(key, at)
            model[key] = (at, number)
        elif what == "remove":
            jobs.remove(key)
            model.pop(key, None)
        else:
            expected = sorted((entry, key) for key, entry in model.items() if entry[0] <= at)[:key]
            assert jobs.due(at, key) == [key for _, key in expected]
            for _, taken in expected:
                del model[taken]
        assert len(jobs) == len(model)
        assert jobs.next_at == min((at for at, _ in model.values()), default=None)
