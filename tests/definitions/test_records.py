"""Records: frozen data, and its JSON form."""

from __future__ import annotations

import enum
import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

import pytest

from jobkit import RunRecord, RunStatus
from jobkit.records import (
    AttemptRecord,
    LogLine,
    Progress,
    RunFailure,
    TickSpan,
    format_instant,
    to_plain,
)
from jobkit.statuses import Reason, Trigger

NOON = datetime(2027, 1, 31, 12, tzinfo=UTC)

#: The members of a run's JSON, by contract.
MEMBERS = [
    "id",
    "number",
    "job",
    "extension",
    "status",
    "trigger",
    "scheduled_at",
    "queued_at",
    "started_at",
    "finished_at",
    "duration_ms",
    "attempt",
    "attempts",
    "actor",
    "node",
    "enforce",
    "parameters",
    "message",
    "processed",
    "errors",
    "data",
    "progress",
    "window",
    "covers",
    "reason",
    "error",
    "cleanup_errors",
    "parent",
    "retry_of",
    "ticks",
]


def record(**more: Any) -> RunRecord:
    """A run with these members."""
    return RunRecord("id", 1, "report", "web", RunStatus.FAILED, Trigger.SCHEDULE, **more)


def test_a_run_has_the_members_of_the_contract() -> None:
    """No more, no less, in JSON as in Python."""
    assert [field.name for field in fields(RunRecord)] == MEMBERS
    assert list(record().to_json()) == MEMBERS


def test_a_run_is_plain_json() -> None:
    """Records inside it become objects, instants text, tuples lists."""
    run = record(
        started_at=NOON,
        window=(NOON, NOON),
        covers=TickSpan(NOON, NOON, 3),
        progress=Progress(1, 2, "half"),
        error=RunFailure("builtins.ValueError", "no"),
        cleanup_errors=(RunFailure("a", "b", "c"),),
        reason=Reason.SERVICE,
        parameters={"days": 3},
    )
    assert json.loads(json.dumps(run.to_json())) == {
        **dict.fromkeys(MEMBERS),
        "id": "id",
        "number": 1,
        "job": "report",
        "extension": "web",
        "status": "failed",
        "trigger": "schedule",
        "started_at": "2027-01-31T12:00:00Z",
        "attempt": 0,
        "attempts": 1,
        "actor": "",
        "node": "",
        "enforce": False,
        "parameters": {"days": 3},
        "data": {},
        "window": ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"],
        "covers": {"first": "2027-01-31T12:00:00Z", "last": "2027-01-31T12:00:00Z", "count": 3},
        "progress": {"done": 1, "total": 2, "message": "half"},
        "error": {"type": "builtins.ValueError", "message": "no", "traceback": None},
        "cleanup_errors": [{"type": "a", "message": "b", "traceback": "c"}],
        "reason": "service",
    }


def test_attempts_and_lines_are_plain_json() -> None:
    """They have their members, nothing else."""
    attempt = AttemptRecord("id", 1, RunStatus.TIMED_OUT, NOON, error=RunFailure("a", "b"))
    line = LogLine(1, NOON, "info", "hello", 1, fields={"at": NOON})
    assert json.loads(json.dumps(attempt.to_json()))["error"]["message"] == "b"
    assert json.loads(json.dumps(line.to_json()))["fields"] == {"at": "2027-01-31T12:00:00Z"}


def test_records_are_frozen() -> None:
    """They may be shared between tasks and threads."""
    with pytest.raises(FrozenInstanceError):
        record().message = "other"  # type: ignore[misc]  # that is what is tested


def test_instants_are_utc_with_fractions_where_there_are_some() -> None:
    """Whatever zone they were in."""
    berlin = timezone(timedelta(hours=1))
    assert format_instant(datetime(2027, 1, 31, 13, tzinfo=berlin)) == "2027-01-31T12:00:00Z"
    assert format_instant(NOON + timedelta(microseconds=1)) == "2027-01-31T12:00:00.000001Z"


def test_an_instant_without_a_zone_is_refused() -> None:
    """It would silently be read in the zone of the machine."""
    with pytest.raises(ValueError, match="aware"):
        format_instant(datetime(2027, 1, 31))


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Colour.RED, "red"),
        (RunStatus.LOST, "lost"),
        (date(2027, 1, 31), "2027-01-31"),
        (time(3), "03:00:00"),
        (datetime(2027, 1, 31), "2027-01-31T00:00:00"),
        (timedelta(minutes=90), "1h30m"),
        (PurePosixPath("a/b"), "a/b"),
        ({1: (1, {2})}, {"1": [1, [2]]}),
    ],
)
def test_values_with_an_obvious_form_become_plain(value: object, plain: object) -> None:
    """What parameters and their defaults may be."""
    assert json.loads(json.dumps(to_plain(value))) == plain
