"""Where log lines go: one write per line, from any thread, and never an error for whoever logs."""

from __future__ import annotations

import threading
from typing import Any


class Output:
    """Writes bytes to a stream; what cannot be written (a closed pipe, a full disk) is counted as *lost*."""

    def __init__(self, stream: Any) -> None:
        # Below the text layer: one system call per line, so that lines of several processes do not mix.
        buffer = getattr(stream, "buffer", None)
        self._stream = stream  # kept: a text layer that nobody keeps closes what lies below it
        target = buffer if buffer is not None else stream
        self._write = target.write
        self._flush = target.flush
        self._as_text = buffer is None
        self._lock = threading.RLock()  # a signal handler may log while its thread is in here
        self.lost = 0

    def write(self, line: bytes) -> None:
        """Write one line, its end included."""
        try:
            with self._lock:
                self._write(line.decode("utf-8", "replace") if self._as_text else line)
                self._flush()
        except (OSError, ValueError, AttributeError):
            # Logging must not end a run, and there is no place left to complain to.
            self.lost += 1
