"""Times as people write them on a command line."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli.instants import parse_instant
from jobkit.exceptions import UsageError

NOW = datetime(2026, 11, 22, 13, 4, 8, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-11-22T13:04:08"),
        ("2d", "2026-11-20T13:04:08"),
        ("2h ago", "2026-11-22T11:04:08"),
        ("1h30m", "2026-11-22T11:34:08"),
        ("90 s ago", "2026-11-22T13:02:38"),
        ("03:00", "2026-11-22T02:00:00"),
        ("today", "2026-11-21T23:00:00"),
        ("today 3:00", "2026-11-22T02:00:00"),
        ("yesterday 03:00", "2026-11-21T02:00:00"),
        ("Yesterday", "2026-11-20T23:00:00"),
        ("tomorrow 03:00:30", "2026-11-23T02:00:30"),
        ("2026-11-20", "2026-11-19T23:00:00"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00"),
        ("2026-11-20T03:00:00Z", "2026-11-20T03:00:00"),
        ("2026-11-20T03:00:00+05:30", "2026-11-19T21:30:00"),
    ],
)
def test_it_means(text: str, meant: str) -> None:
    """Durations count back from now; what has no zone is local."""
    assert parse_instant(text, NOW, BERLIN) == datetime.fromisoformat(meant).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "last week", "5", "ago", "25:00", "12:60", "2x", "9999999d", "0001-01-01", "-1d", "yesterdaynoon"],
)
def test_anything_else_is_refused(text: str) -> None:
    """JK806 names ways to write it; one of them is accepted."""
    with pytest.raises(UsageError) as caught:
        parse_instant(text, NOW, BERLIN)
    assert caught.value.code == "JK806"
    assert "yesterday 03:00" in (caught.value.help or "")
    parse_instant("yesterday 03:00", NOW, BERLIN)


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    """Whatever is written, it is a time or a UsageError."""
    with suppress(UsageError):
        assert parse_instant(text, NOW, BERLIN).tzinfo is not None
