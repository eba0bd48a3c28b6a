"""Executing one file so that it harms nobody else: in bounded time, with the process as it was afterwards.

Two timers end what takes too long: one of the wall clock, and one of processor time behind it, for files
that use the first themselves. They interrupt Python code only; a call into C that does not come back is
out of their reach (see ``suspects``). Signals belong to the main thread: outside of it there is no limit.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TextIO, TypeVar

from jobkit.collection.process_state import ProcessState
from jobkit.collection.streams import Aside
from jobkit.exceptions import CollectionError, JobkitError, JobkitWarning

T = TypeVar("T")

_OURS = str(Path(__file__).parent.parent) + os.sep
_STDLIB = os.path.dirname(os.__file__) + os.sep
_TIMERS = hasattr(signal, "setitimer")
_REPEAT = 0.25
_SOON = 0.002
#: So often is waited that long for code of ours to be done.
_PATIENCE = 1000
#: A describing of an error calls code of the file once more; that long it may take.
_SHORT = 2.0


class ImportLimit(BaseException):
    """Raised in the code of a file that takes too long."""


class Guard:
    """Executes calls into job files, one after another; enter it once for a whole collection.

    *limit* is in seconds, None for no limit. ``interrupted`` is True once the user has pressed Ctrl-C.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self.interrupted = False
        #: What the last call printed, which parts of the process it changed, in words, and the warnings
        #: that jobkit itself gave meanwhile.
        self.printed = ""
        self.changed: list[str] = []
        self.warned: list[JobkitError] = []
        self._aside = Aside()
        self._signals = _Signals(self) if threading.current_thread() is threading.main_thread() else None
        self._process = os.getpid()

    def __enter__(self) -> Self:
        self._aside.install()
        self._showwarning, warnings.showwarning = warnings.showwarning, self._show_warning
        if self._signals is not None:
            self._signals.install()
        self._state = ProcessState()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._signals is not None:
            self._signals.remove()
        if warnings.showwarning == self._show_warning:
            warnings.showwarning = self._showwarning
        self._aside.remove()

    def run(self, call: Callable[..., Any], *arguments: object) -> BaseException | None:
        """Call it; what it raised, whatever that is, or None. Afterwards the process is as it was before."""
        limit = sys.getrecursionlimit()
        error: BaseException | None = None
        self.warned = []
        try:
            try:
                if self._signals is not None:
                    self._signals.arm(self.limit)
                call(*arguments)
            except BaseException as caught:
                error = caught
            if self._signals is not None:
                self._signals.disarm()
        except BaseException as late:  # the timer fired between the two
            error = error or late
            if self._signals is not None:
                self._signals.disarm()
        if sys.getrecursionlimit() < limit:
            sys.setrecursionlimit(limit)  # first of all, for the rest needs some frames
            self.changed = ["the recursion limit"]
        else:
            self.changed = []
        if os.getpid() != self._process:
            # The file has forked, and this is the child: its part of the work ends where the file ends.
            os._exit(0 if error is None else 1)
        self.changed += self._aside.mend()
        self.changed += self._state.restore()
        self.printed = self._aside.printed.take() if self._aside.printed.length else ""
        return error

    def ask(self, question: Callable[[], T]) -> T | None:
        """The answer to *question*, which may call code of a file; None if there is none in time."""
        answers: list[T] = []
        whole, self.limit = self.limit, _SHORT
        printed, changed, warned = self.printed, self.changed, self.warned
        try:
            self.run(lambda: answers.append(question()))
        finally:
            self.limit, self.printed, self.changed, self.warned = whole, printed, changed, warned
        return answers[0] if answers else None

    def _show_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Take part in ``warnings``: what jobkit itself warns of is a finding, not a line of output."""
        if not issubclass(category, JobkitWarning):
            self._showwarning(message, category, filename, lineno, file, line)
            return
        text, _, code = str(message).removesuffix("]").partition(" [")
        self.warned.append(CollectionError(text, code=code or None, path=filename, line=lineno))


class _Signals:
    """The handlers of the import limit and of Ctrl-C while files are executed; main thread only."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._armed = False
        self._fired = self._waited = 0
        self._before: dict[int, Any] = {}
        self._timer = (0.0, 0.0)

    def install(self) -> None:
        if _TIMERS:
            self._timer = signal.setitimer(signal.ITIMER_REAL, 0)
            for number in (signal.SIGALRM, signal.SIGVTALRM):
                self._before[number] = signal.signal(number, self._on_timer)
        ours = signal.getsignal(signal.SIGINT)
        if callable(ours):  # else it is ignored (a job in the background), or ends the process
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_interrupt)

    def remove(self) -> None:
        self.disarm()
        for number, handler in self._before.items():
            # None stands for a handler that was not set from Python; it cannot be set again.
            if handler is not None:
                signal.signal(number, handler)
        if self._timer[0]:
            signal.setitimer(signal.ITIMER_REAL, *self._timer)

    def arm(self, limit: float | None) -> None:
        self._fired = self._waited = 0
        self._armed = True
        if limit is not None and _TIMERS:
            signal.setitimer(signal.ITIMER_REAL, limit, _REPEAT)
            signal.setitimer(signal.ITIMER_VIRTUAL, limit + 4 * _REPEAT, _REPEAT)

    def disarm(self) -> None:
        self._armed = False
        if _TIMERS:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _on_timer(self, number: int, frame: FrameType | None) -> None:
        if not self._armed:
            return
        if _is_machinery(frame) and self._waited < _PATIENCE:
            # An exception here could leave a lock of the import system taken: wait for the file's own code.
            self._waited += 1
            signal.setitimer(signal.ITIMER_REAL, _SOON, _REPEAT)
            return
        self._waited = 0
        self._fired += 1
        if self._fired > 3:
            # The file catches what is raised and goes on. It cannot catch what comes while it does so:
            # strike again within microseconds, at another instant each time.
            signal.setitimer(signal.ITIMER_REAL, 2e-6 + time.perf_counter_ns() % 38 * 1e-6, _REPEAT)
        if self._guard.interrupted:
            raise KeyboardInterrupt
        raise ImportLimit("the time for importing one file is over: `[project] import_timeout`")

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        before = self._before[signal.SIGINT]
        if before is not signal.default_int_handler:
            before(number, frame)  # the program around us has its own idea of what it means
            return
        self._guard.interrupted = True
        if self._armed and _TIMERS:
            signal.setitimer(signal.ITIMER_REAL, _REPEAT, _REPEAT)  # for files that catch it
            if _is_machinery(frame):
                signal.setitimer(signal.ITIMER_REAL, _SOON, _REPEAT)
                return
        raise KeyboardInterrupt


def _is_machinery(frame: FrameType | None) -> bool:
    """Whether jobkit or the import system is at work, rather than a module's body or what it calls."""
    innermost = True
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return innermost  # further out it is what has begun to execute a module
        if name.startswith(_OURS):
            return True
        if not name.startswith(_STDLIB) and not name.startswith("<"):
            return False
        innermost = False
        frame = frame.f_back
    return True
