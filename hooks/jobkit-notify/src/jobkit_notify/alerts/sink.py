"""One rule at work: it hears of every finished run that may matter to it, and tells people of some."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jobkit import RunRecord, RunStatus, Sink
from jobkit_notify.alerts.channel import Channel
from jobkit_notify.alerts.messages import Message, message
from jobkit_notify.alerts.rules import PROBLEMS, Rule, event_of
from jobkit_notify.alerts.state import JobState, RuleState, is_newer
from jobkit_notify.answers import NotDelivered
from jobkit_notify.jobs import FindJob
from jobkit_notify.selection import Selection


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

    def accepts(self, run: RunRecord) -> bool:
        """Whether the rule tells of *run*, or has to know of it to tell of a recovery."""
        return self._rule.tracks(run.status) and self._selection.holds(run, self._find)

    def emit(self, run: RunRecord) -> None:
        """Tell of *run* what is to be told; blocks. Raises NotDelivered if a receiver could not be told."""
        state = self._state.job(run.job)
        if state.run == run.id:
            return  # it was dealt with, and only the note of that was lost
        newer = is_newer(run, state)
        was_broken = state.broken
        event = event_of(self._rule, run, after_problem=was_broken and newer)
        if event is not None:
            if self._is_held_back(event, state):
                state.held[event] = state.held.get(event, 0) + 1
            else:
                told = message(event, run, state, project=self._project, environment=self._environment)
                self._tell(told, run, state)
                state.told, state.event, state.held = self._now(), event, {}
        if newer:
            _note(run, state)
        if event is not None or state.broken != was_broken:  # most runs succeed again, and change nothing
            self._state.save(self._now())

    def _is_held_back(self, event: str, state: JobState) -> bool:
        if state.told is None or not self._rule.throttle:
            return False
        if event == "recovered" and state.event in _PROBLEM_WORDS:
            return False  # people were told that it is broken: they are told that it is not
        since = self._now() - state.told
        return timedelta(0) <= since < self._rule.throttle

    def _tell(self, told: Message, run: RunRecord, state: JobState) -> None:
        """Send to everybody who has not heard of *run* yet."""
        if state.partly != run.id:
            state.partly, state.sent = run.id, []
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


_PROBLEM_WORDS = frozenset(status.value for status in PROBLEMS)


def _note(run: RunRecord, state: JobState) -> None:
    state.run, state.ended = run.id, run.finished_at
    if run.status in PROBLEMS:
        state.broken = True
    elif run.status is RunStatus.SUCCEEDED:
        state.broken = False
