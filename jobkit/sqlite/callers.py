"""Who calls: a task of an event loop, or a thread without one; and from which line."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Final, TypeAlias

from jobkit.exceptions import relative_to
from jobkit.sqlite.errors import misused

Caller: TypeAlias = tuple[str, int]

_OWN: Final = str(Path(__file__).parents[1]) + os.sep
_CONTEXTLIB: Final = "contextlib.py"


def caller() -> Caller:
    """Which task this is, or which thread where no event loop runs."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return "task", id(trio.lowlevel.current_task())
    try:
        return "task", id(asyncio.current_task())
    except RuntimeError:
        return "thread", threading.get_ident()


def expect_task(method: str) -> None:
    """DatabaseError in a thread without an event loop, where nobody would await what is returned."""
    if caller()[0] == "thread":
        raise misused(
            f"`{method}` is for coroutines, and this thread has no event loop",
            f"in a thread, as in a job that is a plain `def`, write db.sync.{method}(…)",
        )


def expect_thread(method: str) -> None:
    """DatabaseError where an event loop runs, which would stand still."""
    if caller()[0] == "task":
        raise misused(
            f"`sync.{method}` waits as threads do, and would stop the event loop that runs in this one",
            f"write await db.{method}(…), or `async with` for a transaction",
        )


def place(root: Path) -> str:
    """``file:line`` of the nearest frame outside of jobkit; inside *root*, relative to it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{relative_to(Path(frame.f_code.co_filename), root)}:{frame.f_lineno}"


def _is_ours(name: str) -> bool:
    return name.startswith(_OWN) or name.endswith(_CONTEXTLIB)
