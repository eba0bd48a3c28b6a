"""Opinions about values, as the command line shows them: JSON, tables, stacks with the winner marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jobkit.cli.render.table import Cell, Column, Heading, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import display_width, pad, wrap
from jobkit.cli.render.toml_text import toml_text
from jobkit.config.stacks import Opinion, Stack
from jobkit.origin import Origin


def to_json(opinion: Opinion, root: Path) -> dict[str, Any]:
    """One opinion: its value, and where it comes from."""
    return {"value": opinion.value, **opinion.origin.to_json(root)}


def stack_json(stack: Stack, root: Path) -> dict[str, Any]:
    """A key, its value in force, and all opinions, the lowest first."""
    opinions = [{**to_json(opinion, root), "winner": opinion is stack.winner} for opinion in stack.opinions]
    return {"key": stack.key, **to_json(stack.winner, root), "stack": opinions}


def text_of(opinion: Opinion) -> str:
    """The value of *opinion* as a file would have it."""
    return opinion.words or toml_text(opinion.value)


def place_of(origin: Origin, root: Path) -> str:
    """``services/scheduler/config.toml:12``, a variable's name; ``default``."""
    return origin.describe(root)


def values_table(stacks: Sequence[Stack], root: Path, terminal: Terminal) -> list[str]:
    """Key, value in force, and who decided it, table by table; what nobody set is dim."""
    columns = [Column("KEY", shrink_to=16), Column("VALUE", shrink_to=12), Column("FROM")]
    rows: list[Row | Heading] = []
    last = None
    for stack in stacks:
        heading, key = _parted(stack.key)
        if heading != last:
            last = heading
            rows.append(Heading(f"[{heading}]"))
        style = "dim" if stack.undisputed else None
        cells = (f"  {key}", text_of(stack.winner), place_of(stack.winner.origin, root))
        rows.append([Cell(text, style) for text in cells])
    return table(columns, rows, terminal)


def _parted(key: str) -> tuple[str, str]:
    """The table and the key in it: ``jobs.cleanup``, ``retries.delay``."""
    parts = key.split(".")
    depth = 2 if parts[0] in ("jobs", "plugins") else 1
    return ".".join(parts[:depth]), ".".join(parts[depth:])


def difference_table(
    left: str, right: str, rows: Sequence[tuple[str, Opinion | None, Opinion | None]], terminal: Terminal
) -> list[str]:
    """Key and the two values; what is not said is as it is without configuration."""
    columns = [Column("KEY", shrink_to=16), Column(left, shrink_to=12), Column(right, shrink_to=12)]

    def cell(key: str, opinion: Opinion | None) -> Cell:
        if opinion is None:
            return Cell("as in code" if key.startswith("jobs.") else "not set", "dim")
        return Cell(text_of(opinion), "dim" if opinion.origin.layer == "default" else None)

    return table(columns, [[key, cell(key, one), cell(key, two)] for key, one, two in rows], terminal)


def stack_lines(stacks: Sequence[Stack], root: Path, terminal: Terminal) -> Iterator[str]:
    """Each disputed key with its opinions, the winner on top and marked; then what holds by default."""
    arrow = pad(terminal.glyphs.arrow, 2)
    for stack in stacks:
        if stack.undisputed:
            continue
        yield terminal.style(stack.key, "strong")
        values = [text_of(opinion) for opinion in stack.opinions]
        width = min(max(map(display_width, values)), 40)
        for opinion, value in zip(reversed(stack.opinions), reversed(values), strict=True):
            winner = opinion is stack.winner
            layer = f"{opinion.origin.layer:16}"
            place = "" if opinion.origin.layer == "default" else place_of(opinion.origin, root)
            line = f"{arrow if winner else '  '} {pad(value, width)}  {layer} {place}".rstrip()
            yield "  " + (line if winner else terminal.style(line, "dim"))
    default = [f"{stack.key} {text_of(stack.winner)}" for stack in stacks if stack.undisputed]
    if default:
        yield terminal.style("by default", "strong")
        yield from wrap(f" {terminal.glyphs.dot} ".join(default), terminal.columns, "  ")
