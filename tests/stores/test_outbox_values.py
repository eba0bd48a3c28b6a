"""What a verdict may say."""

from __future__ import annotations

from typing import Any

import pytest

from jobkit.stores.outbox import OutboxVerdict


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "lost"}, "delivered, failed, refused, not 'lost'"),
        ({"kind": "dead"}, "dies of failures, max_age, rejected, not of None"),
        ({"kind": "dead", "reason": "boredom"}, "not of 'boredom'"),
        ({"kind": "failed", "reason": "failures"}, "this is failed"),
        ({"kind": "delivered", "reason": "max_age"}, "this is delivered"),
    ],
)
def test_a_verdict_that_says_nothing(options: dict[str, Any], said: str) -> None:
    """It is refused where it is made, not where it is written down."""
    with pytest.raises(ValueError, match=said):
        OutboxVerdict(1, **options)


@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"kind": "delivered"}, False),
        ({"kind": "refused"}, False),
        ({"kind": "failed"}, True),
        ({"kind": "failed", "counts": False}, False),
        ({"kind": "dead", "reason": "failures"}, True),
        ({"kind": "dead", "reason": "rejected"}, True),
        ({"kind": "dead", "reason": "rejected", "counts": False}, False),
        ({"kind": "dead", "reason": "max_age"}, False),
    ],
)
def test_a_verdict_is_a_failure_of_the_entry_or_not(options: dict[str, Any], failure: bool) -> None:
    """An attempt that counts and came to nothing; too old is not an attempt."""
    assert OutboxVerdict(1, **options).failure is failure
