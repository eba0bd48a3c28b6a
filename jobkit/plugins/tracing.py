"""What ``--trace-hooks`` shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of one implementation, as ``--trace-hooks`` shows it. *seconds* is what it took.

    *outcome* is ``ok``, ``-`` for an answer of None, ``timeout``, or the name of what was raised.
    ``jobkit_run_context`` is called twice, with ``enter`` and with ``leave`` behind its name.
    """

    hook: str
    plugin: str
    seconds: float
    outcome: str


class Traced:
    """Tells *trace* of the call that it is entered around; *answer* is to be set to what came back."""

    __slots__ = ("_began", "_hook", "_plugin", "_trace", "answer")

    def __init__(self, trace: Callable[[HookCall], None] | None, hook: str, plugin: str) -> None:
        self._trace = trace
        self._hook = hook
        self._plugin = plugin
        self._began = time.perf_counter() if trace is not None else 0.0
        self.answer: Any = None

    def forget(self) -> None:
        """Tell nobody of this one."""
        self._trace = None

    def __enter__(self) -> Traced:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._trace is not None:
            seconds = time.perf_counter() - self._began
            self._trace(HookCall(self._hook, self._plugin, seconds, self._outcome(error)))

    def _outcome(self, error: BaseException | None) -> str:
        if error is None:
            return "-" if self.answer is None else "ok"
        return "timeout" if isinstance(error, TimeoutError) else type(error).__name__
