"""A real scheduler on a project with jobs of every kind: the history accounts for every tick."""

from __future__ import annotations

import time
from statistics import median

import pytest

from jobkit.statuses import RunStatus, Trigger
from tests.faults.accounts import Books, ran_twice, read_books
from tests.faults.conftest import Place
from tests.faults.project import executions

pytestmark = pytest.mark.waits

LENGTHS = [
    pytest.param(30, id="half a minute"),
    pytest.param(120, id="two minutes", marks=[pytest.mark.faults, pytest.mark.timeout(240)]),
]


@pytest.mark.parametrize("seconds", LENGTHS)
def test_the_history_accounts_for_every_tick(place: Place, seconds: int) -> None:
    """Each tick has one row, each row one reason, and what ran is what the rows say."""
    process = place.start()
    time.sleep(seconds)
    assert place.stop(process) == 0, place.log.read_text()
    books, executed = read_books(place.root), executions(place.witness)
    assert books.complaints() == []
    assert books.unended() == []
    assert ran_twice(executed) == []
    _each_kind_did_what_it_does(books, seconds)
    _starts_are_punctual(books)


def _each_kind_did_what_it_does(books: Books, seconds: int) -> None:
    spans = {(item.span.job, item.span.reason) for item in books.spans}
    assert ("overlapping", "overlap") in spans
    assert ("paused", "paused") in spans
    assert books.of("paused") == []
    assert len(books.of("every_second")) >= seconds - 2
    ends = {(run.job, run.status) for run in books.runs if run.status.finished and run.reason != "shutdown"}
    assert {status for job, status in ends if job == "hanging"} == {RunStatus.TIMED_OUT}
    assert {status for job, status in ends if job == "failing"} == {RunStatus.FAILED}
    assert {status for job, status in ends if job == "in_a_thread"} == {RunStatus.SUCCEEDED}
    assert {run.attempt for run in books.of("failing") if run.status is RunStatus.FAILED} == {3}


def _starts_are_punctual(books: Books) -> None:
    """Milliseconds on a machine that is idle; a busy one must not fail the test."""
    late = [
        (run.started_at - run.scheduled_at).total_seconds()
        for run in books.of("every_second")
        if run.trigger is Trigger.SCHEDULE and run.started_at is not None and run.scheduled_at is not None
    ]
    assert median(late) < 0.25
