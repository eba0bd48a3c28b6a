"""The first line of a screen: which project, which environment, whose time, which store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import display_width
from jobkit.cli.render.times import zone_label

if TYPE_CHECKING:
    from jobkit.config import Config


def header(parts: Sequence[str], terminal: Terminal) -> list[str]:
    """*parts* side by side, the first one strong, over as many lines as it takes."""
    dot = f" {terminal.glyphs.dot} "
    lines: list[list[str]] = [[]]
    for index, part in enumerate(parts):
        shown = terminal.style(part, "strong") if index == 0 else part
        if lines[-1] and display_width(dot.join([*lines[-1], shown])) > terminal.columns:
            lines.append(["  " + shown])
        else:
            lines[-1].append(shown)
    return [dot.join(line) for line in lines]


def place(config: Config, now: datetime) -> list[str]:
    """Project, environment and zone: what every header begins with."""
    zone = config.scheduler.timezone
    return [
        config.project.name,
        f"env {config.env}" if config.env else "no environment",
        zone_label(zone, now, ZoneInfo(zone)),
    ]
