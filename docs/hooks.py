"""Writes reference/hooks.md from the hooks' own declarations in jobkit/hookspecs.py.

``python docs/hooks.py`` writes it; with ``--check`` it only says whether that is needed.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
PAGE = DOCS / "reference" / "hooks.md"

sys.path.insert(0, str(DOCS.parent))

from jobkit import hookspecs, plugin  # noqa: E402

HEAD = """\
---
title: Hooks
description: Every hook of jobkit with its signature, when it is called, and what happens if it fails
---

# Hooks

A plugin is a module, a class or an object with functions that are called like hooks and marked with
`from jobkit import hookimpl`. `jobkit hooks NAME` shows in the terminal what stands here.

An implementation may leave out arguments that it does not need. Hooks may gain arguments, and never lose
one. Single-file plugins of a project, `hooks/*.py`, may implement every hook; the `hooks.py` of an extension
those that say so. The plugin that was registered last is asked first.

A failure of a plugin never harms another plugin. It is logged as `plugin.failed` and told to
`jobkit_plugin_error`; `jobkit plugins` shows those that it meets itself when it loads the project. A failure
is: raising anything, `SystemExit` included; returning something that the hook is not for; not returning in
time; cancelling the task that it is called in. Once somebody has pressed Ctrl-C, what is still to be called
for a run gets five seconds in all.

| verb | how implementations are called |
|---|---|
| call | one after another; one that fails is left out from then on |
| gather | each gives a list, or any iterable; one that fails loses only its own |
| first | one after another, until one gives something else than None |
| notify | all of them; what they return is ignored |
| around | each gives a context manager, or None |

Where a verb is *asynchronous*, an implementation may be `def` or `async def`.
"""

TYPES = """\
## What hooks are given and give back

`from jobkit.plugin import ...`, but for `ServiceSpec`, `Sink`, `JobSpec`, `RunRecord` and `JobContext`, which
come from `jobkit`.

| name | what it is |
|---|---|
"""

#: The parts of each docstring, in the order in which they are shown.
PARTS = ("Called", "Returns", "Verb", "On failure", "Extension", "Example")


def render() -> str:
    """The whole page: the hooks in the order of their file, below the headings that it has."""
    parts = [HEAD]
    heading = None
    for section, hook in hooks():
        if section != heading:
            parts.append(f"## {section[0].upper()}{section[1:]}\n")
            heading = section
        parts.append(_hook(hook))
    return "\n".join([*parts, TYPES + "\n".join(_types())]) + "\n"


def hooks() -> Iterator[tuple[str, str]]:
    """Each hook, behind the heading that it stands below in its file."""
    section = ""
    for line in inspect.getsource(hookspecs).splitlines():
        if found := re.match(r"# -- (.*?) -+$", line):
            section = found[1]
        elif found := re.match(r"(?:async )?def (jobkit_\w+)", line):
            yield section, found[1]


def signature(hook: str) -> str:
    """How the hook is declared, in one line."""
    function = getattr(hookspecs, hook)
    given = inspect.signature(function)
    parameters = ", ".join(f"{each.name}: {each.annotation}" for each in given.parameters.values())
    lead = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"{lead} {hook}({parameters}) -> {given.return_annotation}"


def _hook(hook: str) -> str:
    first, *rest = re.split(r"\n\s*\n", inspect.getdoc(getattr(hookspecs, hook)) or "", maxsplit=1)
    lines = [f"### {hook}\n", "```python", signature(hook), "```\n", _plain(first), ""]
    parts = re.split(rf"^({'|'.join(PARTS)}): ", rest[0] if rest else "", flags=re.MULTILINE)
    lines += [f"- **{name}:** {_plain(text)}" for name, text in zip(parts[1::2], parts[2::2], strict=True)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split()).replace("*parser*", "`parser`")


def _types() -> Iterator[str]:
    for name in sorted(plugin.__all__):
        value: Any = getattr(plugin, name)
        text = _plain((inspect.getdoc(value) or "").partition("\n\n")[0])
        cell = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", text).replace("|", "\\|")
        yield f"| `{name}` | {cell} |"


def main() -> int:
    """Write or check; the exit code is 1 if the page is out of date."""
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(DOCS.parent)} is out of date: run python docs/hooks.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
