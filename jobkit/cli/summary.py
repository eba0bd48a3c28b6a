"""The end of a ``jobkit run``: the short summary, and what plugins say below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobkit.cli.render.runs import summary
from jobkit.cli.render.terminal import PIPE_WIDTH
from jobkit.markers import hookimpl
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.cli.output import Output
    from jobkit.cli.plan import Outcome
    from jobkit.cli.session import Session
    from jobkit.plugins.terminal import Terminal
    from jobkit.project import Project
    from jobkit.records import RunRecord


class SummaryTerminal:
    """What ``jobkit_terminal_summary`` is given: stderr, as wide as it is."""

    def __init__(self, output: Output, *, quiet: bool) -> None:
        self._output = output
        self.quiet = quiet

    @property
    def width(self) -> int:
        """How many columns there are; 80 where nobody knows."""
        return self._output.aside_terminal.width or PIPE_WIDTH

    def line(self, text: str = "") -> None:
        """One line, or several where *text* has line feeds."""
        self._output.aside(*(escape_controls(line) for line in str(text).split("\n")))


@dataclass(frozen=True, slots=True)
class TerminalReporter:
    """The built-in plugin ``terminal``: says how several runs, or one that did not succeed, went.

    *children* are child runs; *took* is in seconds.
    """

    output: Output
    outcome: Outcome
    children: Sequence[RunRecord]
    took: float

    @hookimpl
    def jobkit_terminal_summary(self, runs: Sequence[RunRecord]) -> None:
        outcome = self.outcome
        failed = any(not run.status.ok for run in runs)
        if len(runs) + outcome.left + len(outcome.refused) < 2 and not failed and not self.children:
            return
        output = self.output
        lines = summary(
            runs,
            output.aside_terminal if output.json else output.terminal,
            children=self.children,
            not_started=outcome.left,
            took=self.took,
            again=failed and not outcome.interrupted,
        )
        if output.json:
            output.aside(*lines)
        else:
            output.lines(lines)


def say_summary(
    session: Session, project: Project, outcome: Outcome, children: Sequence[RunRecord], took: float
) -> None:
    """Let the built-in reporter, then every plugin, say how the runs went. Raises PluginError if strict."""
    output = session.output
    reporter = TerminalReporter(output, outcome, children, took)
    project.plugins.register(reporter, "terminal", source="built-in")
    terminal: Terminal = SummaryTerminal(output, quiet=session.options.quiet)
    before = len(project.plugins.warnings)
    project.hooks.terminal_summary(terminal, tuple(outcome.records), project.config)
    for warning in project.plugins.warnings[before:]:
        output.mention(warning, kind="warning")
