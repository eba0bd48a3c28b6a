"""``jobkit hooks [NAME]``: what a plugin can implement, and who does."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.projects import loaded
from jobkit.cli.render.table import Column, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import wrap
from jobkit.cli.session import Session
from jobkit.exceptions import UsageError
from jobkit.sanitising import escape_controls

_PREFIX = "jobkit_"
_HANG = "    "


@verb(
    "hooks",
    empty=[],
    examples=[
        ("jobkit hooks", "all of them, and which plugins implement each"),
        ("jobkit hooks run_finished", "when it is called, with what, and an example"),
    ],
)
@click.argument("name", required=False, shell_complete=completing("hooks"))
def command(session: Session, name: str | None) -> None:
    """Show the hooks that plugins can implement. Outside of a project nobody implements any."""
    from jobkit.hookspecs import RULES

    chosen = [_known(name)] if name is not None else [*RULES]
    who = _implementers(session)
    output = session.output
    output.answer([to_json(hook, who) for hook in chosen])
    if name is not None:
        output.lines(_full_text(chosen[0], who, output.terminal))
    else:
        output.lines(_screen(who, output.terminal))


def _known(name: str) -> str:
    """The hook that *name* means, with or without its prefix. UsageError (JK750)."""
    from jobkit.hookspecs import RULES

    hook = name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"
    if hook in RULES:
        return hook
    close = difflib.get_close_matches(hook, RULES, n=1)
    help = f"did you mean {close[0]}?" if close else "`jobkit hooks` lists them"
    raise UsageError(f"there is no hook {escape_controls(name)!r}", code="JK750", help=help)


def _implementers(session: Session) -> Mapping[str, list[str]]:
    """Hook → the plugins that implement it, in the order in which they are asked."""
    from jobkit.config import find_root
    from jobkit.hookspecs import RULES

    if find_root(Path(session.options.directory or ".")) is None:
        return {hook: [] for hook in RULES}
    with loaded(session, lenient=True) as project:
        registry = project.plugins
        return {hook: [item.plugin.name for item in registry.implementations(hook)] for hook in RULES}


def to_json(hook: str, who: Mapping[str, list[str]]) -> dict[str, Any]:
    """One hook, as ``--json`` gives it."""
    from jobkit.hookspecs import RULES

    rule = RULES[hook]
    return {
        "name": hook,
        "signature": signature(hook),
        "verb": rule.verb,
        "asynchronous": rule.asynchronous,
        "timeout": rule.timeout,
        "extension": rule.extension,
        "summary": _text(hook).partition("\n")[0],
        "plugins": who[hook],
    }


def signature(hook: str) -> str:
    """How an implementation is declared, all arguments taken."""
    from jobkit import hookspecs

    function = getattr(hookspecs, hook)
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"{word} {hook}{inspect.signature(function)}".replace("'", "")


def _text(hook: str) -> str:
    from jobkit import hookspecs

    return inspect.getdoc(getattr(hookspecs, hook)) or ""


def _screen(who: Mapping[str, list[str]], terminal: Terminal) -> list[str]:
    from jobkit.hookspecs import RULES

    columns = [
        Column("HOOK"),
        Column("VERB"),
        Column("EXTENSION", optional=2),
        Column("PLUGINS", shrink_to=16),
    ]
    rows = [
        [
            hook,
            f"{rule.verb}, async" if rule.asynchronous else rule.verb,
            "yes" if rule.extension else "-",
            escape_controls(", ".join(who[hook])) or "-",
        ]
        for hook, rule in RULES.items()
    ]
    return [
        *table(columns, rows, terminal),
        "",
        "`jobkit hooks NAME` says when one is called, and with what.",
    ]


def _wrapped(hook: str, width: int) -> Iterator[str]:
    """The docstring, each of its parts as one paragraph that hangs."""
    for paragraph in _text(hook).replace("``", "`").replace("\n    ", " ").splitlines():
        first, *rest = wrap(paragraph, width - len(_HANG)) or [""]
        yield first
        yield from (_HANG + line for line in rest)


def _full_text(hook: str, who: Mapping[str, list[str]], terminal: Terminal) -> list[str]:
    implemented = escape_controls(", ".join(who[hook])) or "no plugin here"
    return [
        terminal.style(signature(hook), "strong"),
        "",
        *_wrapped(hook, terminal.columns),
        "",
        f"Implemented by: {implemented}",
    ]
