"""Standard output and error while jobs run: what a run prints belongs to the run, the rest passes.

The proxies are put in place by jobkit's own programs only, never in a program that embeds it. What is
written from a thread that a job started itself, or straight to a descriptor, passes too: nothing
says whose it is.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any

from jobkit.logs.context import current_capture

_NAMES = ("stdout", "stderr")


class RunStream(io.TextIOBase):
    """In place of ``sys.stdout`` or ``sys.stderr``. Cannot be closed; ``fileno`` is that of the original."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        #: What lies behind; None in a process without that stream.
        self.jobkit_original = original
        self._binary = RunBinaryStream(name, original)

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
        elif self.jobkit_original is not None:
            self.jobkit_original.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        # A line of a run is whole when it ends, not when somebody flushes in the middle of it.
        if current_capture.get() is None and self.jobkit_original is not None:
            self.jobkit_original.flush()

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

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def write(self, data: Any) -> int:
        given = memoryview(data)
        capture = current_capture.get()
        if capture is not None:
            capture.print(self._name, given.tobytes())
        elif self._original is not None:
            target = getattr(self._original, "buffer", None)
            if target is not None:
                target.write(data)
            else:  # a stream without bytes below, as tests have it
                self._original.write(given.tobytes().decode("utf-8", "backslashreplace"))
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


def install_streams() -> Callable[[], None]:
    """Put the proxies in place of ``sys.stdout`` and ``sys.stderr``; what is returned takes them away again.

    Raises RuntimeError if they are in place already.
    """
    if _installed:
        raise RuntimeError("the streams are installed already")
    for name in _NAMES:
        _installed[name] = RunStream(name, getattr(sys, name))
    restore_streams()
    return _uninstall_streams


def restore_streams() -> None:
    """Put the proxies back where a job has replaced them; nothing if they are not installed."""
    for name, proxy in _installed.items():
        if getattr(sys, name, None) is not proxy:
            setattr(sys, name, proxy)


def _uninstall_streams() -> None:
    for name, proxy in _installed.items():
        if getattr(sys, name, None) is proxy:
            setattr(sys, name, proxy.jobkit_original)
    _installed.clear()
