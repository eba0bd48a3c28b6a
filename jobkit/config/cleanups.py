"""What plugins want called when the project is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Cleanups:
    """Callbacks, in the order in which they were added. Adding is safe from any thread.

    They stay in their process: a copy that travels to another is empty.
    """

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], object]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Cleanups, ()

    def add(self, callback: Callable[[], object]) -> None:
        """One more; TypeError if it cannot be called."""
        if not callable(callback):
            raise TypeError(f"a function without arguments is expected, not {type(callback).__name__}")
        self._callbacks.append(callback)

    def take(self) -> list[Callable[[], object]]:
        """All of them, what was added last first; they are taken away, so that none is called twice."""
        taken: list[Callable[[], object]] = []
        while self._callbacks:
            taken.append(self._callbacks.pop())
        return taken
