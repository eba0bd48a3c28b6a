"""``jobkit start``: the scheduler, until a signal ends it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click

from jobkit.cli.command import verb
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.projects import loaded, problems
from jobkit.cli.reading import configuration
from jobkit.cli.session import Session
from jobkit.cli.signals import EarlyHangups
from jobkit.durations import parse_duration
from jobkit.exceptions import ConfigError

if TYPE_CHECKING:
    from typing import TextIO

    from jobkit.cli.output import Output
    from jobkit.cli.serving import Served
    from jobkit.config import Config
    from jobkit.project import Project


_PLATFORM = sys.platform


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = str(value)
        try:
            return parse_duration(float(text) if text.replace(".", "", 1).isdigit() else text)
        except (TypeError, ValueError) as error:
            self.fail(str(error), param, ctx)


@verb(
    "start",
    empty=None,
    examples=[
        ("jobkit start", "run jobs when they are due, until Ctrl-C or SIGTERM"),
        ("jobkit start --reload", "while writing jobs: take up each change by itself"),
        ("jobkit start --env production --wait-store 60s", "as a service; SIGHUP takes up changed files"),
    ],
)
@click.option(
    "--reload", is_flag=True, help="Take up changed files; restart if code outside extensions/ changes."
)
@click.option(
    "--wait-store", type=_Duration(), metavar="DURATION", help="Keep trying if the store cannot be reached."
)
def command(session: Session, reload: bool, wait_store: timedelta | None) -> int:
    """Run jobs when they are due and whatever is queued, and deliver results, in this process.

    SIGTERM or Ctrl-C: nothing new begins, running jobs get [scheduler] shutdown_grace, then they are
    cancelled and recorded; once more: now. SIGHUP reads job files and configuration again. Logs go to
    standard error. Exit code 0 once everything is recorded.
    """
    if _PLATFORM == "win32":
        raise ConfigError(
            "`jobkit start` does not work on Windows",
            code="JK820",
            help="use WSL or a container there; `jobkit list`, `check` and `run` work as far as they can",
        )
    with EarlyHangups() as hangups:
        config = configuration(session, store=False)
        if config.scheduler.probes:
            where = config.origin(("scheduler", "probes")).describe(config.root)
            session.output.aside(
                f"note: probes are not served yet ({where}); `jobkit health` answers instead"
            )
        with _logging(session, config), loaded(session) as project:
            _say_what_is_broken(session, project, reloads=reload)
            served = _serve(project, session, reload=reload, patience=wait_store, hangups=hangups)
    if served.restart:
        restart(session.output, (project.root / name for name in served.restart))
    session.output.answer({"recorded": served.recorded, "signal": served.signal})
    return ExitCode.OK if served.recorded else ExitCode.FAILED


def _serve(project: Project, session: Session, **how: Any) -> Served:
    from jobkit.cli.serving import serve

    return serve(project, session, **how)


def _say_what_is_broken(session: Session, project: Project, *, reloads: bool) -> None:
    """Once, and loud: what is broken does not keep the rest from being served."""
    if session.options.strict:
        return  # there is nothing: it would have been refused
    for error in problems(project):
        session.output.report(error)
    if project.errors:
        how = "what is mended is taken up" if reloads else "SIGHUP takes up what is mended"
        session.output.aside(f"everything else is served; {how}")


@contextmanager
def _logging(session: Session, config: Config) -> Iterator[None]:
    """Structured lines on standard error from here on, those of runs among them."""
    from jobkit.logs import configure, install
    from jobkit.logs.setup import reset

    shown = config.logs.format
    configure(
        "json" if session.options.json and shown == "auto" else shown,
        "debug" if session.options.verbosity else config.logs.level,
        cast("TextIO", _Aside(session.output)),
        secrets=config.secrets,
        colour=session.output.aside_terminal.colour,
    )
    undo = install()
    try:
        yield
    finally:
        undo()
        reset()


class _Aside:
    """A text stream that leads to standard error as it was when the command began."""

    encoding = "utf-8"

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        self._output.raw_aside(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return self._output.aside_terminal.tty


def restart(output: Output, changed: Iterable[os.PathLike[str]]) -> NoReturn:
    """Begin anew in the same process, with the same command line; *changed* files are compiled again."""
    from importlib.util import cache_from_source

    for path in changed:
        text = os.fspath(path)
        if text.endswith(".py"):
            # An edit within the same second, of the same size, would not be told from the one before.
            with suppress(OSError):  # there is none, or it is not ours to delete
                Path(cache_from_source(text)).unlink()
    output.give_back()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
