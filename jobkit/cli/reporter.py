"""What a person sees of runs while they run: who began, what they write, how far they are, how they ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from jobkit.cli.live import LiveLines
from jobkit.cli.output import Output
from jobkit.cli.render.bar import progress_bar, progress_facts
from jobkit.cli.render.log_lines import log_line
from jobkit.cli.render.runs import failure_block, failure_text, header_line, result_line
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import first_line
from jobkit.cli.render.times import distance
from jobkit.exceptions import JobkitError
from jobkit.records import LogLine, Progress, RunRecord
from jobkit.sanitising import escape_controls, shorten

if TYPE_CHECKING:
    from jobkit.clock import Clock, Ticker
    from jobkit.job import JobSpec
    from jobkit.stores.base import Outcome

#: Where lines cannot be redrawn, a run says at most this often how far it is.
PLAIN_INTERVAL = 10.0
_TICK = timedelta(seconds=0.5)
_LONGEST = 200
# Events of the runner that have a form of their own here.
_SHOWN_OTHERWISE = {"run.started", "run.progress", "run.retrying", "run.finished", "run.waiting"}


@dataclass(slots=True)
class _Running:
    """A run that is going on: where it stands in the tree of runs, and how far it is."""

    run: RunRecord
    depth: int
    began: float
    progress: Progress | None = None
    said: float | None = None


class LogStream:
    """A text stream for log lines, beside moving ones. Thread-safe."""

    def __init__(self, output: Output, live: LiveLines) -> None:
        self._output = output
        self._live = live
        self.encoding = "utf-8"

    def write(self, text: str) -> int:
        with self._live.paused():
            self._output.raw_aside(text)
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        return self._output.aside_terminal.tty


class Reporter:
    """The terminal's observer of runs. Keeps the records of the runs that were asked for.

    Results are the answer and go to stdout (with ``--json``, where the answer is an object, to stderr);
    beginnings, log lines and progress go to stderr. *quiet* leaves those out. *lines* False means that log
    lines, and events as log lines, are written elsewhere: then neither is shown here.
    """

    def __init__(
        self,
        output: Output,
        clock: Clock,
        zone: tzinfo,
        *,
        env: str | None = None,
        quiet: bool = False,
        lines: bool = True,
    ) -> None:
        #: Finished child runs.
        self.children: list[RunRecord] = []
        self._finished: dict[str, RunRecord] = {}
        self._output = output
        self._clock = clock
        self._zone = zone
        self._env = env
        self._quiet = quiet
        self._shows_lines = lines and not quiet
        self._running: dict[str, _Running] = {}
        self._live = LiveLines(output, self._lines)
        self._ticker: Ticker | None = None

    @property
    def stream(self) -> LogStream:
        """For log lines that do not belong to a run: they appear above the moving lines."""
        return LogStream(self._output, self._live)

    @property
    def records(self) -> list[RunRecord]:
        """The finished runs that were asked for, not their children, in the order they began."""
        return sorted(self._finished.values(), key=lambda run: run.number or 0)

    def keep(self, run: RunRecord) -> None:
        """Have the record of a run among :attr:`records`, whatever becomes of showing it."""
        if run.parent is None:
            self._finished[run.id] = run

    def start(self) -> None:
        """Keep elapsed times moving, where lines can be redrawn."""
        if self._live.moves:
            self._ticker = self._clock.every(_TICK, self._live.redraw, name="jobkit-terminal")

    def stop(self) -> None:
        """Take moving lines away. Idempotent."""
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.stop()
        self._running.clear()
        self._live.redraw()

    def say(self, line: str) -> bool:
        """Say something about all runs, above the moving lines. False means: not now, try again."""
        with self._live.paused():
            return self._output.aside(line)

    def out_of_the_way(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else until the block ends."""
        return self._live.away()

    def report(self, error: JobkitError) -> None:
        """Report an error of something that could not become a run."""
        with self._live.paused():
            self._output.report(error)

    # -- told by the runner -----------------------------------------------------------------------

    def run_waiting(self, job: JobSpec, run: RunRecord | None, what: str) -> None:
        if self._shows_lines:
            name = job.name if run is None else f"run #{run.number} {job.name}"
            with self._live.paused():
                self._aside(0, lambda terminal: [terminal.style(f"{name}: waiting for {what}", "warning")])

    def run_started(self, run: RunRecord, job: JobSpec) -> None:
        parent = self._running.get(run.parent) if run.parent is not None else None
        depth = parent.depth + 1 if parent is not None else 0
        with self._live.paused():
            self._running[run.id] = _Running(run, depth, self._clock.monotonic())
            if self._shows_lines:
                self._aside(depth, lambda terminal: [header_line(run, self._env, terminal)])

    def attempt_finished(
        self, run: RunRecord, attempt: int, outcome: Outcome, retry_at: datetime | None
    ) -> None:
        if retry_at is None or not self._shows_lines:
            return
        why = outcome.message or ""
        if outcome.error is not None:
            why = failure_text(outcome.error)
        wait = distance(max(retry_at - self._clock.now(), timedelta(0)))
        said = f"attempt {attempt} {outcome.status}: {shorten(escape_controls(first_line(why)), _LONGEST)}"
        with self._live.paused():
            self._aside(
                self._depth(run), lambda terminal: [terminal.style(f"{said}; next in {wait}", "warning")]
            )

    def progressed(self, run: RunRecord, progress: Progress) -> None:
        running = self._running.get(run.id)
        if running is None:
            return
        running.progress = progress
        if self._live.moves:
            self._live.redraw()
            return
        now = self._clock.monotonic()
        if running.said is None or now - running.said >= PLAIN_INTERVAL:
            running.said = now
            facts = [self._label(running), *progress_facts(progress, now - running.began)]
            self._aside(running.depth, lambda _: ["  ".join(facts)])

    def logged(self, run: RunRecord, lines: Sequence[LogLine]) -> None:
        shown = [line for line in lines if line.event not in _SHOWN_OTHERWISE] if self._shows_lines else []
        with self._live.paused():
            self._aside(
                self._depth(run), lambda terminal: [log_line(line, self._zone, terminal) for line in shown]
            )

    def run_finished(self, run: RunRecord) -> None:
        # First of all: the exit code depends on it, and what is shown can fail.
        self.keep(run)
        with self._live.paused():
            running = self._running.pop(run.id, None)
            depth = running.depth if running is not None else 0
            if run.parent is not None:
                self.children.append(run)
            self._answer(depth, run)

    # -- saying it --------------------------------------------------------------------------------

    def _answer(self, depth: int, run: RunRecord) -> None:
        output = self._output
        terminal = output.aside_terminal if output.json else output.terminal
        lines = _indented(depth, result_line(run, terminal))
        # A message stands below the result already; the block is for what does not fit there.
        if not run.status.ok and (run.error is not None or not run.message or run.cleanup_errors):
            lines += ["", *failure_block(run, terminal, root=output.root), ""]
        if output.json:
            output.aside(*lines)
        else:
            output.lines(lines)

    def _aside(self, depth: int, lines: Callable[[Terminal], list[str]]) -> None:
        if not self._quiet:
            self._output.aside(*_indented(depth, lines(self._output.aside_terminal)))

    def _depth(self, run: RunRecord) -> int:
        running = self._running.get(run.id)
        return running.depth if running is not None else 0

    def _label(self, running: _Running) -> str:
        progress = running.progress
        words = f": {escape_controls(first_line(progress.message))}" if progress and progress.message else ""
        return shorten(f"{running.run.job}{words}", 60)

    def _lines(self) -> list[str]:
        """The moving lines: one for each run that is going on."""
        self._output.measure()
        terminal = self._output.aside_terminal
        now = self._clock.monotonic()
        return [
            progress_bar(
                "  " * running.depth + self._label(running), running.progress, now - running.began, terminal
            )
            for running in tuple(self._running.values())
        ]


def _indented(depth: int, lines: Sequence[str]) -> list[str]:
    indent = "  " * depth
    return [indent + line.replace("\n", f"\n{indent}") for line in lines]
