"""The log processors of plugins, each in a guard: a line that one cannot process stays as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jobkit.plugins.guards import is_ours_to_pass, wrong
from jobkit.sanitising import safe_text

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.logs.stages import Stages
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.registry import PluginRegistry
    from jobkit.plugins.values import LogProcessor

#: A failure may come with every line: so many different ones of one processor are told, all are counted.
MOST_TOLD = 20


class _Telling(threading.local):
    """Whether this thread tells of a failure just now: the line about it goes through processors, too."""

    telling = False


_owner: PluginRegistry | None = None


def begin_processing(registry: PluginRegistry, config: Config) -> None:
    """Let every line of this process go through what the plugins of *registry* have for it."""
    global _owner
    steps = stages_of(registry.hooks.log_processors(config), registry)
    if steps is not None:
        from jobkit.logs.stages import use_stages

        use_stages(steps)
        _owner = registry


def end_processing(registry: PluginRegistry) -> None:
    """Leave lines alone again, if they still go through those of *registry*."""
    global _owner
    if _owner is registry:
        from jobkit.logs.stages import use_stages

        use_stages(None)
        _owner = None


def stages_of(provided: Sequence[Provided[LogProcessor]], registry: PluginRegistry) -> Stages | None:
    """The processors, in the order in which they were given; None if there are none."""
    if not provided:
        return None
    from jobkit.logs.stages import Stages

    telling = _Telling()
    steps: dict[str, list[Callable[[str, dict[str, Any]], Mapping[str, Any]]]] = {"enrich": [], "redact": []}
    for item in provided:
        steps[item.value.stage].append(_Guarded(item, registry, telling))
    return Stages(steps["enrich"], steps["redact"])


class _Guarded:
    """One processor, called with a copy of the line."""

    def __init__(self, item: Provided[LogProcessor], registry: PluginRegistry, telling: _Telling) -> None:
        self._item = item
        self._registry = registry
        self._telling = telling
        self._told: set[str] = set()

    def __call__(self, level: str, line: dict[str, Any]) -> Mapping[str, Any]:
        try:
            answer = self._item.value.processor(None, level, {**line})
            if not isinstance(answer, Mapping):
                raise wrong(answer, "the line, a dict,")
            return {str(key): value for key, value in answer.items()}
        except BaseException as error:
            if is_ours_to_pass(error):
                raise
            self._failed(error)
            return line

    def _failed(self, error: BaseException) -> None:
        words = f"{type(error).__name__}: {safe_text(error, 200)}"
        if self._telling.telling or words in self._told or len(self._told) >= MOST_TOLD:
            info = self._registry.info(self._item.plugin)
            if info is not None:
                info.failures += 1
            return
        self._told.add(words)
        self._telling.telling = True
        try:
            self._registry.hooks.failed(self._item.plugin, self._what(error), error)
        finally:
            self._telling.telling = False

    def _what(self, error: BaseException) -> str:
        name = getattr(self._item.value.processor, "__name__", None)
        shown = f" {safe_text(name, 80)}" if isinstance(name, str) else ""
        return f"log processor{shown}"
