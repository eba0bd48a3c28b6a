"""Plugins that take part, and failed in something: what ``check`` and ``doctor`` say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.exceptions import PluginError

if TYPE_CHECKING:
    from jobkit.project import Project


def failures_of(project: Project) -> list[PluginError]:
    """One for each plugin of *project* that has failed since it was loaded, and still takes part."""
    return [
        PluginError(
            f"plugin {info.name} takes part and has failed{_times(info.failures)}: {info.error.message}",
            code=info.error.code,
            path=info.error.path,
            line=info.error.line,
            help=info.error.help,
        )
        for info in project.plugins.infos
        if info.status == "active" and info.failures and info.error is not None
    ]


def ask_everything(project: Project) -> None:
    """Let plugins provide what they provide later than when a project is loaded: failures are then known."""
    from jobkit.sinks.checking import checked_sinks

    project.hooks.commands(project.config)
    checked_sinks(project.sinks, project.hooks)


def _times(number: int) -> str:
    return "" if number == 1 else f" {number} times, the last time"
