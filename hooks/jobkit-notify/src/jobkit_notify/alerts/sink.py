"""One rule at work: it hears of every finished run that may matter to it, and tells people of some."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from jobkit import RunRecord, RunStatus, Sink
from jobkit_notify.alerts.channel import Channel
from jobkit_notify.alerts.messages import Message, late_message, message
from jobkit_notify.alerts.rules import PROBLEMS, Rule, event_of
from jobkit_notify.alerts.state import JobState, RuleState, is_newer
from jobkit_notify.answers import NotDelivered
from jobkit_notify.jobs import FindJob
from jobkit_notify.selection import Selection

if TYPE_CHECKING:
    from jobkit.plugin import LateJob


class AlertSink(Sink):
    """Tells the receivers of one rule. Each rule is a sink of its own: one that fails delays no other."""

    def __init__(
        self,
        name: str,
        rule: Rule,
        *,
        project: str,
        environment: str | None,
        find: FindJob,
        state: RuleState,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = f"alerts:{name}"
        self.max_age = rule.max_age
        self.timeout = rule.timeout.total_seconds()
        self._rule = rule
        self._selection = Selection(rule.jobs, rule.extensions, rule.tags)
        self._channels = [Channel(url, f"to[{index}]") for index, url in enumerate(rule.to)]
        self._project = project
        self._environment = environment
        self._find = find
        self._state = state
        self._now = now
        # That a job is late is told while runs are: a turn for each, the memory is one.
        self._turn = Lock()

    def accepts(self, run: RunRecord) -> bool:
        """Whether the rule tells of *run*, or has to know of it to tell of a recovery."""
        return self._rule.tracks(run.status) and self._selection.holds(run, self._find)

    def emit(self, run: RunRecord) -> None:
        """Tell of *run* what is to be told; blocks. Raises NotDelivered if a receiver could not be told."""
        with self._turn:
            self._emit(run)

    def _emit(self, run: RunRecord) -> None:
        state = self._state.job(run.job)
        if state.run == run.id:
            return  # it was dealt with, and only the note of that was lost
        newer = is_newer(run, state) and not _is_of_before(run, state)
        was_broken, was_late = state.broken, state.late
        event = event_of(self._rule, run, after_problem=was_broken and newer)
        if event is not None:
            if self._is_held_back(event, state):
                state.held[event] = state.held.get(event, 0) + 1
            else:
                told = message(event, run, state, project=self._project, environment=self._environment)
                self._tell(told, run.id, state)
                state.told, state.event, state.held = self._now(), event, {}
        if newer:
            _note(run, state)
        if (
            event is not None or state.broken != was_broken or state.late is not was_late
        ):  # most runs succeed again, and change nothing
            self._state.save(self._now())

    def emit_late(self, job: LateJob) -> None:
        """Tell that *job* is late, once until it has succeeded; blocks. Raises NotDelivered as for runs.

        With a throttle it is told again, now and then, as long as further ticks make it late.
        """
        if not self._rule.wants("late") or not self._selection.holds(job, self._find):
            return
        with self._turn:
            state = self._state.job(job.job)
            if state.late is not None and job.tick <= state.late:
                return
            if self._is_held_back("late", state) or (state.late is not None and not self._rule.throttle):
                state.held["late"] = state.held.get("late", 0) + 1
            else:
                told = late_message(job, state, project=self._project, environment=self._environment)
                self._tell(told, f"late {job.tick.isoformat()}", state)
                state.told, state.event, state.held = self._now(), "late", {}
            state.late, state.broken = job.tick, True
            self._state.save(self._now())

    def _is_held_back(self, event: str, state: JobState) -> bool:
        if state.told is None or not self._rule.throttle:
            return False
        if event == "recovered" and state.event in _PROBLEM_WORDS:
            return False  # people were told that it is broken: they are told that it is not
        since = self._now() - state.told
        return timedelta(0) <= since < self._rule.throttle

    def _tell(self, told: Message, news: str, state: JobState) -> None:
        """Send to everybody who has not heard of *news*, a run or a tick, yet."""
        if state.partly != news:
            state.partly, state.sent = news, []
        failed: list[NotDelivered] = []
        for index, channel in enumerate(self._channels):
            if index in state.sent:
                continue
            try:
                channel.send(told)
            except NotDelivered as error:
                failed.append(error)
            else:
                state.sent.append(index)
                if len(self._channels) > 1:
                    self._state.save(self._now())
        if failed:
            raise NotDelivered("; ".join(map(str, failed)))
        state.partly, state.sent = "", []


_PROBLEM_WORDS = frozenset((*(status.value for status in PROBLEMS), "late"))


def _is_of_before(run: RunRecord, state: JobState) -> bool:
    """Whether *run* had ended when the tick fell due that has made the job late: it says nothing of that."""
    return state.late is not None and run.finished_at is not None and run.finished_at < state.late


def _note(run: RunRecord, state: JobState) -> None:
    state.run, state.ended = run.id, run.finished_at
    if run.status in PROBLEMS:
        state.broken = True
    elif run.status is RunStatus.SUCCEEDED:
        state.broken, state.late = False, None
