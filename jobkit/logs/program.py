"""For jobkit's own programs: everything that anything in the process logs or prints comes to us.

A program that embeds jobkit does not call this. It keeps its own configuration, and may add
``capture_processor`` to its structlog and ``CaptureHandler`` to its ``logging``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import structlog

from jobkit.logs import setup
from jobkit.logs.processors import PROCESSORS, Sink, logger_class
from jobkit.logs.stdlib import ProgramHandler
from jobkit.logs.streams import install_streams


def install(*, streams: bool = True) -> Callable[[], None]:
    """Take over structlog, ``logging`` and, with *streams*, ``print``; what is returned undoes it all.

    Call it after ``configure``, before job files are imported: ``structlog.get_logger()`` in a job file is
    then a logger of ours. RuntimeError if it is called twice.
    """
    with ExitStack() as undo:
        if streams:
            undo.callback(install_streams())
        undo.callback(_install_structlog())
        undo.callback(_install_logging())
        return undo.pop_all().close


def _install_structlog() -> Callable[[], None]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=logger_class(setup.state().level),
        context_class=dict,
        logger_factory=_make_sink,
        cache_logger_on_first_use=True,
    )

    def undo() -> None:
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)

    return undo


def _make_sink(*names: Any) -> Sink:
    return Sink()


def _install_logging() -> Callable[[], None]:
    root = logging.getLogger()
    level = root.level
    handler = ProgramHandler()
    root.addHandler(handler)
    root.setLevel(setup.state().level)

    def undo() -> None:
        root.removeHandler(handler)
        root.setLevel(level)

    return undo
