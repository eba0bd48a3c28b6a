"""Where log lines go while ``jobkit run`` runs jobs.

On a terminal (or with ``format = "console"``) the reporter shows the lines of runs among what else it has
to say; in any other format they are written to standard error as they come.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from jobkit.cli.reporter import Reporter
    from jobkit.cli.session import Session
    from jobkit.config import Config


def lines_for_people(session: Session, config: Config) -> bool:
    """Whether log lines are read by somebody at a terminal rather than by a program."""
    format = config.logs.format
    return format == "console" or (format == "auto" and session.output.aside_terminal.tty)


@contextmanager
def logging_runs(session: Session, config: Config, reporter: Reporter) -> Iterator[None]:
    """Take over what is logged and printed, from before job files are imported until the runs are over."""
    from jobkit.logs import configure, install
    from jobkit.logs.setup import reset

    shown = lines_for_people(session, config)
    configure(
        "console" if shown else config.logs.format,
        "debug" if session.options.verbosity else config.logs.level,
        cast("TextIO", reporter.stream),
        secrets=config.secrets,
        runs=not shown and not session.options.quiet,
        colour=session.output.aside_terminal.colour,
    )
    undo = install()
    try:
        yield
    finally:
        undo()
        reset()
