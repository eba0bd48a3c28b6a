"""Tracebacks as their readers need them: the user's frames, never locals, bounded."""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from jobkit.redaction import Redactor
from jobkit.sanitising import escape_controls

#: Longest traceback that is kept, in characters.
LONGEST = 64 * 1024

_OURS = str(Path(__file__).parent.parent) + os.sep
_STDLIB = str(Path(contextlib.__file__).parent) + os.sep
_ASYNCIO = f"{_STDLIB}asyncio{os.sep}"
# What lies between us and the job's first own frame; further in, it is the user's business.
_STDLIB_MACHINERY = ("importlib", "asyncio", "concurrent", "contextlib.py", "threading.py", "runpy.py")
_MACHINERY = re.compile(
    r"<frozen (importlib|runpy)|.*[/\\](site|dist)-packages[/\\](anyio|trio|outcome|sniffio)[/\\]"
)


def format_traceback(error: BaseException, redactor: Redactor) -> str | None:
    """The traceback of *error* with causes, contexts, groups and notes; None if no user frame is in it.

    Frames of jobkit are left out everywhere, those of the event loop and the import system where they
    lead up to the user's. *redactor* masks secrets. Never raises.
    """
    try:
        trace = _from_user(error.__traceback__)
        summary = traceback.TracebackException(type(error), error, trace, compact=True)
        text = _bounded(summary.format()) if _filter(summary, set()) else None
    except Exception as trouble:  # an exception class can override anything
        return f"(the traceback could not be formatted: {type(trouble).__name__})"
    return _safe(text, redactor) if text is not None else None


def format_place(frames: traceback.StackSummary, last: str, redactor: Redactor) -> str | None:
    """Where *frames* have got to, the user's only, as a traceback that ends with *last*; None without any."""
    kept = _users(frames)
    # What it waits with says nothing: the place is the user's own `await`.
    while kept and _waits(kept[-1].filename):
        kept.pop()
    if not kept:
        return None
    users = traceback.StackSummary.from_list(kept)
    lines = ["Traceback (most recent call last):\n", *users.format(), last]
    return _safe(_bounded(iter(lines)), redactor)


def user_traceback(error: BaseException) -> tuple[BaseException, TracebackType] | None:
    """What a debugger should show of *error*: the exception, with the user's frames and what they called.

    Of a group it is the first exception that has any, and where there are none, the cause. None without.
    """
    for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if (found := user_traceback(inner)) is not None:
            return found
    frames, trace = [], _from_user(error.__traceback__)
    while trace is not None:
        if not is_ours(trace.tb_frame.f_code.co_filename):
            frames.append(trace)
        trace = trace.tb_next
    for frame in reversed(frames):
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    if trace is not None:
        return error, trace
    return user_traceback(error.__cause__) if error.__cause__ is not None else None


def is_ours(path: str) -> bool:
    """Whether *path* is a module of jobkit itself."""
    return path.startswith(_OURS)


def _is_machinery(path: str) -> bool:
    if path.startswith(_STDLIB) and path[len(_STDLIB) :].startswith(_STDLIB_MACHINERY):
        return True
    return is_ours(path) or _MACHINERY.match(path) is not None


def _waits(path: str) -> bool:
    """Whether *path* is part of an event loop or of what people wait with on one."""
    return path.startswith(_ASYNCIO) or _MACHINERY.match(path) is not None


def _from_user(trace: TracebackType | None) -> TracebackType | None:
    """*trace* from the first frame on that is not machinery."""
    while trace is not None and _is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _filter(summary: traceback.TracebackException, seen: set[int]) -> bool:
    """Take machinery out of *summary* and everything chained to it; whether frames are left."""
    if id(summary) in seen:
        return False
    seen.add(id(summary))
    summary.stack[:] = _users(summary.stack)
    shown = bool(summary.stack)
    for chained in (summary.__cause__, summary.__context__, *(summary.exceptions or ())):
        if chained is not None:
            shown = _filter(chained, seen) or shown
    return shown


def _users(frames: traceback.StackSummary) -> list[traceback.FrameSummary]:
    kept: list[traceback.FrameSummary] = []
    for frame in frames:
        # Further in, a frame of the event loop is the user's business; one of ours never is.
        if not (is_ours(frame.filename) if kept else _is_machinery(frame.filename)):
            kept.append(frame)
    return kept


def _safe(text: str, redactor: Redactor) -> str:
    return redactor.text(escape_controls(text, multiline=True))


def _bounded(lines: Iterator[str]) -> str:
    """The text of *lines*; of a very long one the beginning and the end."""
    half = LONGEST // 2
    head, tail, length = "", "", 0
    for line in lines:
        length += len(line)
        room = half - len(head)
        head += line[:room]
        tail = (tail + line[room:])[-half:] if room < len(line) else tail
    dropped = length - len(head) - len(tail)
    if not dropped:
        return (head + tail).rstrip("\n")
    return f"{head}\n… {dropped} characters left out …\n{tail}".rstrip("\n")
