"""Printed text that belongs to no run: passed on line by line, with secrets masked."""

from __future__ import annotations

import threading
from typing import Any

from jobkit.logs.printed import LONGEST_LINE

#: Of a line that is too long to wait for its end, this much is kept back: a secret may have begun there.
_MARGIN = 4096


class PassingText:
    """Writes to *original* what comes in, when a line is whole or a flush is asked for. Thread-safe.

    A secret that is printed in several pieces is masked all the same unless a flush parts it.
    """

    def __init__(self, original: Any) -> None:
        self._original = original
        self._rest = ""
        self._lock = threading.RLock()  # a signal handler may print while its thread is in here

    def write(self, text: str) -> None:
        with self._lock:
            whole = self._rest + text
            # As a terminal's own buffer does it: a carriage return shows what is there.
            end = max(whole.rfind("\n"), whole.rfind("\r")) + 1
            if not end and len(whole) > LONGEST_LINE:
                end = len(whole) - _MARGIN
            self._rest = whole[end:]
            if end:
                self._original.write(masked(whole[:end]))

    def flush(self) -> None:
        """Write what is there of a line."""
        with self._lock:
            rest, self._rest = self._rest, ""
            if rest:
                self._original.write(masked(rest))


def masked(text: str) -> str:
    """*text* without secrets; line ends stay."""
    from jobkit.logs.setup import state

    return state().redactor.text(text)


def masked_bytes(data: bytes) -> bytes:
    """*data* without secrets: those that are whole in it."""
    from jobkit.logs.setup import state

    return bytes(state().redactor.value(data))
