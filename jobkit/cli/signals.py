"""What signals mean to a service: stop, hurry, end; and read the files again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from datetime import timedelta
from types import FrameType
from typing import Any, Final, Self

from jobkit.cli.wire import Wire

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")

#: Seconds within which the event loop has to take notice of the second signal.
REACTION: Final = 10.0


class EarlyHangups:
    """SIGHUP while the project is loaded: it ends nothing, and is a wish for a reload afterwards.

    Enter it in the main thread. ``count`` is how many came. One that is ignored stays so; one of a terminal
    that has gone ends the process.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None
        self._terminal = _is_terminal()

    def __enter__(self) -> Self:
        number = getattr(signal, "SIGHUP", None)
        main = threading.current_thread() is threading.main_thread()
        if number is not None and main and signal.getsignal(number) == signal.SIG_DFL:
            self._before = signal.signal(number, self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._terminal and not _is_terminal():
            raise SystemExit(128 + number)
        self.count += 1


class Signals:
    """Inside an asyncio loop: SIGTERM or Ctrl-C calls *stop* on it, once more *hurry*, a third time *end*.

    *end* is called in a thread of its own: also if the loop has not ended *patience* after the first signal,
    or REACTION seconds after the second. SIGHUP calls *reload*, unless the terminal that the process was
    started from has gone: that is a request to stop. A signal that was ignored before (``nohup``) still is.
    Outside the main thread nothing is heard.
    """

    def __init__(
        self,
        *,
        stop: Callable[[], None],
        hurry: Callable[[], None],
        reload: Callable[[], None],
        end: Callable[[], object],
        patience: timedelta,
    ) -> None:
        self.count = 0
        #: The name of the signal that came first.
        self.first: str | None = None
        self._stop = stop
        self._hurry = hurry
        self._reload = reload
        self._end = end
        self._patience = patience.total_seconds()
        self._over = False
        self._terminal = _is_terminal()

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """While the block goes on."""
        loop = asyncio.get_running_loop()

        def heard(number: signal.Signals) -> None:
            self._heard(number, lambda call: loop.call_soon_threadsafe(call, context=Context()))

        try:
            with Wire(_SIGNALS, heard):
                yield
        finally:
            self._over = True

    def _heard(self, number: signal.Signals, soon: Callable[[Callable[[], None]], object]) -> None:
        if number.name == "SIGHUP" and not (self._terminal and not _is_terminal()):
            soon(self._reload)
            return
        self.count += 1
        if self.count == 1:
            self.first = number.name
            soon(self._stop)
            _in_thread(self._wait, self._patience)
        elif self.count == 2:
            soon(self._hurry)
            _in_thread(self._wait, REACTION)
        elif self.count == 3:
            _in_thread(self._end)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.1)
            if self._over:
                return
        self._end()


def _in_thread(call: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=call, args=arguments, name="jobkit-stop", daemon=True).start()


def _is_terminal() -> bool:
    """Whether standard input is a terminal that is still there."""
    try:
        return sys.__stdin__ is not None and os.isatty(0)
    except OSError:
        return False
