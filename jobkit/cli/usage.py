"""Mistakes on the command line, in the form that all errors have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import click

from jobkit.exceptions import UsageError
from jobkit.redaction import mask_url
from jobkit.sanitising import escape_controls, shorten


def quoted(text: str, limit: int) -> str:
    """*text* of a command line as errors repeat it: quoted, bounded, without passwords of URLs."""
    # Masked before it is cut: of a password that is cut the mask would find nothing.
    return repr(shorten(escape_controls(mask_url(text)), limit))


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of *names* that was probably meant by *name*, or None."""
    found = difflib.get_close_matches(name.lower(), [*names], n=1, cutoff=0.5)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str], otherwise: str | None = None) -> str | None:
    """``did you mean 'list'?``, or *otherwise* if nothing comes close."""
    guess = closest(name, names)
    return f"did you mean {guess!r}?" if guess else otherwise


def usage_error(error: click.ClickException) -> UsageError:
    """What click refuses, as ours."""
    ctx: click.Context | None = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "jobkit"
    if isinstance(error, click.NoSuchOption):
        guesses = error.possibilities or []
        return UsageError(
            f"`{command}` has no option {escape_controls(mask_url(error.option_name))!r}",
            help=f"did you mean {guesses[0]!r}?" if guesses else f"`{command} --help` lists the options",
        )
    message = escape_controls(mask_url(error.format_message())).rstrip(".")
    return UsageError(message[:1].lower() + message[1:], help=f"`{command} --help` shows how it is written")
