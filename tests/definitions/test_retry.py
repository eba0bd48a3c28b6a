"""When and how often a failed attempt is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import Retry


def pauses(retry: Retry, run_id: str = "a run") -> list[float]:
    """Every pause of that run, in seconds."""
    return [retry.pause(number, run_id).total_seconds() for number in range(1, retry.retries + 1)]


def test_pauses_grow_up_to_the_largest() -> None:
    """``delay * backoff**(n-1)``, capped."""
    assert pauses(Retry(5, delay="10s", backoff=3, max_delay="5m", jitter=False)) == [10, 30, 90, 270, 300]


def test_durations_are_read_like_everywhere() -> None:
    """Text, seconds, and timedeltas."""
    assert Retry(1, delay="1m", max_delay=600) == Retry(1, delay=60, max_delay=timedelta(minutes=10))


def test_jitter_belongs_to_the_run() -> None:
    """The same run waits the same time in every process; another run waits another."""
    retry = Retry(3)
    assert pauses(retry, "one") == pauses(retry, "one")
    assert pauses(retry, "one") != pauses(retry, "two")


@given(st.integers(1, 1000), st.text(), st.floats(1, 100), st.floats(0, 10**6))
def test_a_pause_lies_between_nothing_and_the_largest(
    number: int, run_id: str, backoff: float, delay: float
) -> None:
    """Whatever grows, nothing overflows."""
    retry = Retry(1000, delay=delay, backoff=backoff, max_delay="10m")
    assert timedelta(0) <= retry.pause(number, run_id) <= timedelta(minutes=10)


@pytest.mark.parametrize("backoff", [1, 2, 100, 1.5])
def test_no_delay_stays_none(backoff: float) -> None:
    """Nothing times anything is nothing, after the thousandth attempt too."""
    assert Retry(1000, delay=0, backoff=backoff, jitter=False).pause(1000, "x") == timedelta(0)


def test_on_limits_what_is_tried_again() -> None:
    """A class or several, subclasses included."""
    retry = Retry(1, on=(OSError, KeyError))
    assert retry.covers(ConnectionResetError())
    assert not retry.covers(ValueError())
    assert Retry(1, on=OSError).on == (OSError,)  # type: ignore[arg-type]  # a single class is let through
    assert not Retry(1, on=()).covers(ValueError())


def test_by_default_every_error_is_tried_again() -> None:
    """But nothing that means stop."""
    assert Retry(1).covers(ValueError())
    assert not Retry(1).covers(KeyboardInterrupt())


@pytest.mark.parametrize(
    "fields",
    [
        {"retries": -1},
        {"retries": 1001},
        {"retries": 1.0},
        {"retries": True},
        {"backoff": 0.5},
        {"backoff": float("nan")},
        {"backoff": 101},
        {"backoff": "2"},
        {"jitter": 1},
        {"delay": "soon"},
        {"max_delay": -1},
        {"on": ("OSError",)},
        {"on": (int,)},
    ],
)
def test_what_makes_no_sense_is_refused(fields: Any) -> None:
    """Where it is written."""
    with pytest.raises((TypeError, ValueError)):
        Retry(**fields)
