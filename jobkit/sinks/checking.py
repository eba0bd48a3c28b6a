"""Sinks as plugins gave them, looked at before any of them is used."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from jobkit.exceptions import PluginError
from jobkit.plugins.guards import is_ours_to_pass
from jobkit.sanitising import bounded, repr_of
from jobkit.sinks.base import Sink

if TYPE_CHECKING:
    from jobkit.plugins.provided import Provided

#: The hook that sinks come from.
HOOK = "jobkit_result_sinks"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")
_MISSING: Any = object()


class Reports(Protocol):
    """What is told of a plugin's failures: :class:`jobkit.plugins.facade.Hooks`."""

    def failed(self, plugin: str, hook: str, error: BaseException, *, run: str | None = None) -> object: ...


@dataclass(frozen=True, slots=True)
class CheckedSink:
    """One sink, its members read once; *accepts*, *manager* and *emit_late* are None where there is nothing
    to call."""

    name: str
    plugin: str
    extension: str | None
    max_age: timedelta
    timeout: float
    local: bool
    emit: Callable[..., Any]
    accepts: Callable[..., Any] | None
    manager: Any
    emit_late: Callable[..., Any] | None = None

    @property
    def label(self) -> str:
        """What its failures are reported under."""
        return f"sink {self.name}"

    def concerns(self, extension: str) -> bool:
        """Whether runs of that extension are any of its business: an extension's sinks see its own."""
        return self.extension is None or self.extension == extension


def checked_sinks(provided: Sequence[Provided[Any]], reports: Reports) -> tuple[CheckedSink, ...]:
    """The sinks that can be used. Each of the others is reported, and nothing else happens to anybody."""
    sinks: dict[str, CheckedSink] = {}
    for given in provided:
        try:
            sink = _checked(given)
            other = sinks.get(sink.name)
            if other is not None:
                raise _twice(sink, other)
            sinks[sink.name] = sink
        except BaseException as error:  # reading a member ran a stranger's code
            if is_ours_to_pass(error):
                raise
            reports.failed(given.plugin, HOOK, error)
    return tuple(sinks.values())


def _checked(given: Provided[Any]) -> CheckedSink:
    sink = given.value
    if isinstance(sink, type):
        raise PluginError(
            f"a sink of plugin {given.plugin} is a class: {sink.__name__}",
            code="JK732",
            help=f"return objects: [{sink.__name__}()]",
        )
    name = _name(sink, given.plugin)
    members: dict[str, Any] = {}
    faults: list[str] = []
    for member, read in (
        ("max_age", _max_age),
        ("timeout", _timeout),
        ("local", _local),
        ("emit", _emit),
        ("accepts", _accepts),
        ("manager", _manager),
        ("emit_late", _emit_late),
    ):
        try:
            members[member] = read(sink)
        except ValueError as fault:
            faults.append(str(fault))
    if faults:
        raise PluginError(
            f"sink `{name}` of plugin {given.plugin} cannot be used: {'; '.join(faults)}",
            code="JK732",
            help="derive it from jobkit.Sink, which has a default for every member but name and emit",
        )
    return CheckedSink(name=name, plugin=given.plugin, extension=given.extension, **members)


def _name(sink: Any, plugin: str) -> str:
    name = getattr(sink, "name", None)
    if isinstance(name, str) and _NAME.match(name):
        return str.__str__(name)
    what = "has no name" if name is None else f"is called {_shown(name)}"
    raise PluginError(
        f"a sink of plugin {plugin} ({type(sink).__qualname__}) {what}, and what waits is kept under that",
        code="JK730",
        help='give it one: name = "webhook" – letters, digits and ._:- , at most 128',
    )


def _twice(sink: CheckedSink, other: CheckedSink) -> PluginError:
    both = f"plugin {sink.plugin} twice" if sink.plugin == other.plugin else f"plugin {other.plugin} too"
    return PluginError(
        f"sink `{sink.name}` of plugin {sink.plugin} is left out: there is one of that name, of {both}",
        code="JK731",
        help="give one of them another name",
    )


def _max_age(sink: Any) -> timedelta:
    age = getattr(sink, "max_age", Sink.max_age)
    if not isinstance(age, timedelta) or age <= timedelta(0):
        raise ValueError(f"max_age is {_shown(age)}, not a timedelta above zero")
    return age


def _timeout(sink: Any) -> float:
    seconds = getattr(sink, "timeout", Sink.timeout)
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"timeout is {_shown(seconds)}, not a number of seconds above zero")
    return float(seconds)


def _local(sink: Any) -> bool:
    local = getattr(sink, "local", Sink.local)
    if not isinstance(local, bool):
        raise ValueError(f"local is {_shown(local)}, not True or False")
    return local


def _emit(sink: Any) -> Callable[..., Any]:
    emit = getattr(sink, "emit", _MISSING)
    if emit is _MISSING:
        raise ValueError("it has no emit")
    return _takes_a_run(emit, "emit")


def _emit_late(sink: Any) -> Callable[..., Any] | None:
    emit = getattr(sink, "emit_late", _MISSING)
    if emit is _MISSING or getattr(emit, "__func__", None) is Sink.emit_late:
        return None
    return _takes_a_run(emit, "emit_late")


def _accepts(sink: Any) -> Callable[..., Any] | None:
    accepts = getattr(sink, "accepts", _MISSING)
    if accepts is _MISSING or getattr(accepts, "__func__", None) is Sink.accepts:
        return None
    return _takes_a_run(accepts, "accepts")


def _takes_a_run(member: Any, name: str) -> Callable[..., Any]:
    if not callable(member):
        raise ValueError(f"{name} is {_shown(member)}, which cannot be called")
    try:
        signature = inspect.signature(member)
    except (TypeError, ValueError):  # written in C, with no signature to look at
        return member  # type: ignore[no-any-return]
    try:
        signature.bind(None)
    except TypeError:
        raise ValueError(f"{name} cannot be called with a run alone") from None
    return member  # type: ignore[no-any-return]


def _manager(sink: Any) -> Any:
    """The sink, if it is to be entered. Special methods belong to the class, as for ``async with``."""
    enter, leave = (getattr(type(sink), name, None) for name in ("__aenter__", "__aexit__"))
    if (enter is None) != (leave is None):
        raise ValueError("it has only one of __aenter__ and __aexit__")
    return None if enter is None or (enter is Sink.__aenter__ and leave is Sink.__aexit__) else sink


def _shown(value: object) -> str:
    return bounded(repr_of(value), 80)
