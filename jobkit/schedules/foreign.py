"""A kind of schedule that a plugin brought: whatever it does, nothing but ScheduleError comes out of it.

The schedule that it gives is asked for one thing only, its next fire; the rest follows from that. An answer
that is no later second is an error too: taken as it is, it would be asked for without an end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from jobkit.exceptions import ScheduleError
from jobkit.sanitising import bounded, repr_of, text_of
from jobkit.schedules.base import LAST_SECOND, EpochSchedule, Schedule, ScheduleKind
from jobkit.schedules.refusal import refused, shown

T = TypeVar("T")

#: What is told of a failure; called with the error.
Failed = Callable[[BaseException], object]

#: What ends nobody but the plugin.
_CAUGHT = (Exception, SystemExit, BaseExceptionGroup)

#: So many different failures of one kind are told.
_MOST_TOLD = 1000


class _NonsenseError(TypeError):
    """An answer that is no answer."""


def guarded_kind(kind: ScheduleKind, plugin: str, failed: Failed) -> ScheduleKind:
    """*kind* as *plugin* gave it, in a guard; *failed* is told of what is no refusal of a text, each once."""
    guard = _Guard(plugin, failed)

    def parse(text: str, timezone: str, name: str) -> Schedule:
        made = guard.ask(text, lambda: _schedule(kind.parse(text, timezone, name)))
        schedule = ForeignSchedule(made, text, timezone, guard)
        # Better now, when jobs are collected, than at three in the morning.
        schedule.describe()
        schedule.next_epoch(int(time.time()))
        return schedule

    matches = (lambda text: guard.accepts(kind, text)) if kind.matches is not None else None
    return replace(kind, parse=parse, matches=matches, plugin=plugin)


def _schedule(made: object) -> Schedule:
    if not isinstance(made, Schedule):
        raise _NonsenseError(f"it gave {bounded(repr_of(made), 80)}, which is no schedule")
    return made


class ForeignSchedule(EpochSchedule):
    """What a plugin's kind has made of a text. ScheduleError (JK315) for what the plugin does wrong."""

    __slots__ = ("_guard", "_inner")

    def __init__(self, inner: Schedule, text: str, timezone: str, guard: _Guard) -> None:
        super().__init__(text, timezone)
        self._inner = inner
        self._guard = guard

    def next_epoch(self, second: int) -> int | None:
        """The first fire after epoch second *second*, or None."""
        return self._guard.ask(self.text, lambda: self._next(second))

    def _next(self, second: int) -> int | None:
        fire = self._inner.next_epoch(second)
        if fire is None:
            return None
        if type(fire) is not int or fire <= second:
            raise _NonsenseError(f"the next fire after {second} is said to be {bounded(repr_of(fire), 80)}")
        return fire if fire <= LAST_SECOND else None

    def describe(self) -> str:
        """The schedule in the plugin's words."""
        return bounded(self._told("describe", self._inner.describe, str), 500)

    def note(self, instant: datetime) -> str | None:
        """What the plugin says about the fire at *instant*."""
        note = self._told("note", lambda: self._inner.note(instant), str | None)
        return None if note is None else bounded(note, 500)

    def warnings(self) -> tuple[str, ...]:
        """What the plugin warns of."""
        return tuple(
            bounded(text_of(item), 500) for item in self._told("warnings", self._inner.warnings, tuple | list)
        )

    def _told(self, name: str, ask: Callable[[], Any], kind: Any) -> Any:
        def answer() -> Any:
            given = ask()
            if not isinstance(given, kind):
                raise _NonsenseError(f"{name} gave {bounded(repr_of(given), 80)}")
            return given

        return self._guard.ask(self.text, answer)


class _Guard:
    def __init__(self, plugin: str, failed: Failed) -> None:
        self._plugin = plugin
        self._failed = failed
        self._told: set[str] = set()

    def ask(self, text: str, question: Callable[[], T]) -> T:
        """The answer. ScheduleError passes; any other error becomes one."""
        try:
            return question()
        except ScheduleError:
            raise
        except _CAUGHT as error:
            why = self._tell(error)
            raise refused(
                "JK315",
                f"plugin {self._plugin} failed at the schedule `{shown(text)}`: {why}",
                f"report it to whoever wrote plugin {self._plugin}, "
                "and write a cron expression until it is mended",
            ) from error

    def accepts(self, kind: ScheduleKind, text: str) -> bool:
        """Whether *kind* wants *text*; False if it cannot be asked."""
        try:
            return kind.accepts(text)
        except _CAUGHT as error:
            self._tell(error)
            return False

    def _tell(self, error: BaseException) -> str:
        said, kind = text_of(error), type(error).__name__
        why = shown(said if isinstance(error, _NonsenseError) or said == kind else f"{kind}: {said}", 200)
        if why not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(why)
            self._failed(error)
        return why
