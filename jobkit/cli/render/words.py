"""How runs are called on a screen, and in which colour."""

from __future__ import annotations

from jobkit.cli.render.table import Cell
from jobkit.statuses import RunStatus

_SHORT = {
    RunStatus.SUCCEEDED: "ok",
    RunStatus.FAILED: "FAILED",
    RunStatus.TIMED_OUT: "TIMEOUT",
    RunStatus.LOST: "LOST",
}
_STYLE = {
    RunStatus.SUCCEEDED: "good",
    RunStatus.FAILED: "error",
    RunStatus.TIMED_OUT: "error",
    RunStatus.LOST: "error",
    RunStatus.CANCELLED: "warning",
    RunStatus.RUNNING: "accent",
    RunStatus.SKIPPED: "dim",
    RunStatus.QUEUED: "dim",
}


def short_status(status: RunStatus) -> str:
    """``ok``, ``FAILED``, ``running`` …: what went wrong is in capitals, for those who see no colour."""
    return _SHORT.get(status, str(status))


def status_style(status: RunStatus) -> str:
    """The style of a status."""
    return _STYLE[status]


def status_cell(status: RunStatus) -> Cell:
    """The status in the contract's own word, which ``--status`` takes."""
    return Cell(str(status), status_style(status))
