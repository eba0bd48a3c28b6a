"""Signals are heard while a job holds the main thread, in Python code or outside of it."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Final, Self

#: Seconds that the end of hearing waits for what came last.
_LAST: Final = 1.0


class Wire:
    """Calls *heard* with each signal of *names* that comes, one after another, in a thread of its own.

    A Python handler alone is called when the main thread comes to Python code, which may be never: a job may
    be in a library's C code, and a signal that comes just before a wait begins does not end the wait. The
    interpreter's own handler writes to a wakeup descriptor at once, and the thread reads from it. Whoever
    takes that descriptor away (``loop.add_signal_handler`` in a job) leaves the Python handler.

    While a debugger or a job has a handler of its own for one of them, that one is its own.

    Enter it in the main thread; elsewhere, nothing is heard. A signal that was ignored before (``nohup``)
    still is, and one whose handler was not set from Python. A child that a job forks has Python's own
    handlers: it is not this program, and whoever terminates it wants it to end.
    """

    def __init__(self, names: Iterable[str], heard: Callable[[signal.Signals], object]) -> None:
        self._names = names
        self._call = heard
        self._before: dict[int, Any] = {}
        self._reading: socket.socket | None = None
        self._writing: socket.socket | None = None
        self._wakeup = -1

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(
            target=self._read, args=[self._reading], name="jobkit-signals", daemon=True
        )
        self._thread.start()
        _open.append(self)
        for number in [getattr(signal, name) for name in self._names if hasattr(signal, name)]:
            before = signal.getsignal(number)
            if before is not None and before != signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *raised: object) -> None:
        if self._writing is None:
            return
        self._give_back()
        self._writing.shutdown(socket.SHUT_WR)  # the thread reads what came before, and ends
        self._thread.join(_LAST)
        self._writing.close()
        _open.remove(self)

    def _give_back(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        if self._writing is not None:
            now = signal.set_wakeup_fd(self._wakeup)
            if now != self._writing.fileno():
                signal.set_wakeup_fd(now)  # somebody's who is not done

    def _handle(self, number: int, frame: FrameType | None) -> None:
        assert self._writing is not None
        now = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        if now != self._writing.fileno():
            signal.set_wakeup_fd(now)
            self._writing.send(bytes([number]))

    def _read(self, reading: socket.socket) -> None:
        with reading:
            while numbers := reading.recv(64):
                for number in numbers:
                    # The interpreter also writes those of others, and what others handle meanwhile.
                    if number in self._before and signal.getsignal(number) == self._handle:
                        self._call(signal.Signals(number))


#: Those that are entered: at most a few, the innermost last.
_open: list[Wire] = []


def _leave_to_the_parent() -> None:
    """In a forked child: its signals are not the parent's."""
    if not _open:
        return
    while _open:
        _open.pop()._give_back()
    if callable(signal.getsignal(signal.SIGINT)):  # that of the event loop, which is the parent's, too
        signal.signal(signal.SIGINT, signal.default_int_handler)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
