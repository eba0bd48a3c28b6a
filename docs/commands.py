"""Writes reference/command-line.md from the program's own verbs and help topics.

``python docs/commands.py`` writes it; with ``--check`` it only says whether that is needed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "reference" / "command-line.md"

sys.path.insert(0, str(DOCS.parent))

import click  # noqa: E402

from jobkit.cli.command import Verb  # noqa: E402
from jobkit.cli.globals import GlobalOption  # noqa: E402
from jobkit.cli.main import VARIABLES, VERBS, program  # noqa: E402
from jobkit.cli.topics import all_topics, topic  # noqa: E402

HEAD = """\
---
title: Command line
description: Every verb with its options and examples, how jobs are selected, and what exit codes mean
---

# Command line

```sh
jobkit [OPTIONS] VERB ...
```

Standard output carries the answer, standard error everything else. With `--json` the answer is exactly one
object: `schema` (`jobkit.<verb>/1`), `data`, and `errors`, each of which has `code`, `message`, `path`,
`line` and `help`. `jobkit --help` and `jobkit VERB --help` show in the terminal what stands here,
`jobkit help TOPIC` the last parts.
"""


def render() -> str:
    """The whole page: what all verbs share, the verbs in the order of the help, the topics."""
    parts = [HEAD, *_shared()]
    for heading, verbs in VERBS.items():
        parts.append(f"## {heading}\n")
        for name in verbs:
            command = program.get_command(click.Context(program), name)
            assert command is not None
            parts += _command(command, click.Context(program, info_name="jobkit"), name)
    for name in all_topics():
        parts.append(_topic(topic(name) or ""))
    return "\n".join(parts)


def _shared() -> Iterator[str]:
    ctx = click.Context(program, info_name="jobkit")
    yield "## Options of every verb\n"
    yield "They stand before the verb or after it; what stands later wins.\n"
    yield _options(ctx, program)
    yield "## Environment variables\n"
    yield _table(("variable", "meaning"), [(f"`{name}`", text) for name, text in VARIABLES])


def _command(command: click.Command, parent: click.Context, name: str, level: int = 3) -> Iterator[str]:
    ctx = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * level} jobkit {ctx.command_path.removeprefix('jobkit ')}\n"
    yield f"```text\n{' '.join([ctx.command_path, *command.collect_usage_pieces(ctx)])}\n```\n"
    for paragraph in re.split(r"\n\s*\n", command.help or ""):
        yield " ".join(paragraph.split()) + "\n"
    examples = getattr(command, "examples", ())
    if examples:
        width = max(len(line) for line, _ in examples)
        lines = [f"{line:{width}}  # {meaning}" for line, meaning in examples]
        yield "```sh\n" + "\n".join(lines) + "\n```\n"
    if isinstance(command, click.Group):
        for child in command.list_commands(ctx):
            found = command.get_command(ctx, child)
            assert found is not None
            yield from _command(found, ctx, child, level + 1)
    else:
        sections: dict[str, None] = {}
        for param in command.params:
            if isinstance(param, click.Option) and not isinstance(param, GlobalOption):
                sections[getattr(param, "section", "Options")] = None
        for section in sections:
            yield _options(ctx, command, section)


def _options(ctx: click.Context, command: click.Command, section: str | None = None) -> str:
    rows = []
    for param in command.params:
        shared = isinstance(command, Verb) and isinstance(param, GlobalOption)
        described = isinstance(param, click.Option) and not shared
        record = param.get_help_record(ctx) if described else None
        if record is not None and section in (None, getattr(param, "section", "Options")):
            rows.append((f"`{record[0]}`", record[1]))
    return _table(((section or "option").lower().removesuffix("s"), "meaning"), rows)


def _table(titles: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {titles[0]} | {titles[1]} |", "|---|---|"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _topic(page: str) -> str:
    """A topic one level down, for the page has a title of its own."""
    lines = []
    fenced = False
    for line in page.strip().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        if line == "```":
            lines.append("```text" if fenced else line)
        else:
            lines.append(line if fenced or not line.startswith("#") else f"#{line}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check; the exit code is 1 if the page is out of date."""
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(DOCS.parent)} is out of date: run python docs/commands.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
