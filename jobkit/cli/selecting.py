"""The options that select jobs, the same for every verb that takes a selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from jobkit.cli.command import Option
from jobkit.cli.completing import completing

F = TypeVar("F", bound=Callable[..., Any])


def selection_options(function: F) -> F:
    """Add ``[SELECT]…``, ``--tag``, ``--ext`` and ``-k``; the callback gets *terms, tag, ext, keywords*."""
    for option in reversed(
        [
            click.argument("terms", metavar="[SELECT]...", nargs=-1, shell_complete=completing("selection")),
            _narrowing(
                "--tag",
                metavar="EXPR",
                shell_complete=completing("tags"),
                help="Jobs with these tags: 'nightly and not slow'.",
            ),
            _narrowing(
                "--ext",
                metavar="NAME",
                shell_complete=completing("extensions"),
                multiple=True,
                help="Jobs of this extension; several add up.",
            ),
            _narrowing(
                "-k", "keywords", metavar="EXPR", help="Words of the name or file: 'clean or ingest'."
            ),
        ]
    ):
        function = option(function)
    return function


def _narrowing(*names: str, **attributes: Any) -> Callable[[F], F]:
    return click.option(*names, cls=Option, section="Selection", **attributes)
