"""What a stream can show: colour, glyphs, width, lines that are redrawn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

_SGR = {
    "good": "32",
    "bad": "31",
    "warning": "33",
    "accent": "36",
    "strong": "1",
    "dim": "2",
    "error": "1;31",
    "caution": "1;33",
}

#: A pipe has no width of its own; rules are drawn this wide in it, tables as wide as they are.
PIPE_WIDTH = 80

_NARROWEST = 20


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs that have an ASCII twin."""

    cross: str = "✗"
    dot: str = "·"
    ellipsis: str = "…"
    arrow: str = "→"
    rule: str = "━"
    thin_rule: str = "─"
    bar: str = "━"
    bar_head: str = "╸"
    bar_rest: str = "─"
    spark: str = "▁▂▃▄▅▆▇█"
    range: str = "–"


UNICODE = Glyphs()
ASCII = Glyphs(
    cross="x",
    dot="-",
    ellipsis="~",
    arrow="->",
    rule="=",
    thin_rule="-",
    bar="=",
    bar_head=">",
    bar_rest=".",
    spark="_.:-=+*#",
    range="-",
)


@dataclass(frozen=True, slots=True)
class Terminal:
    """The abilities of one stream; the decisions are ours and made once, in :func:`detect`.

    *width* None means that nothing has to be shortened (a pipe); *tty* says that a person is looking, *live*
    that lines can be redrawn in place.
    """

    colour: bool = False
    unicode: bool = True
    width: int | None = None
    tty: bool = False
    live: bool = False

    @property
    def glyphs(self) -> Glyphs:
        return UNICODE if self.unicode else ASCII

    @property
    def columns(self) -> int:
        """A width to draw rules and wrapped text in."""
        return self.width or PIPE_WIDTH

    def style(self, text: str, style: str | None) -> str:
        """*text* in the colour that *style* means, or as it is."""
        if not self.colour or not style or not text:
            return text
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m"

    def rule(self, title: str = "", style: str | None = None, *, thin: bool = False) -> str:
        """A line across the terminal, with *title* in its middle."""
        line = self.glyphs.thin_rule if thin else self.glyphs.rule
        if not title:
            return self.style(line * self.columns, style)
        free = max(self.columns - len(title) - 2, 2)
        left = free // 2
        return self.style(f"{line * left} {title} {line * (free - left)}", style)


def detect(stream: TextIO | None, environ: Mapping[str, str] = os.environ) -> Terminal:
    """What *stream* can show.

    Colour: ``NO_COLOR`` (not empty) forbids it, then ``FORCE_COLOR`` (not empty, not ``0``) demands it,
    else a terminal that is not ``TERM=dumb`` gets it. Width: ``COLUMNS``, then the terminal's own.
    """
    tty = _is_terminal(stream)
    dumb = environ.get("TERM") == "dumb"
    return Terminal(
        colour=_colour(tty and not dumb, environ),
        unicode=_shows_unicode(stream),
        width=_width(stream if tty else None, environ),
        tty=tty,
        live=tty and not dumb,
    )


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):  # closed
        return False


def _colour(capable: bool, environ: Mapping[str, str]) -> bool:
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return capable


def _shows_unicode(stream: TextIO | None) -> bool:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        "✗…→━─╸▁▂▃▄▅▆▇█·".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _width(terminal: TextIO | None, environ: Mapping[str, str]) -> int | None:
    said = environ.get("COLUMNS", "")
    if said.isascii() and said.isdigit() and int(said[:6]) > 0:
        return max(int(said[:6]), _NARROWEST)
    if terminal is None:
        return None
    try:
        columns = os.get_terminal_size(terminal.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return max(columns, _NARROWEST) if columns else PIPE_WIDTH
