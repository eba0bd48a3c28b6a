"""What becomes of values on their way into a store: laws that hold for all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.records import RunFailure
from jobkit.statuses import RunStatus
from jobkit.stores import values
from jobkit.stores.base import Outcome, RunQuery
from jobkit.stores.paging import read_position, write_position
from jobkit.stores.plain import clean_text, plain

# Every text that Python can hold, lone surrogates and NUL among them.
TEXTS = st.text(st.characters(codec=None, exclude_categories=()))
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
CLEAN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)
FAILURES = st.builds(RunFailure, TEXTS, TEXTS, st.none() | TEXTS)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from([status for status in RunStatus if status.finished]),
    finished_at=st.datetimes(timezones=st.just(UTC)),
    duration_ms=st.integers(min_value=0),
    message=st.none() | TEXTS,
    processed=st.none() | st.integers(min_value=0),
    errors=st.none() | st.integers(min_value=0),
    data=st.dictionaries(TEXTS, CLEAN, max_size=3),
    reason=st.none() | TEXTS,
    error=st.none() | FAILURES,
    cleanup_errors=st.lists(FAILURES, max_size=2).map(tuple),
)


@given(TEXTS)
def test_clean_text_can_be_encoded(text: str) -> None:
    """It has no NUL and no lone surrogate, as many characters as before, and is clean already."""
    clean = clean_text(text)
    assert b"\0" not in clean.encode("utf-8")
    assert len(clean) == len(text)
    assert clean_text(clean) == clean
    kept = [(a, b) for a, b in zip(text, clean, strict=True) if a != b]
    assert all(b == "\ufffd" for _, b in kept)


@given(st.dictionaries(KEYS, CLEAN, max_size=5))
def test_json_values_come_back(value: dict[str, Any]) -> None:
    """What JSON can hold is not changed."""
    assert values.decode(values.encode(value)) == value


@given(
    st.dictionaries(TEXTS | st.integers() | st.none() | st.tuples(TEXTS), CLEAN | st.binary() | st.floats())
)
def test_anything_else_becomes_json(value: dict[Any, Any]) -> None:
    """It never fails, and what comes out is JSON."""
    text = values.encode(value)
    assert isinstance(json.loads(text), dict)
    assert plain(values.decode(text)) == values.decode(text)


@given(st.datetimes(timezones=st.timezones()))
def test_instants_are_exact(instant: datetime) -> None:
    """To the microsecond, and back in UTC."""
    back = values.from_micros(values.to_micros(instant))
    assert back == instant.astimezone(UTC)
    assert back.tzinfo is UTC


@given(OUTCOMES)
def test_late_outcomes_come_back(outcome: Outcome) -> None:
    """As clean as every other outcome."""
    assert values.decode_outcome(values.encode_outcome(outcome)) == values.clean_outcome(outcome)


@given(st.integers(-(10**17), 10**17), st.integers(1, 10**12))
def test_positions_come_back(queued_at: int, number: int) -> None:
    """The end of a page is read as it was written."""
    assert read_position(write_position((queued_at, number))) == (queued_at, number)


def test_a_text_that_is_no_position_is_refused() -> None:
    """With a code, and without the control characters that it may hold."""
    with pytest.raises(StoreError) as refused:
        read_position("\x1b[2J" + "9" * 1000)
    assert refused.value.code == "JK619"
    assert "\x1b" not in refused.value.message
    assert len(refused.value.message) < 120


def test_the_same_process_has_the_same_text() -> None:
    """So that a database can compare owners."""
    one, same = (ProcessIdentity("h\0", "b", "n", 1, "s") for _ in range(2))
    assert values.encode_owner(one) == values.encode_owner(same)
    assert values.decode_owner(values.encode_owner(one)) == ProcessIdentity("h\ufffd", "b", "n", 1, "s")


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.RUNNING])
def test_an_outcome_is_final(status: RunStatus) -> None:
    """A status that can still change ends nothing."""
    with pytest.raises(ValueError, match=status.value):
        Outcome(status=status, finished_at=datetime.now(UTC), duration_ms=0)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_is_bounded(limit: int) -> None:
    """Nobody asks for no run, or for all."""
    with pytest.raises(ValueError, match="10,000"):
        RunQuery(limit=limit)
