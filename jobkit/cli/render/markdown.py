"""The little of Markdown that our own pages use, as text for a terminal."""

from __future__ import annotations

import re

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import display_width, pad, wrap

_WIDEST = 100
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


def markdown(page: str, terminal: Terminal) -> list[str]:
    """*page* as lines: headings strong, paragraphs and list items wrapped, code set in, tables aligned."""
    return _Writer(terminal).write(page)


class _Writer:
    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.width = min(terminal.columns, _WIDEST)
        self.lines: list[str] = []
        self.paragraph: list[str] = []
        self.rows: list[list[str]] = []

    def write(self, page: str) -> list[str]:
        fenced = False
        for line in page.splitlines():
            if line.startswith("```"):
                self._flush()
                fenced = not fenced
            elif fenced:
                self.lines.append(f"    {self.terminal.style(line, 'accent')}".rstrip())
            else:
                self._prose(line)
        self._flush()
        return self.lines

    def _prose(self, line: str) -> None:
        if line.startswith("|"):
            self.rows.append([self._inline(cell.strip()) for cell in line.strip("|").split("|")])
        elif line.startswith("#"):
            self._flush()
            self.lines.append(self.terminal.style(line.lstrip("# "), "strong"))
        elif not line.strip():
            self._flush()
            self.lines.append("")
        else:
            if line.startswith("- "):
                self._flush()
            self.paragraph.append(line.strip())

    def _flush(self) -> None:
        if self.rows:
            self._table()
        if self.paragraph:
            text = self._inline(" ".join(self.paragraph))
            self.paragraph.clear()
            item = text.startswith("- ")
            wrapped = wrap(text.removeprefix("- "), self.width, "  " if item else "")
            self.lines += [f"- {wrapped[0][2:]}", *wrapped[1:]] if item else wrapped

    def _table(self) -> None:
        """Columns as wide as they need to be, the last one wrapped."""
        rows = [row for row in self.rows if not all(set(cell) <= set("-: ") for cell in row)]
        self.rows = []
        widths = [max(display_width(cell) for cell in column) for column in zip(*rows, strict=False)]
        indent = " " * (sum(widths[:-1]) + 2 * len(widths))
        for row in rows:
            lead = "".join(f"  {pad(cell, width)}" for cell, width in zip(row, widths[:-1], strict=False))
            last = wrap(row[-1], self.width, indent) or [""]
            self.lines += [f"{lead}  {last[0].strip()}", *last[1:]]

    def _inline(self, text: str) -> str:
        style = self.terminal.style
        return _INLINE.sub(lambda found: style(found[1], "accent") or style(found[2], "strong"), text)
