"""Standard output and error while jobs run: what a run prints belongs to the run, the rest passes.

The proxies are put in place by jobkit's own programs only, never in a program that embeds it. What is
written from a thread that a job started itself, or straight to a descriptor, passes too: nothing
says whose it is. Secrets are masked in what passes, but for what goes straight to a descriptor.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jobkit.logs.context import current_capture
from jobkit.logs.passing import PassingText, masked_bytes

_NAMES = ("stdout", "stderr")


class RunStream(io.TextIOBase):
    """In place of ``sys.stdout`` or ``sys.stderr``. Cannot be closed; ``fileno`` is that of the original."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        #: What lies behind; None in a process without that stream.
        self.jobkit_original = original
        self._passing = PassingText(original) if original is not None else None
        self._binary = RunBinaryStream(name, original, self._passing)

    @property
    def buffer(self) -> RunBinaryStream:
        """For bytes: they belong to the run as well."""
        return self._binary

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.jobkit_original, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return getattr(self.jobkit_original, "errors", None)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        capture = current_capture.get()
        if capture is not None:
            capture.print(self._name, text)
        elif self._passing is not None:
            self._passing.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        # A line of a run is whole when it ends, not when somebody flushes in the middle of it.
        if current_capture.get() is None and self._passing is not None:
            self._passing.flush()
            self.jobkit_original.flush()

    def pass_rest(self) -> None:
        """Hand on what was printed outside of runs without an end of line."""
        if self._passing is not None:
            self._passing.flush()

    def close(self) -> None:
        """End the line that a run has begun. The stream belongs to the process, and stays open."""
        capture = current_capture.get()
        if capture is not None:
            capture.print_rest(self._name)

    def isatty(self) -> bool:
        if current_capture.get() is not None or self.jobkit_original is None:
            return False
        return bool(self.jobkit_original.isatty())

    def fileno(self) -> int:
        return _fileno(self.jobkit_original)

    def writable(self) -> bool:
        return True

    def reconfigure(self, **options: Any) -> None:
        """As the original's; inside a run it has no effect, for others write there too."""
        if current_capture.get() is None and hasattr(self.jobkit_original, "reconfigure"):
            self.jobkit_original.reconfigure(**options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jobkit_original, name)


class RunBinaryStream(io.RawIOBase):
    """In place of ``sys.stdout.buffer``."""

    def __init__(self, name: str, original: Any, passing: PassingText | None) -> None:
        self._name = name
        self._original = original
        self._passing = passing

    def write(self, data: Any) -> int:
        given = memoryview(data)
        capture = current_capture.get()
        if capture is not None:
            capture.print(self._name, given.tobytes())
        elif self._original is not None:
            target = getattr(self._original, "buffer", None)
            content = masked_bytes(given.tobytes())
            if self._passing is not None:
                self._passing.flush()  # what was printed before as text
            if target is not None:
                target.write(content)
            else:  # a stream without bytes below, as tests have it
                self._original.write(content.decode("utf-8", "backslashreplace"))
        return given.nbytes

    def flush(self) -> None:
        if current_capture.get() is None and self._original is not None:
            self._original.flush()

    def close(self) -> None:
        """Nothing, as above."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return _fileno(self._original)


def _fileno(original: Any) -> int:
    if original is None:
        raise io.UnsupportedOperation("fileno")
    return int(original.fileno())


_installed: dict[str, RunStream] = {}
#: Whether the proxies are there for masking only, and may be taken over by a program that runs jobs.
_masking = False


def install_streams() -> Callable[[], None]:
    """Put the proxies in place of ``sys.stdout`` and ``sys.stderr``; what is returned takes them away again.

    Raises RuntimeError if they are in place already.
    """
    global _masking
    if _masking:
        _masking = False
        return _mask_only
    if _installed:
        raise RuntimeError("the streams are installed already")
    for name in _NAMES:
        _installed[name] = RunStream(name, getattr(sys, name))
    restore_streams()
    return _uninstall_streams


def outside_of_runs(stream: Any) -> Any:
    """What lies behind *stream* if it is one of the proxies: what is written to it belongs to no run."""
    return stream.jobkit_original if isinstance(stream, RunStream) else stream


def restore_streams() -> None:
    """Put the proxies back where a job has replaced them; nothing if they are not installed."""
    for name, proxy in _installed.items():
        if getattr(sys, name, None) is not proxy:
            setattr(sys, name, proxy)


def _uninstall_streams() -> None:
    for name, proxy in _installed.items():
        with contextlib.suppress(Exception):  # closed, or its reader has gone: whoever prints next is told
            proxy.pass_rest()
        if getattr(sys, name, None) is proxy:
            setattr(sys, name, proxy.jobkit_original)
    _installed.clear()


@contextlib.contextmanager
def masked_streams() -> Iterator[None]:
    """Mask what is printed until the block ends; inside of it the proxies can be installed once more."""
    global _masking
    if _installed:
        yield
        return
    undo = install_streams()
    _masking = True
    try:
        yield
    finally:
        _masking = False
        undo()


def _mask_only() -> None:
    global _masking
    _masking = True
