"""The last runs of a job in one small picture: how long they took, and which went wrong."""

from __future__ import annotations

import math
from collections.abc import Iterable

from jobkit.cli.render.terminal import Terminal
from jobkit.records import RunRecord
from jobkit.statuses import RunStatus


def sparkline(runs: Iterable[RunRecord], terminal: Terminal) -> str:
    """One sign per finished run, in the order given.

    A run that went wrong is a cross, a skipped one a dot. The height of the others is their duration against
    the job's usual one: the median stands low, so that a slow run stands up.
    """
    finished = [run for run in runs if run.status.finished]
    took = sorted(run.duration_ms or 0 for run in finished if run.status is RunStatus.SUCCEEDED)
    usual = max(took[len(took) // 2], 1) if took else 1
    glyphs = terminal.glyphs
    signs = []
    for run in finished:
        if run.status is RunStatus.SUCCEEDED:
            signs.append(glyphs.spark[_level(run.duration_ms or 0, usual)])
        else:
            signs.append(glyphs.dot if run.status is RunStatus.SKIPPED else glyphs.cross)
    return "".join(signs) or glyphs.dot


def _level(duration: float, usual: float) -> int:
    return min(max(round(1 + 2 * math.log2(max(duration, 1) / usual)), 0), 7)
