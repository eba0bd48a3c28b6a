"""Late jobs and lost runs: who is told of what did not happen, by a real apprise to a real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jobkit_notify.answers import NotDelivered
from notify_tests import records
from notify_tests.receiver import Receiver, Reply
from notify_tests.test_alerts import People, title

from jobkit.plugin import LateJob

# Its modules import what later versions of Python do not have.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

TICK = datetime(2027, 3, 1, 1, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def late(hours: int = 0, **more: Any) -> LateJob:
    """The job is late for the tick so many hours later."""
    tick = TICK + hours * HOUR
    return LateJob(**{"job": "clean", "extension": "shop", "tick": tick, "since": tick + HOUR, **more})


def watch(people: People, *jobs: LateJob) -> list[str]:
    """Tell the sink, as a scheduler does; the titles of what people are told."""
    before = len(people.receiver.received)
    for job in jobs:
        people.sink.emit_late(job)
    return [title(request.json) for request in people.receiver.received[before:]]


@pytest.fixture
def people(receiver: Receiver, tmp_path: Path) -> People:
    """Told of late jobs, and of their recovery."""
    return People(receiver, tmp_path, on=["late", "recovered"])


def test_a_late_job_is_told(people: People) -> None:
    """With the time that it was due, and the last one that was well."""
    assert watch(people, late(succeeded=TICK - HOUR)) == ["clean late"]
    assert people.receiver.received[0].json["type"] == "failure"
    assert people.last == (
        "due 2027-03-01 01:00:00 UTC, it should have succeeded by 2027-03-01 02:00:00 UTC; "
        "the last that did: 2027-03-01 00:00:00 UTC"
    )
    assert watch(people, late(job="other", node="host-b")) == ["other late on host-b"]
    assert "it never has" in people.last


def test_who_did_not_ask_is_not_told(receiver: Receiver, tmp_path: Path) -> None:
    """Neither a rule about other things nor one about other jobs; nor is a success then a recovery."""
    others = People(receiver, tmp_path / "a", on=["failed", "recovered"])
    elsewhere = People(receiver, tmp_path / "b", on=["late"], jobs=["other"])
    assert watch(others, late()) == []
    assert watch(elsewhere, late()) == []
    assert others.hear(records.run(1)) == []


def test_the_same_tick_is_told_once(people: People) -> None:
    """Also by a process that has not told it before; nor are further ticks, until it has succeeded."""
    assert watch(people, late(), late()) == ["clean late"]
    people.restarted()
    assert watch(people, late(), late(1), late(2)) == []
    assert people.hear(records.run(1)) == ["clean recovered"]
    assert "Held back since 2027-03-01 03:00:00 UTC: 2 late" in people.last
    assert watch(people, late(3)) == ["clean late"]


def test_a_success_ends_it_where_recoveries_are_not_told(receiver: Receiver, tmp_path: Path) -> None:
    """The next time is told again."""
    people = People(receiver, tmp_path, on=["late"])
    assert watch(people, late()) == ["clean late"]
    assert people.hear(records.run(1, "failed"), records.run(2, "skipped")) == []
    assert watch(people, late(1)) == []
    assert people.hear(records.run(3)) == []
    people.restarted()
    assert watch(people, late(2)) == ["clean late"]


def test_a_success_of_before_ends_nothing(people: People) -> None:
    """It is delivered later than the news that the next tick is missing."""
    assert watch(people, late(4)) == ["clean late"]
    before = records.run(1, finished_at=TICK + 3 * HOUR)
    assert people.hear(before) == []
    assert people.hear(records.run(2, finished_at=TICK + 6 * HOUR)) == ["clean recovered"]


def test_a_throttle_repeats_it_now_and_then(receiver: Receiver, tmp_path: Path) -> None:
    """With what was held back; its end is told at once."""
    people = People(receiver, tmp_path, on=["late", "failed", "recovered"], throttle=timedelta(hours=3))
    assert watch(people, late()) == ["clean late"]
    people.wait(hours=1)
    assert people.hear(records.run(1, "failed")) == []
    people.restarted()
    assert watch(people, late(1)) == []
    people.wait(hours=2)
    assert watch(people, late(2)) == ["clean late"]
    assert "1 late, 1 failed" in people.last
    assert people.hear(records.run(2)) == ["clean recovered"]


def test_what_did_not_arrive_is_told_again(people: People) -> None:
    """The scheduler asks again."""
    people.receiver.replies = [Reply(500)]
    with pytest.raises(NotDelivered):
        watch(people, late())
    people.restarted()
    assert watch(people, late()) == ["clean late"]


def test_a_lost_run_is_told(receiver: Receiver, tmp_path: Path) -> None:
    """It is a run like others: what becomes of it is in its record, and a success after it is a recovery."""
    people = People(receiver, tmp_path, on=["lost", "recovered"])
    lost = records.run(1, "lost", message="process 12 on host-b stopped renewing its lease", duration_ms=None)
    assert people.hear(lost, records.run(2)) == ["clean lost", "clean recovered"]
    assert "stopped renewing its lease" in people.receiver.received[0].json["message"]
