"""What hooks were called with, kept for tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from jobkit import hookspecs
from jobkit.hookspecs import RULES
from jobkit.markers import hookimpl
from jobkit.plugins.implementations import arguments_of

#: The plugin that records is called so.
RECORDER = "jobkit-recorder"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call of *hook*. Its arguments are attributes: ``call.run``, ``call.config``."""

    hook: str
    arguments: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        if name in self.arguments:
            return self.arguments[name]
        raise AttributeError(f"{self.hook} has no argument {name!r}; it has {', '.join(self.arguments)}")


class Recorder:
    """A plugin that implements every hook, is asked first, and has no opinion on anything."""

    def __init__(self) -> None:
        self.recorded: list[RecordedCall] = []
        for hook in RULES:
            setattr(self, hook, self._implementation(hook))

    def _implementation(self, hook: str) -> Callable[..., Any]:
        spec = getattr(hookspecs, hook)
        names = arguments_of(hook)

        @wraps(spec)  # pluggy reads from what is wrapped which arguments are wanted
        def record(*given: Any) -> None:
            kept = (list(value) if isinstance(value, list) else value for value in given)
            self.recorded.append(RecordedCall(hook, dict(zip(names, kept, strict=True))))

        return hookimpl(tryfirst=True)(record)
