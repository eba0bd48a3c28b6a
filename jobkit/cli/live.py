"""Lines at the bottom of a terminal that are redrawn in place, below everything else that is said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobkit.cli.output import Output

#: More running jobs than this are counted, not drawn.
MOST_LINES = 8

_ERASE_LINE = "\r\x1b[K"
_UP_AND_ERASE = "\x1b[1A\x1b[K"


class LiveLines:
    """The moving lines of a command; on a stream that cannot move, nothing.

    *draw* gives the lines as they are now, narrower than the terminal. Thread-safe.
    """

    def __init__(self, output: Output, draw: Callable[[], list[str]]) -> None:
        self._output = output
        self._draw = draw
        self._lock = threading.RLock()
        self._shown = 0
        self._away = False

    @property
    def moves(self) -> bool:
        """Whether lines can be redrawn here."""
        return self._output.aside_terminal.live and not self._output.json

    def redraw(self) -> None:
        """Draw the lines as they are now."""
        if self.moves:
            with self.paused():
                pass

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the lines away while something else is said, then put them below it."""
        with self._lock:
            if self._shown:
                self._output.raw_aside(_ERASE_LINE + _UP_AND_ERASE * (self._shown - 1))
                self._shown = 0
            try:
                yield
            finally:
                self._put()

    @contextmanager
    def away(self) -> Iterator[None]:
        """No moving lines until the block ends; others may say something meanwhile, and need not wait."""
        with self.paused():
            self._away = True
        try:
            yield
        finally:
            self._away = False
            self.redraw()

    def _put(self) -> None:
        if self._away or not self.moves:
            return
        lines = self._draw()
        if len(lines) > MOST_LINES:
            lines[MOST_LINES - 1 :] = [f"… {len(lines) - MOST_LINES + 1} more running"]
        if lines:
            # No line feed behind the last one: it would scroll the terminal's bottom line away.
            self._output.raw_aside("\n".join(lines))
            self._shown = len(lines)
