"""Tracebacks as their readers need them: the user's frames, never locals, bounded."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType

from jobkit.exceptions import JobkitError
from jobkit.logs.frames import chained, is_machinery, is_ours, users, waits
from jobkit.redaction import Redactor
from jobkit.sanitising import escape_controls

#: Longest traceback that is kept, in characters.
LONGEST = 64 * 1024


def format_traceback(error: BaseException, redactor: Redactor) -> str | None:
    """The traceback of *error* with causes, contexts, groups and notes; None if no user frame is in it.

    Frames of jobkit are left out everywhere, those of the event loop and the import system where they
    lead up to the user's. *redactor* masks secrets. Never raises.
    """
    if isinstance(error, JobkitError) and error.without_frames:
        return None
    try:
        trace = _from_user(error.__traceback__)
        summary = traceback.TracebackException(type(error), error, trace, compact=True)
        text = _bounded(summary.format()) if _filter(summary) else None
    except Exception as trouble:  # an exception class can override anything
        return f"(the traceback could not be formatted: {type(trouble).__name__})"
    return _safe(text, redactor) if text is not None else None


def format_place(frames: traceback.StackSummary, last: str, redactor: Redactor) -> str | None:
    """Where *frames* have got to, the user's only, as a traceback that ends with *last*; None without any."""
    kept = users(frames)
    # What it waits with says nothing: the place is the user's own `await`.
    while kept and waits(kept[-1].filename):
        kept.pop()
    if not kept:
        return None
    shown = traceback.StackSummary.from_list(kept)
    lines = ["Traceback (most recent call last):\n", *shown.format(), last]
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


def _from_user(trace: TracebackType | None) -> TracebackType | None:
    """*trace* from the first frame on that is not machinery."""
    while trace is not None and is_machinery(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _filter(report: traceback.TracebackException) -> bool:
    """Take machinery out of *report* and everything chained to it; whether frames are left."""
    shown = False
    for one in chained(report):
        one.stack[:] = users(one.stack)
        shown = shown or bool(one.stack)
    return shown


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
