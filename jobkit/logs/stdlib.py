"""Records of the standard library's ``logging``, on their way to a run and to the output."""

from __future__ import annotations

import logging
from typing import Any

from jobkit.logs import setup
from jobkit.logs.context import current_capture
from jobkit.logs.processors import entry_of, record
from jobkit.sanitising import repr_of, text_of

# What every record has: the rest was given as `extra`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    setup.OWN_RECORD,
}


class CaptureHandler(logging.Handler):
    """Keeps records that are logged inside a run with the run; records outside of runs pass it by.

    For programs that embed jobkit: ``logging.getLogger().addHandler(CaptureHandler())``. If the program's
    structlog ends in ``logging``, this handler sees those events too: then ``capture_processor`` is not
    needed.
    """

    def emit(self, item: logging.LogRecord) -> None:
        capture = current_capture.get()
        if capture is not None and not hasattr(item, setup.OWN_RECORD):
            capture.add(entry_of(*_parts(item), capture, source="logging"))


class ProgramHandler(logging.Handler):
    """For jobkit's own programs: keeps records inside a run, and writes all of them in the chosen format."""

    def emit(self, item: logging.LogRecord) -> None:
        if hasattr(item, setup.OWN_RECORD):
            return
        capture = current_capture.get()
        record(entry_of(*_parts(item), capture, source="logging"), capture)


def _parts(item: logging.LogRecord) -> tuple[str, str, dict[str, Any]]:
    """Level, text and fields of a record."""
    try:
        text = item.getMessage()
    except Exception:  # arguments that do not fit the text: logging itself complains and goes on
        text = f"{text_of(item.msg)} {repr_of(item.args)}"
    fields: dict[str, Any] = {"logger": item.name}
    fields |= {key: value for key, value in item.__dict__.items() if key not in _STANDARD}
    if item.exc_info:
        fields["exc_info"] = item.exc_info
    return _level(item.levelno), text, fields


def _level(number: int) -> str:
    """The name of the level that *number* has reached."""
    reached = [name for name, least in setup.LEVELS.items() if number >= least]
    return reached[-1] if reached else "debug"
