"""Progress as a bar, and as a plain line."""

from __future__ import annotations

import math

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import cut, display_width
from jobkit.cli.render.times import short_seconds
from jobkit.records import Progress

_BAR = 24
_SHORTEST = 8


def progress_bar(label: str, progress: Progress | None, elapsed: float, terminal: Terminal) -> str:
    """One line: label, bar, counts, share, rate, time left; *elapsed* is in seconds.

    Without a total there is no bar. It never fills the last column, where some terminals wrap.
    """
    width = terminal.columns - 1
    facts = "  ".join(progress_facts(progress, elapsed))
    share = _share(progress)
    if share is None:
        return _joined([label, facts], width, terminal)
    room = width - display_width(label) - display_width(facts) - 4
    if room < _SHORTEST:
        return _joined([label, facts], width, terminal)
    return f"{label}  {_drawn(share, min(_BAR, room), terminal)}  {facts}"


def progress_facts(progress: Progress | None, elapsed: float) -> list[str]:
    """``412/640``, ``64%``, ``58/s``, ``eta 4s`` – as far as they are known."""
    if progress is None:
        return [short_seconds(elapsed)]
    if not progress.total:
        return [_number(progress.done), short_seconds(elapsed)]
    facts = [f"{_number(progress.done)}/{_number(progress.total)}", f"{_share(progress) or 0:.0%}"]
    if elapsed >= 1 and progress.done > 0:
        rate = progress.done / elapsed
        facts.append(f"{_number(rate)}/s" if rate >= 1 else f"{_number(rate * 60)}/min")
        if progress.done < progress.total:
            facts.append(f"eta {short_seconds(math.ceil((progress.total - progress.done) / rate))}")
    return facts


def _share(progress: Progress | None) -> float | None:
    if progress is None or not progress.total or progress.total < 0:
        return None
    return min(max(progress.done / progress.total, 0.0), 1.0)


def _drawn(share: float, width: int, terminal: Terminal) -> str:
    glyphs = terminal.glyphs
    full = int(share * width)
    head = glyphs.bar_head if full < width and share > 0 else ""
    rest = glyphs.bar_rest * (width - full - len(head))
    return terminal.style(glyphs.bar * full + head, "accent") + terminal.style(rest, "dim")


def _joined(parts: list[str], width: int, terminal: Terminal) -> str:
    return cut("  ".join(part for part in parts if part), width, terminal.glyphs.ellipsis)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "?"
    return str(int(value)) if value == int(value) or abs(value) >= 10 else f"{value:.1f}"
