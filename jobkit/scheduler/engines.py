"""Which engine carries runs to whoever executes them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from jobkit.exceptions import ConfigError

if TYPE_CHECKING:
    from jobkit.engines.base import Engine
    from jobkit.project import Project


def chosen_engine(project: Project) -> Engine:
    """The engine that ``[scheduler] engine`` names, not entered yet. ConfigError if no plugin has it."""
    config = project.config
    wanted = config.scheduler.engine
    engines: dict[str, Engine] = {}
    for provided in project.hooks.engines(config):
        engines.setdefault(provided.value.name, provided.value)
    if wanted in engines:
        return engines[wanted]
    origin = config.origin(("scheduler", "engine"))
    near = get_close_matches(wanted, engines, n=1)
    there = ", ".join(sorted(engines)) or "none"
    raise ConfigError(
        f"there is no engine called {wanted!r}",
        code="JK217",
        path=origin.path,
        line=origin.line,
        help=f"did you mean {near[0]!r}?" if near else f"there are: {there}; plugins bring further ones",
    )
