"""What ``jobkit_terminal_summary`` writes with."""

from __future__ import annotations

from typing import Protocol


class Terminal(Protocol):
    """The end of a CLI run, as plugins may add to it. Belongs to the thread that calls the hook."""

    @property
    def width(self) -> int:
        """How many columns there are."""
        ...

    @property
    def quiet(self) -> bool:
        """Whether ``-q`` was given: say only what matters."""
        ...

    def line(self, text: str = "") -> None:
        """Write one line to stderr; control characters are escaped."""
        ...
