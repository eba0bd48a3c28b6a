"""Durations: what people write, and what is written for people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.durations import LONGEST, format_duration, parse_duration

MILLISECONDS = st.integers(0, LONGEST // timedelta(milliseconds=1)).map(lambda ms: timedelta(milliseconds=ms))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("300ms", timedelta(milliseconds=300)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("30m1h", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1w", timedelta(weeks=1)),
        ("1.5h", timedelta(minutes=90)),
        (" 5m ", timedelta(minutes=5)),
        ("0s", timedelta(0)),
        (90, timedelta(seconds=90)),
        (0.25, timedelta(milliseconds=250)),
        (timedelta(days=1), timedelta(days=1)),
        ("36525d", LONGEST),
    ],
)
def test_a_duration_can_be_written_in_several_ways(written: object, meant: timedelta) -> None:
    """Text with units, seconds, or a timedelta."""
    assert parse_duration(written) == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "5 m",
        "5M",
        "m",
        "5m5m",
        "1h2h",
        "-5m",
        "5min",
        "1e3s",
        "٥m",
        "5m\x00",
        "s" * 100,
        "9" * 12 + "w",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """A unit is always written, and each only once; the error is short."""
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    "value", [-1, -0.5, float("nan"), float("inf"), 10**400, 1e18, timedelta.max, timedelta(-1)]
)
def test_other_numbers_are_refused(value: object) -> None:
    """Negative, infinite, and longer than a hundred years."""
    with pytest.raises(ValueError):
        parse_duration(value)


@pytest.mark.parametrize("value", [None, True, b"5m", [5], object()])
def test_other_types_are_refused(value: object) -> None:
    """A bool is no number of seconds."""
    with pytest.raises(TypeError, match="a duration is text"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "1m30s"),
        (timedelta(days=2, milliseconds=5), "2d5ms"),
        (timedelta(hours=-1), "-1h"),
        (timedelta(microseconds=400), "0s"),
        (timedelta(microseconds=-400), "0s"),
    ],
)
def test_a_duration_is_shown_with_units(duration: timedelta, text: str) -> None:
    """The largest first; what lies below a millisecond is rounded."""
    assert format_duration(duration) == text


@given(MILLISECONDS)
def test_what_is_shown_can_be_written(duration: timedelta) -> None:
    """Exact to the millisecond."""
    assert parse_duration(format_duration(duration)) == duration


@given(st.text("0123456789.msmhdw -"))
def test_reading_text_gives_a_duration_or_a_value_error(text: str) -> None:
    """Nothing else comes out of it, and never a negative one."""
    try:
        assert parse_duration(text) >= timedelta(0)
    except ValueError:
        return


@given(st.integers() | st.floats())
def test_reading_numbers_gives_a_duration_or_a_value_error(value: Any) -> None:
    """However large or odd."""
    try:
        assert timedelta(0) <= parse_duration(value) <= LONGEST
    except ValueError:
        return
