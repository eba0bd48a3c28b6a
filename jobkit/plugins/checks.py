"""Whether what a hook gave is what the hook is for; each check returns it, or raises NonsenseError."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobkit.plugins.guards import wrong

if TYPE_CHECKING:
    from jobkit.plugins.values import Defer, LogProcessor, Panel, Skip
    from jobkit.schedules.base import ScheduleKind
    from jobkit.services import ServiceSpec


def truth(answer: Any) -> bool:
    """True or False, exactly: a text or a path would count as True and surprise everybody."""
    if not isinstance(answer, bool):
        raise wrong(answer, "True, False or None")
    return answer


def service_spec(answer: Any) -> ServiceSpec:
    """A ServiceSpec."""
    from jobkit.services import ServiceSpec

    if not isinstance(answer, ServiceSpec):
        raise wrong(answer, "a ServiceSpec")
    return answer


def schedule_kind(answer: Any) -> ScheduleKind:
    """A ScheduleKind."""
    from jobkit.schedules.base import ScheduleKind

    if not isinstance(answer, ScheduleKind):
        raise wrong(answer, "a ScheduleKind")
    return answer


def admission(answer: Any) -> Skip | Defer:
    """Skip or Defer."""
    from jobkit.plugins.values import Defer, Skip

    if not isinstance(answer, Skip | Defer):
        raise wrong(answer, "Skip(reason), Defer(until) or None")
    return answer


def log_processor(answer: Any) -> LogProcessor:
    """A LogProcessor; a function is one that enriches."""
    from jobkit.plugins.values import LogProcessor

    if isinstance(answer, LogProcessor):
        return answer
    if not callable(answer) or isinstance(answer, type):
        raise wrong(answer, "a LogProcessor or a function")
    return LogProcessor(answer)


def panel(answer: Any) -> Panel:
    """A Panel."""
    from jobkit.plugins.values import Panel

    if not isinstance(answer, Panel):
        raise wrong(answer, "a Panel")
    return answer


def command(answer: Any) -> Any:
    """A click command."""
    import click

    if not isinstance(answer, click.Command):
        raise wrong(answer, "a click command")
    if not answer.name:
        raise wrong(answer, "a click command with a name")
    return answer


def anything(answer: Any) -> Any:
    """Whatever it is: somebody else judges, so that one that is wrong costs no other.

    A coroutine is closed: nobody will await it.
    """
    if inspect.iscoroutine(answer):
        answer.close()
    return answer


def having(what: str, *methods: str) -> Callable[[Any], Any]:
    """A check by members: an object that has all of *methods*, called *what* in errors."""

    def check(answer: Any) -> Any:
        for method in methods:
            if isinstance(answer, type) or not callable(getattr(answer, method, None)):
                raise wrong(answer, f"{what}, with {method}(),")
        return answer

    return check
