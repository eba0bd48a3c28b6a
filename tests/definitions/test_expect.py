"""The guard against runs that are green but wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobkit import Expect, JobResult

SECOND = timedelta(seconds=1)


def stats(processed: int | None = None, errors: int | None = None) -> JobResult:
    """A success with these counts."""
    return JobResult.success().with_stats(processed, errors)


def test_nothing_expected_is_never_broken() -> None:
    """Without expectations every result is right."""
    assert Expect().broken_by(stats(0, 99), timedelta(days=9)) is None


def test_too_few_processed() -> None:
    """A count that is missing counts as none."""
    expect = Expect(min_processed=5)
    assert expect.broken_by(stats(5), SECOND) is None
    assert expect.broken_by(stats(4), SECOND) == "expected at least 5 processed, got 4"
    assert expect.broken_by(stats(), SECOND) == "expected at least 5 processed, got 0"


def test_too_many_errors() -> None:
    """The share of errors among what was processed; errors alone are all of it."""
    expect = Expect(max_error_ratio=0.05)
    assert expect.broken_by(stats(100, 5), SECOND) is None
    assert expect.broken_by(stats(100), SECOND) is None
    assert expect.broken_by(stats(1000, 51), SECOND) == "expected at most 5% errors, got 5.1%"
    assert expect.broken_by(stats(None, 1), SECOND) == "expected at most 5% errors, got 100%"


def test_too_long() -> None:
    """The time that the attempt took."""
    expect = Expect(max_duration="5m")
    assert expect.broken_by(stats(), timedelta(minutes=5)) is None
    assert expect.broken_by(stats(), timedelta(minutes=5, seconds=1)) == "expected at most 5m, took 5m1s"


@pytest.mark.parametrize(
    "fields",
    [
        {"min_processed": -1},
        {"min_processed": 1.5},
        {"min_processed": True},
        {"max_error_ratio": 1.1},
        {"max_error_ratio": -0.1},
        {"max_error_ratio": float("nan")},
        {"max_error_ratio": 10**400},
        {"max_error_ratio": "5%"},
        {"max_duration": "soon"},
        {"max_duration": 10**400},
    ],
)
def test_what_makes_no_sense_is_refused(fields: Any) -> None:
    """Where it is written."""
    with pytest.raises((TypeError, ValueError)):
        Expect(**fields)
