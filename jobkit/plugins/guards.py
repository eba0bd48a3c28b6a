"""What tells a plugin's failure from the end of the program, and from a cancellation that is meant."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from jobkit.plugins.failures import NonsenseError
from jobkit.sanitising import bounded, repr_of

#: The handler of SIGINT that was told last.
_told: object = None


def is_ours_to_pass(error: BaseException) -> bool:
    """Whether *error* ends more than the plugin that it came from."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_ours_to_pass(each) for each in error.exceptions)
    if isinstance(error, (Exception, SystemExit, GeneratorExit)):
        return False
    if isinstance(error, KeyboardInterrupt):
        return True
    return _is_cancellation(error) and being_cancelled()


def told_as_interruption(error: BaseException) -> bool:
    """Whether *error* is a KeyboardInterrupt, and the program knows of it as it knows of a Ctrl-C.

    On the event loop, which KeyboardInterrupt would end at once. That takes a handler of SIGINT that does not
    raise; each is told once, because the second Ctrl-C is to end what the first one left.
    """
    import signal
    import threading

    global _told

    if not _holds_interrupt(error) or threading.current_thread() is not threading.main_thread():
        return False
    handler = signal.getsignal(signal.SIGINT)
    if handler in (None, signal.SIG_DFL, signal.default_int_handler):
        return False
    if handler is not _told:
        _told = handler
        signal.raise_signal(signal.SIGINT)
    return True


def _holds_interrupt(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_holds_interrupt(each) for each in error.exceptions)
    return isinstance(error, KeyboardInterrupt)


def _is_cancellation(error: BaseException) -> bool:
    import anyio  # not above: commands without an event loop do without it

    try:
        return isinstance(error, anyio.get_cancelled_exc_class())
    except Exception:  # outside of any event loop nothing is a cancellation
        return False


def being_cancelled() -> bool:
    """Whether somebody has cancelled the current task: else a plugin raised a cancellation of its own."""
    import anyio

    if anyio.current_effective_deadline() <= anyio.current_time():
        return True
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:  # trio runs here
        return False
    return task is not None and bool(task.cancelling())


def expect_nothing(answer: Any) -> None:
    """Raise NonsenseError for an answer where none is expected."""
    refuse_awaitable(answer)
    if answer is not None:
        raise NonsenseError(f"it returned {bounded(repr_of(answer), 80)}, and nothing is expected")


def refuse_awaitable(answer: Any) -> None:
    """Raise NonsenseError for what would have to be awaited; a coroutine is closed, so nobody is warned."""
    if inspect.iscoroutine(answer):
        answer.close()
    elif not inspect.isawaitable(answer):
        return
    raise NonsenseError("it returned something to be awaited, and this hook is synchronous")


def wrong(answer: Any, expected: str) -> NonsenseError:
    """The error for an *answer* that is not what was *expected*; a coroutine is closed: nobody is warned."""
    if inspect.iscoroutine(answer):
        answer.close()
    return NonsenseError(f"it gave {bounded(repr_of(answer), 80)}, and {expected} is expected")
