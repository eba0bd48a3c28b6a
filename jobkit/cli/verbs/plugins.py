"""``jobkit plugins``: what is plugged in, where it comes from, and how it fares."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobkit.cli.command import verb
from jobkit.cli.plugin_failures import ask_everything, faults_of, idle_of
from jobkit.cli.projects import loaded
from jobkit.cli.render.errors import error_block
from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.session import Session
from jobkit.exceptions import relative_to
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.exceptions import PluginError
    from jobkit.plugins.registry import PluginInfo

_STYLES = {"active": "good", "blocked": "dim", "broken": "error", "unregistered": "error"}


@verb(
    "plugins",
    empty=[],
    examples=[
        ("jobkit plugins", "name, version, source, status, hooks"),
        ("jobkit plugins -v", "the built-in ones too, and where each is written"),
        ("jobkit plugins --plugin no:webhook", "how it would be without one"),
    ],
)
def command(session: Session) -> None:
    """Show the plugins of this project: where they come from, their hooks, and what went wrong with them."""
    output = session.output
    with loaded(session, lenient=True) as project:
        ask_everything(project)
        infos = project.plugins.infos
        output.answer([to_json(info, project.root) for info in infos])
        everything = session.options.verbosity > 0
        output.lines(screen(infos, project.root, output.terminal, everything=everything))


def to_json(info: PluginInfo, root: Path) -> dict[str, Any]:
    """One plugin, as ``--json`` gives it."""
    return {
        "name": info.name,
        "version": info.version,
        "distribution": info.distribution,
        "source": info.source,
        "place": _place(info, root),
        "extension": info.extension,
        "required": info.required,
        "status": info.status,
        "hooks": [*info.hooks],
        "failures": info.failures,
        "failed": [error.to_json(root) for error in faults_of(info)],
        "error": info.error.to_json(root) if info.error is not None else None,
    }


def _place(info: PluginInfo, root: Path) -> str | None:
    if info.path is None:
        return None
    shown = relative_to(info.path, root)
    return f"{shown}:{info.line}" if info.line else shown


def screen(infos: Sequence[PluginInfo], root: Path, terminal: Terminal, *, everything: bool) -> list[str]:
    """A table, and below it what is wrong with whom."""
    others = [info for info in infos if everything or info.source != "built-in" or info.error is not None]
    hidden = len(infos) - len(others)
    note = f"{hidden} built-in plugins are not shown (-v shows them)" if hidden else ""
    if not others:
        lines = ["No plugins but the built-in ones: `jobkit new plugin PATH` makes one.", "", note]
        return lines if note else lines[:1]
    columns = [
        Column("NAME"),
        Column("VERSION", optional=1),
        Column("SOURCE", shrink_to=12),
        Column("STATUS"),
        Column("FAILURES", right=True, optional=2),
        Column("HOOKS", shrink_to=20),
    ]
    lines = table(columns, [_row(info, root, everything=everything) for info in others], terminal)
    for error in [error for info in others for error in _errors(info)]:
        lines += ["", *error_block(error, terminal, root=root, kind="warning")]
    return [*lines, "", note] if note else lines


def _errors(info: PluginInfo) -> list[PluginError]:
    """Why it does not take part, what it has failed in, and whether it does anything."""
    out = [info.error] if info.error is not None and info.status != "active" else []
    idle = idle_of(info)
    return [*out, *faults_of(info), *([idle] if idle is not None else [])]


def _row(info: PluginInfo, root: Path, *, everything: bool) -> Row:
    origin = info.distribution or _place(info, root) if info.source != "built-in" else None
    source = f"{info.source}: {origin}" if origin else info.source
    if everything and info.distribution:
        source = f"{source} ({_place(info, root)})"
    return [
        escape_controls(info.name),
        escape_controls(info.version or "-"),
        escape_controls(source),
        Cell(info.status, _STYLES[info.status]),
        Cell(str(info.failures), "error") if info.failures else "-",
        ", ".join(hook.removeprefix("jobkit_") for hook in info.hooks) or "-",
    ]
