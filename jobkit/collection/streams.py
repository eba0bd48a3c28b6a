"""What job files print while they are imported: kept aside, in bounds, and never part of our answer.

The streams that job files see remain valid for ever, because whatever keeps one – a logging handler made
by ``logging.basicConfig()``, for one – uses it during runs: from the end of the collection on they hand
everything to the real ones.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import Any, TextIO, cast

#: Of what one file prints, this many characters from its beginning and as many from its end are kept.
KEPT = 2000


class Printed:
    """The beginning and the end of what was printed since the last :meth:`take`. Thread-safe."""

    def __init__(self) -> None:
        self.length = 0
        self._head = ""
        self._tail = ""
        self._lock = threading.Lock()

    def add(self, text: str) -> None:
        with self._lock:
            self.length += len(text)
            room = KEPT - len(self._head)
            if room > 0:
                self._head += text[:room]
                text = text[room:]
            if text:
                self._tail = (self._tail + text[-KEPT:])[-KEPT:]

    def take(self) -> str:
        """What was printed, with a note where something was dropped."""
        with self._lock:
            dropped = self.length - len(self._head) - len(self._tail)
            between = f"\n… {dropped:,} characters dropped …\n" if dropped else ""
            text = f"{self._head}{between}{self._tail}"
            self.length, self._head, self._tail = 0, "", ""
            return text


class AsideStream(io.TextIOBase):
    """Stands for ``sys.stdout`` or ``sys.stderr`` (*name*) while job files are imported.

    What *thread* writes (None: every thread) goes to *printed*; the rest, and everything once
    :meth:`release` was called, to the real stream. Closing it does nothing: it is not one file's own.
    """

    def __init__(self, name: str, original: TextIO | None, printed: Printed, thread: int | None) -> None:
        self._name = name
        self._original = original
        self._printed: Printed | None = printed
        self._thread = thread
        self._bytes = _AsideBytes(self)

    def release(self) -> None:
        """From now on, stand for the real stream."""
        self._printed = None

    def write(self, text: str) -> int:
        printed = self._printed
        if printed is not None and self._thread in (None, threading.get_ident()):
            printed.add(str(text))
        elif (real := self._real()) is not None:
            real.write(text)
        return len(text)

    @property
    def buffer(self) -> io.RawIOBase:
        return self._bytes

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._real(), "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return getattr(self._real(), "errors", None) or "backslashreplace"

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        real = self._real()
        return self._printed is None and real is not None and real.isatty()

    def fileno(self) -> int:
        real = self._real()
        if real is None:
            raise io.UnsupportedOperation("fileno")
        return real.fileno()

    def flush(self) -> None:
        real = self._real()
        if self._printed is None and real is not None and not real.closed:
            real.flush()

    def close(self) -> None:
        """Nothing: others print here too."""

    def reconfigure(self, **settings: Any) -> None:
        """Nothing: everything can be written here already."""

    def _real(self) -> TextIO | None:
        current = getattr(sys, self._name, None)
        return self._original if current is self else cast("TextIO | None", current)


class _AsideBytes(io.RawIOBase):
    """The ``buffer`` of such a stream."""

    def __init__(self, stream: AsideStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        content = bytes(data)
        self._stream.write(content.decode("utf-8", "backslashreplace"))
        return len(content)

    def close(self) -> None:
        """Nothing, as above."""


class Aside:
    """Puts the streams in place for one collection, and the real ones back.

    Where no other thread runs, nobody else can be printing: then the text of threads that job files
    start is kept aside too, standard input is empty, and descriptor 1 leads nowhere.
    """

    def __init__(self) -> None:
        self.alone = threading.active_count() == 1
        self.printed = Printed()
        self._real = (sys.stdin, sys.stdout, sys.stderr)
        thread = None if self.alone else threading.get_ident()
        self._out = AsideStream("stdout", sys.stdout, self.printed, thread)
        self._err = AsideStream("stderr", sys.stderr, self.printed, thread)
        self._input: TextIO | None = sys.stdin
        self._ours: tuple[object, object, object] = (None, None, None)
        self._descriptors = _Descriptors() if self.alone else None

    def install(self) -> None:
        """Let job files see these streams."""
        if self.alone and (self._input is None or self._input is self._real[0] or self._input.closed):
            self._input = io.TextIOWrapper(io.BytesIO())
        self._ours = self._input, self._out, self._err
        sys.stdin, sys.stdout, sys.stderr = (cast("TextIO", stream) for stream in self._ours)

    def mend(self) -> list[str]:
        """Undo what a file did to the streams; what it was, in words."""
        changed = []
        if (sys.stdin, sys.stdout, sys.stderr) != self._ours:
            changed.append("the standard streams")
        if self._descriptors is not None and self._descriptors.mend():
            changed.append("the standard descriptors")
        if changed or (self.alone and self._input is not None and self._input.closed):
            self.install()
        return changed

    def remove(self) -> None:
        """Put the real streams back; the others go on by handing over to them."""
        for stream in (sys.__stdout__, sys.__stderr__, *self._real[1:]):
            _flush(stream)  # what a file has written past us, while descriptor 1 still leads nowhere
        if self._descriptors is not None:
            self._descriptors.restore()
        sys.stdin, sys.stdout, sys.stderr = self._real
        self._out.release()
        self._err.release()


class _Descriptors:
    """Descriptor 1 leads to the null device; 1 and 2 are looked after."""

    def __init__(self) -> None:
        for stream in (sys.__stdout__, sys.stdout):
            _flush(stream)
        self._answer, self._other = _Copy(1), _Copy(2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
        self._nowhere = _Copy(1)

    def mend(self) -> bool:
        if _identity(1) == self._nowhere.identity and _identity(2) == self._other.identity:
            return False
        self._nowhere.back_to(1)
        self._other.back_to(2)
        return True

    def restore(self) -> None:
        self._answer.back_to(1)
        for copy in (self._answer, self._other, self._nowhere):
            copy.close()


class _Copy:
    """A second descriptor for what a standard one leads to.

    A file can close descriptors that are not its own, and the numbers are given out again: before
    anything is done with it, it must still lead where it did.
    """

    def __init__(self, number: int) -> None:
        try:
            self._copy = os.dup(number)
        except OSError:
            self._copy = -1  # it is closed: there is nothing to keep
        self.identity = _identity(self._copy)

    def back_to(self, number: int) -> None:
        if self.identity is not None and _identity(self._copy) == self.identity:
            os.dup2(self._copy, number)

    def close(self) -> None:
        if self.identity is not None and _identity(self._copy) == self.identity:
            os.close(self._copy)


def _identity(number: int) -> tuple[int, int, int] | None:
    try:
        status = os.fstat(number)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_rdev


def _copy(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:
        return None  # it is closed: there is nothing to keep


def _flush(stream: TextIO | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        pass  # closed, or its reader has gone: whoever prints next will say so
