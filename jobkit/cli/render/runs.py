"""A run on the screen: how it begins, how it ended, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, cut, display_width, first_line
from jobkit.cli.render.times import short_duration
from jobkit.cli.render.tracebacks import traceback_lines
from jobkit.cli.render.words import short_status, status_style
from jobkit.parameters import is_reference
from jobkit.records import RunFailure, RunRecord
from jobkit.redaction import MASK
from jobkit.sanitising import escape_controls, safe_text, shorten

_LONGEST, _SHORTEST = 200, 20
_LONGEST_LINE = 1000
_MOST_MESSAGE_LINES = 20


def header_line(run: RunRecord, env: str | None, terminal: Terminal) -> str:
    """``run #1424 cleanup  days=30  trigger=manual env=dev``."""
    shown = [f"run #{run.number} {terminal.style(run.job, 'strong')}", *_parameters(run.parameters)]
    if run.parent is None:  # a child has the rest from its parent
        facts = [f"trigger={run.trigger}", f"env={env}" if env else "", "enforce" if run.enforce else ""]
        shown.append(terminal.style(" ".join(filter(None, facts)), "dim"))
    return "  ".join(shown)


def failure_text(error: RunFailure) -> str:
    """``KeyError: 'published_at'``: class and message in one text, possibly of several lines."""
    name = error.type.rpartition(".")[2]
    return f"{name}: {error.message}" if error.message else name


def planned_line(run: RunRecord, terminal: Terminal) -> str:
    """``would run cleanup  days=30  enforce``."""
    shown = [f"would run {terminal.style(run.job, 'strong')}", *_parameters(run.parameters)]
    return "  ".join([*shown, *(["enforce"] if run.enforce else [])])


def queued_line(run: RunRecord, who: str, terminal: Terminal) -> str:
    """``queued  #1424 cleanup  days=30  for scheduler on host-a (pid 4711)``."""
    status = terminal.style(short_status(run.status), status_style(run.status))
    parts = [f"{status}  #{run.number} {run.job}", *_parameters(run.parameters)]
    return "  ".join([*parts, *([f"for {who}"] if who else [])])


def result_line(run: RunRecord, terminal: Terminal) -> list[str]:
    """``ok  #1424 cleanup  11.2s  processed=63987 errors=0``, and the message below it."""
    parts = [f"{terminal.style(short_status(run.status), status_style(run.status))}  #{run.number} {run.job}"]
    if run.duration_ms is not None:
        parts.append(short_duration(run.duration_ms))
    counts = [
        f"{name}={value}"
        for name, value in (("processed", run.processed), ("errors", run.errors))
        if value is not None
    ]
    parts += [" ".join(counts)] if counts else []
    if run.attempt > 1 or (run.attempts > 1 and not run.status.ok):
        parts.append(f"attempt {run.attempt}/{run.attempts}")
    if run.reason:
        parts.append(run.reason)
    lines = ["  ".join(parts)]
    if run.message and run.error is None:
        lines += [f"    {line}" for line in _message_lines(run.message)]
    return lines


def failure_block(run: RunRecord, terminal: Terminal, *, root: Path | None = None) -> list[str]:
    """Why *run* did not succeed, with the user's frames, under a title."""
    lines = [terminal.rule(f"#{run.number} {run.job} (attempt {run.attempt}/{run.attempts})", thin=True)]
    if run.error is not None:
        lines += _failure(run.error, terminal, root)
    elif run.message:
        lines += _message_lines(run.message)
    else:
        lines.append(f"{run.status}{f', {run.reason}' if run.reason else ''}")
    for cleanup in run.cleanup_errors:
        lines += ["and while cleaning up:", *_failure(cleanup, terminal, root)]
    return lines


def _failure(error: RunFailure, terminal: Terminal, root: Path | None) -> list[str]:
    if error.traceback:
        return [*traceback_lines(error.traceback, terminal, root=root), *_advice(error, terminal)]
    label = terminal.style("E", "error")
    first, *rest = _message_lines(error.message) or [""]
    return [
        f"{label}   {terminal.style(f'{error.type}: {first}', 'bad')}",
        *(f"{label}   {line}" for line in rest),
        *_advice(error, terminal),
    ]


def _advice(error: RunFailure, terminal: Terminal) -> list[str]:
    """What an error of jobkit itself says about mending it."""
    first, *rest = _message_lines(error.help) if error.help else [""]
    lines = [f"{terminal.style('help:', 'accent')} {first}"] if first else []
    lines += [f"      {line}" for line in rest]
    if error.code:
        lines.append(terminal.style(f"more: jobkit explain {safe_text(error.code, 20)}", "dim"))
    return lines


def summary(
    runs: Sequence[RunRecord],
    terminal: Terminal,
    *,
    children: Sequence[RunRecord] = (),
    not_started: int = 0,
    took: float,
    again: bool,
) -> list[str]:
    """The short summary below several runs, or below one that did not succeed or had *children*."""
    bad = [run for run in runs if not run.status.ok]
    lines = []
    if bad:
        lines.append(terminal.rule("short summary", "strong"))
        lines += [_summary_line(run, terminal) for run in bad]
    parts = [_counted(runs)] if runs else []
    parts += [f"{not_started} not started"] if not_started else []
    total = f"{', '.join(parts) or count(0, 'run')} in {short_duration(took * 1000)}"
    if children:
        total += f" ({count(len(children), 'child run')}: {_counted(children)})"
    lines.append(terminal.style(total, "error" if bad else "good"))
    if again:
        lines[-1] += "   again: jobkit run --failed"
    return lines


def _counted(runs: Sequence[RunRecord]) -> str:
    """``2 succeeded, 1 failed``."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.status] = counts.get(run.status, 0) + 1
    return ", ".join(f"{number} {status}" for status, number in counts.items())


def _summary_line(run: RunRecord, terminal: Terminal) -> str:
    status = terminal.style(short_status(run.status), status_style(run.status))
    why = run.message or run.reason or ""
    if run.error is not None:
        why = failure_text(run.error)
    lead, hint = f"{status} #{run.number} {run.job}", f"   jobkit logs {run.number}"
    room = (terminal.width or _LONGEST) - display_width(lead) - display_width(hint) - 3
    text = cut(escape_controls(first_line(why)), max(room, _SHORTEST), terminal.glyphs.ellipsis)
    return f"{lead}{f' - {text}' if text else ''}{hint}"


def _parameters(parameters: Mapping[str, Any]) -> list[str]:
    shown = [
        shorten(f"{escape_controls(str(key))}={escape_controls(_value(value))}", 80)
        for key, value in parameters.items()
    ]
    return [" ".join(shown)] if shown else []


def _value(value: object) -> str:
    return MASK if is_reference(value) else safe_text(value)


def _message_lines(message: str) -> list[str]:
    lines = [shorten(escape_controls(line), _LONGEST_LINE) for line in message.split("\n")]
    if len(lines) > _MOST_MESSAGE_LINES:
        lines[_MOST_MESSAGE_LINES:] = [f"… {len(lines) - _MOST_MESSAGE_LINES} more lines"]
    return lines
