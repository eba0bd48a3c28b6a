"""Whose code a thread executes, told from its stack: nothing else can be asked from outside."""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING

from jobkit.logs.context import current_capture
from jobkit.runner.attempt import Attempt
from jobkit.subtasks import GuardedTask

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def run_on(frame: FrameType | None) -> FilteringBoundLogger | None:
    """The logger of the run that *frame* was called by; None if it is not known.

    Every step of a job's own task has its attempt on the stack, and on asyncio that of a task which the job
    has started has what guards it.
    """
    while frame is not None:
        # Nobody's own code is looked into: only methods of these two have them as `self`.
        if frame.f_code in _METHODS:
            of = frame.f_locals.get("self")
            if isinstance(of, Attempt):
                return of.order.log
            if isinstance(of, GuardedTask) and (capture := of.context.get(current_capture)) is not None:
                return capture.logger
        frame = frame.f_back
    return None


_METHODS = frozenset(
    method.__code__
    for kind in (Attempt, GuardedTask)
    for method in vars(kind).values()
    if hasattr(method, "__code__")
)
