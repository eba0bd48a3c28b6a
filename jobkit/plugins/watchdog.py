"""Naming what holds everything up: a synchronous call into a plugin that does not return."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

#: After how many seconds a synchronous call is named on stderr.
PATIENCE = 5.0
_INTERVAL = 0.25
#: After so many seconds without a call its thread ends: a program may load its plugins many times.
IDLE = 10.0
#: The name of the thread that watches; it imports nothing.
WATCHDOG = "jobkit watchdog"


class Watchdog:
    """Watches calls, from any thread; costs next to nothing while they return. One thread, while needed.

    *say* writes one line; by default to stderr, because nothing else may get to it meanwhile. The thread ends
    *idle* seconds after the last call.
    """

    def __init__(
        self, patience: float = PATIENCE, say: Callable[[str], None] | None = None, idle: float = IDLE
    ) -> None:
        self._patience = patience
        self._idle = idle
        self._say = say or _to_stderr
        self._calls: dict[object, tuple[float, Callable[[], str]]] = {}
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def watch(self, words: Callable[[], str]) -> _Watch:
        """To be entered around a call; *words* says what is called, if it comes to that."""
        return _Watch(self, words)

    def begin(self, key: object, words: Callable[[], str]) -> None:
        """A call begins."""
        self._calls[key] = (time.monotonic(), words)
        if not self._wanted.is_set():
            self._wake()

    def end(self, key: object) -> None:
        """It has ended, or has been named already."""
        self._calls.pop(key, None)

    def _wake(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._thread = threading.Thread(target=self._look, name=WATCHDOG, daemon=True)
                self._thread.start()
            self._wanted.set()

    def _look(self) -> None:
        while self._wait_for_call():
            while self._calls:
                time.sleep(_INTERVAL)
                self._name_late_ones()
            self._wanted.clear()
            if self._calls:  # one began between the two lines above, and saw the event set
                self._wanted.set()

    def _wait_for_call(self) -> bool:
        """False if none comes: the next one has to start a thread."""
        if self._wanted.wait(self._idle):
            return True
        with self._starting:
            if self._wanted.is_set():
                return True
            self._thread = None
            return False

    def _name_late_ones(self) -> None:
        now = time.monotonic()
        for key, (began, words) in [*self._calls.items()]:
            if now - began >= self._patience and self._calls.pop(key, None) is not None:
                self._say(f"{words()} has not returned for {self._patience:g} s; everything waits for it")


class _Watch:
    __slots__ = ("_watchdog", "_words")

    def __init__(self, watchdog: Watchdog, words: Callable[[], str]) -> None:
        self._watchdog = watchdog
        self._words = words

    def __enter__(self) -> None:
        self._watchdog.begin(self, self._words)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchdog.end(self)


def _to_stderr(line: str) -> None:
    stream = sys.__stderr__
    if stream is not None:
        stream.write(f"jobkit: {line}\n")
        stream.flush()
