"""From a call of a logger to one safe line: a single structlog processor, because each more costs time.

Whatever is given to a logger, it does not raise: an event that cannot be read is logged as just that.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import structlog
from structlog.contextvars import get_contextvars
from structlog.exceptions import DropEvent

from jobkit.logs import setup, stages
from jobkit.logs.context import current_capture
from jobkit.logs.entry import Entry
from jobkit.logs.tracebacks import format_exception, format_stack
from jobkit.logs.values import clean
from jobkit.redaction import Redactor

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.logs.capture import RunCapture

_LEVELS = {"warn": "warning", "exception": "error", "fatal": "critical", "msg": "info", "notset": "debug"}
# What an entry has of its own, and what other processors may have added of that.
_NO_FIELDS = frozenset(("event", "level", "timestamp", "run", "run_id", "job", "extension", "attempt"))


class Sink:
    """What a bound logger of ours wraps: it says whose lines they are.

    *own* marks jobkit's own loggers: what they bind explicitly (``run=…``) is about the run they speak
    of, not a field of the run that happens to surround them.
    """

    __slots__ = ("capture", "own")

    def __init__(self, *, capture: RunCapture | None = None, own: bool = False) -> None:
        self.capture = capture
        self.own = own


def bound_logger(sink: Sink, **values: Any) -> FilteringBoundLogger:
    """A logger at the level in force, with *values* bound."""
    kind: Any = logger_class(setup.state().level)
    logger: FilteringBoundLogger = kind(sink, PROCESSORS, values)
    return logger


@functools.cache
def logger_class(level: int) -> type[FilteringBoundLogger]:
    """structlog's filtering logger for *level*, with a shorter way where :func:`process` is all there is."""
    standard = structlog.make_filtering_bound_logger(level)
    names = {name: number for name, number in setup.LEVELS.items() if number >= level}
    methods = {name: _method(name, getattr(standard, name)) for name in names}
    aliases = {"warn": "warning", "msg": "info", "fatal": "critical"}
    methods |= {alias: methods[name] for alias, name in aliases.items() if name in methods}
    return type(standard.__name__, (standard,), methods)


def _method(level: str, standard: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Any, event: Any = None, *args: Any, **values: Any) -> Any:
        if args or self._processors is not PROCESSORS:
            return standard(self, event, *args, **values)
        fields = {**self._context, **values}
        return _emit(self._logger, level, event, fields)

    method.__name__ = level
    return method


def process(logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
    """The only processor; the line is written here, and nothing is left to do."""
    text = event.pop("event", "")
    _emit(logger, _LEVELS.get(method, method), text, event)
    raise DropEvent


def _emit(logger: Any, level: str, event: object, fields: MutableMapping[str, Any]) -> None:
    """Clean the event, keep it with its run, write it."""
    sink = logger if type(logger) is Sink else _STRANGER
    if _bound_anywhere:
        for key, value in get_contextvars().items():
            fields.setdefault(key, value)
    capture = sink.capture or current_capture.get()
    record(entry_of(level, event, fields, capture, own=sink.own), capture)


def entry_of(
    level: str,
    event: object,
    fields: MutableMapping[str, Any],
    capture: RunCapture | None,
    *,
    source: str = "log",
    own: bool = False,
) -> Entry:
    """The cleaned entry. *fields* are used up; nothing that is in them can make this raise."""
    place = setup.state() if capture is None else capture
    redactor = place.redactor
    steps = stages.stages()
    exception = None
    try:
        if steps is not None:
            about = None if capture is None or (own and "run" in fields) else capture.run
            event, fields = steps.enriched(level, event, fields, about)
        if "exc_info" in fields or "stack_info" in fields:
            exception = _take_exception(fields, redactor)
        text, plain = clean(event, fields, redactor)
    except Exception as error:  # a key, a value, a mapping of somebody's own making
        text, plain = "log.unreadable", {"problem": type(error).__name__}
    run = None if capture is None or (own and "run" in plain) else capture.run
    entry = Entry(place.now(), level, text, plain, run, source, exception)
    return entry if steps is None else steps.redacted(entry, redactor)


def record(entry: Entry, capture: RunCapture | None) -> None:
    """Keep *entry* with its run, if it has one, and write it."""
    if capture is None:
        setup.state().write(entry)
    else:
        capture.add(entry)
        setup.state().write_of_run(entry)


def _take_exception(fields: MutableMapping[str, Any], redactor: Redactor) -> str | None:
    """The traceback that ``exc_info`` or ``stack_info`` asks for; both are taken from *fields*."""
    given = fields.pop("exc_info", None)
    wants_stack = fields.pop("stack_info", None)
    if isinstance(given, tuple):
        given = given[1] if len(given) == 3 else None
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    if isinstance(given, BaseException):
        return format_exception(given, redactor)
    if wants_stack:
        return format_stack(redactor)
    return None


PROCESSORS: list[Any] = [process]
_STRANGER = Sink()
#: structlog's own context variables by name: empty until somebody binds one, which spares a look.
_bound_anywhere: Mapping[str, Any] = getattr(structlog.contextvars, "_CONTEXT_VARS", {"unknown": None})


def capture_processor(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor for a program that embeds jobkit and has a structlog configuration of its own.

    Put it before the renderer. Inside a run it keeps the event with the run and adds run, job,
    extension and attempt; outside of runs it does nothing. The event goes on unchanged otherwise.
    """
    capture = current_capture.get()
    if capture is not None:
        fields = {key: value for key, value in event.items() if key not in _NO_FIELDS}
        capture.add(entry_of(_LEVELS.get(method, method), event.get("event", ""), fields, capture))
        for key, value in capture.run.items():
            event.setdefault(key, value)
    return event
