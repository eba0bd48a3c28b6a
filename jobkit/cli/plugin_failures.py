"""Plugins that take part, and failed in something: what ``check``, ``doctor`` and ``plugins`` say of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.exceptions import PluginError

if TYPE_CHECKING:
    from jobkit.plugins.failures import Fault
    from jobkit.plugins.registry import PluginInfo
    from jobkit.project import Project


def failures_of(project: Project) -> list[PluginError]:
    """What the plugins of *project* have failed in since they were loaded, and those that do nothing."""
    found = []
    for info in project.plugins.infos:
        found += faults_of(info)
        found += [idle] if (idle := idle_of(info)) is not None else []
    return found


def faults_of(info: PluginInfo) -> list[PluginError]:
    """One for each way in which *info* has failed; what is in its ``error`` is not repeated if it is out."""
    takes_part = info.status == "active"
    faults = [
        fault
        for fault in info.faults
        if takes_part or info.error is None or fault.message not in info.error.message
    ]
    rest = info.failures - sum(fault.times for fault in info.faults)
    found = [_shown(info, fault) for fault in faults]
    if rest > 0:
        found.append(
            PluginError(
                f"plugin {info.name} has failed {rest} times more, in too many ways to show",
                code="JK721",
                help=f"each is an event plugin.failed in the logs; {info.switch} leaves it out",
            )
        )
    return found


def idle_of(info: PluginInfo) -> PluginError | None:
    """That *info* takes part and implements nothing, if that is so: nobody would notice otherwise."""
    if info.status != "active" or info.hooks or info.source == "built-in":
        return None
    return PluginError(
        f"plugin {info.name} implements no hook, so it does nothing",
        code="JK714",
        path=info.path,
        help="mark functions with @hookimpl, at the top of the module or in a class that the entry point "
        "names; let the name of a file that others in hooks/ import begin with `_`",
    )


def ask_everything(project: Project) -> None:
    """Let plugins provide what they provide later than when a project is loaded: failures are then known."""
    from jobkit.cli.main import VERBS
    from jobkit.cli.plugged import offered_verbs
    from jobkit.sinks.checking import checked_sinks

    offered_verbs(project, {verb for verbs in VERBS.values() for verb in verbs})
    checked_sinks(project.sinks, project.hooks)


def _shown(info: PluginInfo, fault: Fault) -> PluginError:
    how = "takes part and has failed" if info.status == "active" else "has failed"
    times = "" if fault.times == 1 else f" {fault.times} times"
    return PluginError(
        f"plugin {info.name} {how}{times}: {fault.hook}: {fault.message}",
        code=fault.error.code,
        path=fault.error.path,
        line=fault.error.line,
        help=fault.error.help,
    )
