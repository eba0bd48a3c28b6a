"""Ctrl-C and its relatives while jobs run: the first one cancels politely, the second one ends it."""

from __future__ import annotations

import _thread
import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruption:
    """Whether, and how often, somebody has asked the process to stop."""

    def __init__(self) -> None:
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    @contextlib.contextmanager
    def watched(
        self, cancel: Callable[[], None], told: Callable[[str], bool], end: Callable[[], object]
    ) -> Iterator[None]:
        """Inside an asyncio loop: the first signal calls *cancel* on it, the second *end* in a new thread.

        Nothing is raised: what runs at that moment may be a job, which may catch everything. *told* gets the
        signal's name at once, and again later if it says False. A signal that was ignored before (``nohup``)
        still is. Outside the main thread nothing is watched.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        # A Python handler, not the loop's: it is called even while a job blocks the loop.
        def handle(number: int, frame: FrameType | None) -> None:
            self.count += 1
            if self.count == 2:
                # `threading` takes locks for a new thread, which the interrupted code may hold.
                _thread.start_new_thread(end, ())
            if self.count > 1:
                return
            name = signal.Signals(number).name
            if not told(name):
                loop.call_soon_threadsafe(told, name)
            # In a context of its own, not in the job's that is interrupted: jobs cannot cancel what is ours.
            loop.call_soon_threadsafe(cancel, context=Context())

        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        watched = [number for number in numbers if before[number] != signal.SIG_IGN]
        for number in watched:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number in watched:
                signal.signal(number, before[number])
