"""Says what a TAB offers for a parameter, without importing it: `--help` and verbs at work never need it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

Kind = Literal[
    "jobs",
    "selection",
    "tags",
    "extensions",
    "environments",
    "runs",
    "statuses",
    "triggers",
    "codes",
    "topics",
    "plugins",
    "hooks",
    "folders",
    "files",
]


def completing(kind: Kind) -> Callable[..., Any]:
    """For ``shell_complete=`` of a parameter: what *kind* of names it takes."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from jobkit.cli.completion import COMPLETERS

        return COMPLETERS[kind](ctx, param, incomplete)

    return complete
