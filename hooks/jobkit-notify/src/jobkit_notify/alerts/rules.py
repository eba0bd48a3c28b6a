"""Rules of alerts: who is told of what, and how often."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

import msgspec

from jobkit import RunRecord, RunStatus, Secret
from jobkit.plugin import PluginError
from jobkit_notify.tables import MAX_AGE, check_max_age, check_names, check_not_blank, check_timeout

Event = Literal["failed", "recovered", "timed_out", "lost", "cancelled", "succeeded", "skipped", "late"]

#: Ends that somebody has to look at; the first success after one of them is a recovery.
PROBLEMS = frozenset((RunStatus.FAILED, RunStatus.TIMED_OUT, RunStatus.LOST))

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}://\S+")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins.alerts.rules.NAME]``: who is told of what, by which URLs of apprise, how often."""

    to: list[Secret]
    on: list[Event] = msgspec.field(default_factory=lambda: ["failed", "timed_out", "lost", "recovered"])
    jobs: list[str] = msgspec.field(default_factory=list)
    extensions: list[str] = msgspec.field(default_factory=list)
    tags: list[str] = msgspec.field(default_factory=list)
    throttle: timedelta = timedelta(0)
    timeout: timedelta = timedelta(seconds=30)
    max_age: timedelta = MAX_AGE

    def __post_init__(self) -> None:
        check_timeout(self.timeout)
        check_max_age(self.max_age)
        for name in ("jobs", "extensions", "tags"):
            check_not_blank(name, getattr(self, name))
        if not self.on:
            raise PluginError("on is empty: nobody would ever be told anything")
        if not self.to:
            raise PluginError("to is empty: nobody would be told")
        for index, url in enumerate(self.to):
            if not _SCHEME.fullmatch(url):
                raise PluginError(f"to[{index}] is no URL of apprise, such as mailto://… or slack://…")

    def wants(self, event: str) -> bool:
        """Whether the rule is about *event*."""
        return event in self.on

    def tracks(self, status: RunStatus) -> bool:
        """Whether a run that ended so matters to the rule, be it only to know of a later recovery."""
        if self.wants(status.value):
            return True
        if status is RunStatus.SUCCEEDED:
            return self.wants("recovered") or self.wants("late")
        return self.wants("recovered") and status in PROBLEMS


class AlertsTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins.alerts]``: people who are told, by rules."""

    rules: dict[str, Rule] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names("rules", self.rules)


def event_of(rule: Rule, run: RunRecord, *, after_problem: bool) -> str | None:
    """What *rule* tells of *run*; None if nothing. A recovery says more than a success."""
    if run.status is RunStatus.SUCCEEDED and after_problem and rule.wants("recovered"):
        return "recovered"
    return run.status.value if rule.wants(run.status.value) else None


def counted(counts: dict[str, int], order: Iterable[str]) -> str:
    """``2 failed, 1 recovered``, in the given *order*."""
    known = [*order, *sorted(set(counts) - set(order))]
    return ", ".join(f"{counts[event]} {words(event)}" for event in known if counts.get(event))


def words(event: str) -> str:
    """*event* as people read it."""
    return event.replace("_", " ")
