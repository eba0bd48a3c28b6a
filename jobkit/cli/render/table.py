"""Tables that fit: what matters least is shortened, then left out, before anything else is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import cut, display_width, pad

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """One column: *shrink_to* is the least width it may be cut to (None: never cut).

    *newest* ones lose what is oldest, at their left. Before a column that is not optional is cut, the
    *optional* ones are left out: those with the greatest number first.
    """

    title: str
    right: bool = False
    shrink_to: int | None = None
    newest: bool = False
    optional: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a style; *style* is one that :meth:`Terminal.style` knows."""

    text: str
    style: str | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of its own between the rows."""

    text: str


Row = Sequence[Cell | str]


def table(columns: Sequence[Column], rows: Sequence[Row | Heading], terminal: Terminal) -> list[str]:
    """The lines of a table: titles, then *rows*, no wider than the terminal where that can be had."""
    cells = [row for row in rows if not isinstance(row, Heading)]
    widths = [
        max([display_width(column.title), *(display_width(_text(row[index])) for row in cells)])
        for index, column in enumerate(columns)
    ]
    shown = _fit(columns, widths, terminal.width)
    titles = [Cell(cut(column.title, shown.get(index, 0)), "dim") for index, column in enumerate(columns)]
    lines = [_line(titles, columns, shown, terminal)]
    for row in rows:
        if isinstance(row, Heading):
            lines.append(terminal.style(row.text, "strong"))
        else:
            lines.append(_line(row, columns, shown, terminal))
    return lines


def _text(cell: Cell | str) -> str:
    return cell if isinstance(cell, str) else cell.text


def _fit(columns: Sequence[Column], widths: list[int], limit: int | None) -> dict[int, int]:
    """Index → width of the columns that are shown."""
    shown = dict(enumerate(widths))
    if limit is None:
        return shown
    optional = [index for index in shown if columns[index].optional]
    _shrink(columns, shown, limit, optional)
    for index in sorted(optional, key=lambda index: (columns[index].optional, index), reverse=True):
        if _total(shown) > limit:
            del shown[index]
    _shrink(columns, shown, limit, [index for index in shown if index not in optional])
    return shown


def _shrink(columns: Sequence[Column], shown: dict[int, int], limit: int, indexes: Sequence[int]) -> None:
    for index in reversed(indexes):
        least = columns[index].shrink_to
        excess = _total(shown) - limit
        if excess > 0 and least is not None:
            shown[index] = max(shown[index] - excess, min(least, shown[index]))


def _total(shown: dict[int, int]) -> int:
    return sum(shown.values()) + len(_GAP) * (len(shown) - 1)


def _line(row: Row, columns: Sequence[Column], shown: dict[int, int], terminal: Terminal) -> str:
    parts = []
    for index, width in shown.items():
        cell = row[index]
        text = _text(cell)
        text = text[-width:] if columns[index].newest else cut(text, width, terminal.glyphs.ellipsis)
        filled = pad(text, width, right=columns[index].right)
        style = cell.style if isinstance(cell, Cell) else None
        # Blanks stay outside the colour: an underlining or inverting theme would show them.
        parts.append(filled.replace(text, terminal.style(text, style), 1) if text else filled)
    return _GAP.join(parts).rstrip()
