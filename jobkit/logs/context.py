"""Which run the code that is executing belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.logs.capture import RunCapture

#: Set while an attempt is executed. Tasks and anyio's worker threads inherit it; a thread that a job starts
#: itself, and another process, do not.
current_capture: ContextVar[RunCapture | None] = ContextVar("jobkit_run_capture", default=None)
