"""``jobkit run --pdb``: Python's debugger on the terminal, where a job has raised."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from jobkit.exceptions import UsageError
from jobkit.runner.frames import user_traceback
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from datetime import timedelta

    from jobkit.cli.reporter import Reporter
    from jobkit.records import RunRecord


def check_debugging(json: bool, at_once: int, timeout: timedelta | None) -> None:
    """Raise UsageError where the debugger could not be talked to, or not make sense."""
    if json:
        raise UsageError("--pdb cannot go with --json", help="the debugger is for people: leave --json out")
    if at_once > 1:
        raise UsageError("--pdb cannot go with -j: one run at a time is debugged", help="leave -j out")
    if timeout is not None:
        raise UsageError(
            "--pdb cannot go with --timeout: it runs without timeouts", help="leave --timeout out"
        )
    if sys.__stdin__ is None or not sys.__stdin__.isatty():
        raise UsageError(
            "--pdb needs a terminal, and standard input is none", help="run it where you can type"
        )


class Debugging:
    """Opens the debugger where a run has raised, and comes back when it is left. In the main thread only."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def __call__(self, run: RunRecord, error: BaseException) -> None:
        """Look at *error* of *run*; nothing if no frame of the user's is in it."""
        found = user_traceback(error)
        if found is None:
            return
        error, trace = found
        import pdb  # noqa: T100 - it is what was asked for
        import traceback

        raised = escape_controls("".join(traceback.format_exception_only(error)).rstrip(), multiline=True)
        with self._reporter.out_of_the_way(), _terminal() as terminal:
            terminal.write(f"{raised}\n#{run.number} {run.job} raised this; q leaves the debugger\n")
            debugger = pdb.Pdb(nosigint=True)
            debugger.reset()
            try:
                debugger.interaction(None, trace)
            except (pdb.Restart, KeyboardInterrupt):
                terminal.write("the debugger is left, and the run ends as failed\n")


@contextmanager
def _terminal() -> Iterator[TextIO]:
    """Descriptor 1, ``sys.stdout`` and ``sys.stdin`` are the terminal, and Ctrl-C interrupts what is typed.

    It has to be descriptor 1 itself: only there does ``input`` let lines be edited.
    """
    streams, interrupt, redirected = (sys.stdin, sys.stdout), signal.getsignal(signal.SIGINT), os.dup(1)
    terminal = os.open("CONOUT$" if sys.platform == "win32" else os.ttyname(0), os.O_RDWR)
    os.dup2(terminal, 1)
    os.close(terminal)
    try:
        with open(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as shown:
            sys.stdin, sys.stdout = sys.__stdin__, shown
            signal.signal(signal.SIGINT, signal.default_int_handler)
            yield shown
    finally:
        signal.signal(signal.SIGINT, interrupt)
        sys.stdin, sys.stdout = streams
        os.dup2(redirected, 1)
        os.close(redirected)
