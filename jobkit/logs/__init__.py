"""Logs: structlog events as console lines, JSON, logfmt or ECS, and what each run writes, kept with the run.

jobkit's programs call ``configure`` and ``install``. A program that embeds jobkit keeps its own
configuration; it may add ``capture_processor`` to its structlog and ``CaptureHandler`` to its
``logging``, so that what jobs log through them is kept with their runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from jobkit.logs.capture import RunCapture as RunCapture
    from jobkit.logs.processors import capture_processor as capture_processor
    from jobkit.logs.program import install as install
    from jobkit.logs.setup import configure as configure
    from jobkit.logs.stdlib import CaptureHandler as CaptureHandler
    from jobkit.logs.streams import install_streams as install_streams

# structlog takes longer to import than most verbs take to run: imported when something is logged.
_HOMES = {
    "CaptureHandler": "stdlib",
    "RunCapture": "capture",
    "capture_processor": "processors",
    "configure": "setup",
    "install": "program",
    "install_streams": "streams",
}

__all__ = [
    "CaptureHandler",
    "RunCapture",
    "capture_processor",
    "configure",
    "get_logger",
    "install",
    "install_streams",
]


def get_logger(name: str | None = None) -> FilteringBoundLogger:
    """A logger for jobkit's own events, at the level in force now: ask for it where it is needed.

    What it binds explicitly (``run=…``) is about the run it speaks of, even inside another run.
    """
    from jobkit.logs.processors import Sink, bound_logger

    return bound_logger(Sink(own=True), **({"logger": name} if name else {}))


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
