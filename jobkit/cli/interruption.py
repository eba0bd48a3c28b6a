"""Ctrl-C and its relatives while jobs run: the first one cancels politely, the second one ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruption:
    """Whether, and how often, somebody has asked the process to stop."""

    def __init__(self) -> None:
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    @contextlib.contextmanager
    def watched(self, cancel: Callable[[], None], told: Callable[[str], bool]) -> Iterator[None]:
        """Inside an asyncio loop: the first signal calls *cancel* on it, the second raises KeyboardInterrupt.

        *told* gets the signal's name at once, and again later if it says False. A signal that was ignored
        before (``nohup``) still is. Outside the main thread nothing is watched.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        # A Python handler, not the loop's: it is called even while a job blocks the loop.
        def handle(number: int, frame: FrameType | None) -> None:
            self.count += 1
            if self.count > 1:
                raise KeyboardInterrupt
            name = signal.Signals(number).name
            if not told(name):
                loop.call_soon_threadsafe(told, name)
            loop.call_soon_threadsafe(cancel)

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
