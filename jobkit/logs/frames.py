"""Which frames of a stack a reader is shown: those of the user, and what the user's called."""

from __future__ import annotations

import contextlib
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

_OURS = str(Path(__file__).parents[1]) + os.sep
_STDLIB = str(Path(contextlib.__file__).parent) + os.sep
_ASYNCIO = f"{_STDLIB}asyncio{os.sep}"
# What lies between us and the job's first own frame; further in, it is the user's business.
_STDLIB_MACHINERY = ("importlib", "asyncio", "concurrent", "contextlib.py", "threading.py", "runpy.py")
_MACHINERY = re.compile(
    r"<frozen (importlib|runpy)|.*[/\\](site|dist)-packages[/\\](anyio|trio|outcome|sniffio)[/\\]"
)


def is_ours(path: str) -> bool:
    """Whether *path* is a module of jobkit itself."""
    return path.startswith(_OURS)


def is_machinery(path: str) -> bool:
    """Whether *path* is ours, or of the event loop or the import system that lead from us to the user's."""
    if path.startswith(_STDLIB) and path[len(_STDLIB) :].startswith(_STDLIB_MACHINERY):
        return True
    return is_ours(path) or _MACHINERY.match(path) is not None


def waits(path: str) -> bool:
    """Whether *path* is part of an event loop or of what people wait with on one."""
    return path.startswith(_ASYNCIO) or _MACHINERY.match(path) is not None


def users(frames: Sequence[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """The user's of *frames*, outermost first, without what led to them; none of ours in between."""
    kept: list[traceback.FrameSummary] = []
    for frame in frames:
        # Further in, a frame of the event loop is the user's business; one of ours never is.
        if not (is_ours(frame.filename) if kept else is_machinery(frame.filename)):
            kept.append(frame)
    return kept


def chained(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """*report* and all that hangs on it: causes, contexts, the exceptions of groups; each once."""
    waiting, seen = [report], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        more = (one.__cause__, one.__context__, *(getattr(one, "exceptions", None) or ()))
        waiting += [other for other in more if other is not None]
