"""Records of runs, as a store gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from jobkit import RunRecord, RunStatus

#: When the first run of a test ended.
START = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)


def run(number: int = 1, status: str = "succeeded", job: str = "clean", **more: Any) -> RunRecord:
    """Run *number* of *job*; each ended a minute after the one before."""
    ended = START + timedelta(minutes=number)
    facts: dict[str, Any] = {
        "extension": "shop",
        "trigger": "schedule",
        "started_at": ended - timedelta(seconds=12),
        "finished_at": ended,
        "duration_ms": 12_000,
        "attempt": 1,
    }
    run_id = f"019c0000-0000-7000-8000-{number:012d}"
    return RunRecord(run_id, number, job, status=RunStatus(status), **(facts | more))
