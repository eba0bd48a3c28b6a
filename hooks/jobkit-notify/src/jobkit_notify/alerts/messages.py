"""What people read: plain text, of a length that every service takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from jobkit import RunRecord
from jobkit_notify.alerts.rules import PROBLEMS, counted, words
from jobkit_notify.alerts.state import JobState
from jobkit_notify.texts import one_line, what_happened

if TYPE_CHECKING:
    from jobkit.plugin import LateJob

_ORDER = ("late", "failed", "timed_out", "lost", "cancelled", "recovered", "succeeded", "skipped")


@dataclass(frozen=True, slots=True)
class Message:
    """*kind* is one of apprise's: ``failure``, ``warning``, ``success``, ``info``."""

    title: str
    body: str
    kind: str


def message(event: str, run: RunRecord, state: JobState, *, project: str, environment: str | None) -> Message:
    """What is told of *event*; *state* holds what was held back before."""
    title = f"[{_place(project, environment)}] {run.job} {words(event)}"
    lines = [_first_line(run), *what_happened(run, 1000), *_held_back(state)]
    return Message(title, "\n".join(lines), _kind(event, run))


def late_message(job: LateJob, state: JobState, *, project: str, environment: str | None) -> Message:
    """What is told of a job that should have succeeded by now."""
    on = f" on {one_line(job.node, 80)}" if job.node else ""
    title = f"[{_place(project, environment)}] {job.job} late{on}"
    done = "it never has" if job.succeeded is None else f"the last that did: {_instant(job.succeeded)}"
    lines = [
        f"due {_instant(job.tick)}, it should have succeeded by {_instant(job.since)}; {done}",
        *_held_back(state),
    ]
    return Message(title, "\n".join(lines), "failure")


def _place(project: str, environment: str | None) -> str:
    return one_line(f"{project}/{environment}" if environment else project, 80)


def _held_back(state: JobState) -> list[str]:
    if not state.held:
        return []
    since = f" since {_instant(state.told)}" if state.told is not None else ""
    return [f"Held back{since}: {counted(state.held, _ORDER)}"]


def _first_line(run: RunRecord) -> str:
    number = f"#{run.number}" if run.number is not None else run.id
    facts = [f"run {number}", f"trigger {run.trigger}"]
    if run.attempts > 1:
        facts.append(f"attempt {run.attempt} of {run.attempts}")
    if run.started_at is not None:
        facts.append(f"started {_instant(run.started_at)}")
    if run.duration_ms is not None:
        facts.append(f"took {run.duration_ms / 1000:g} s")
    if run.reason:
        facts.append(f"reason {run.reason}")
    return ", ".join(facts)


def _kind(event: str, run: RunRecord) -> str:
    if run.status in PROBLEMS:
        return "failure"
    return {"cancelled": "warning", "recovered": "success", "succeeded": "success"}.get(event, "info")


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
