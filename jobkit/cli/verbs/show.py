"""``jobkit show NAME``: everything about one job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.job_view import JobView, origin_text
from jobkit.cli.pauses import fires_beside, pause_text, pauses_of
from jobkit.cli.projects import loaded, mention_broken
from jobkit.cli.reading import History, read_or_report
from jobkit.cli.render.errors import error_block
from jobkit.cli.render.sparkline import sparkline
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, display_width, wrap
from jobkit.cli.render.times import distance, full_moment, moment, short_duration
from jobkit.cli.render.words import short_status, status_style
from jobkit.cli.selection import Selection, select
from jobkit.cli.session import Session
from jobkit.cli.standing import Startup, change_of, change_text, why
from jobkit.cli.trouble import Trouble, late_words, look_for_trouble
from jobkit.durations import format_duration
from jobkit.records import RunRecord

if TYPE_CHECKING:
    from jobkit.stores.control import Pause

_RUNS = 20
_UPCOMING = 3
_LABEL = 12
_UNKNOWN = "not known while the file is broken"


@verb("show", examples=[("jobkit show cleanup_old_records", "schedule, parameters, policies, recent runs")])
@click.argument("name", shell_complete=completing("jobs"))
def command(session: Session, name: str) -> int:
    """Show everything about one job, and why it is on or off."""
    output = session.output
    with loaded(session) as project:
        selected = select(Selection(terms=(name,)), project.jobs, root=project.root, broken=project.errors)
        [spec, *_] = selected.jobs
        mention_broken(session, project)
        now = session.clock.now()

        async def look(history: History) -> tuple[Sequence[RunRecord], Trouble, Sequence[Pause]]:
            from jobkit.stores.base import RunQuery

            recent = (await history.rows(RunQuery(jobs=(spec.name,), limit=_RUNS))).rows
            pauses = pauses_of(spec.name, await history.store.pauses())
            return recent, await look_for_trouble(history.store, project, [spec], now), pauses

        nothing: tuple[Sequence[RunRecord], Trouble, Sequence[Pause]] = ((), Trouble(), ())
        (recent, trouble, pauses), code = read_or_report(session, project.config, look, nothing)
        last = next((run for run in recent if run.ticks is None), None)
        view = JobView(spec, project.config, now, last, recent, *trouble.of(spec.name), pauses)
        output.answer(view.to_full_json())
        output.lines(screen(view, output.terminal, known=code == ExitCode.OK))
        # What is known of a job whose file is broken is what the file once said.
        return code or (ExitCode.STOPPED if spec.error in project.errors else ExitCode.OK)


def screen(view: JobView, terminal: Terminal, *, known: bool = True) -> list[str]:
    """Name and place, then one labelled line for each thing that can be said; *known* is what ran."""
    spec = view.spec
    lines = [f"{terminal.style(spec.name, 'strong')}  {terminal.style(view.source, 'dim')}"]
    lines += wrap(spec.description, terminal.columns, "  ")
    if spec.error is not None:
        lines += ["", *error_block(spec.error, terminal, root=view.config.root), ""]
    runs = _runs(view, terminal) if known else ["not known: the store cannot be used"]
    for label, values in (*_facts(view, terminal), ("runs", runs)):
        for index, value in enumerate(values):
            shown = terminal.style(f"{label:{_LABEL}}", "dim") if index == 0 else " " * _LABEL
            lines += _fitted(f"  {shown} ", value, terminal)
    return lines


def _fitted(lead: str, value: str, terminal: Terminal) -> list[str]:
    """*value* behind *lead*, wrapped below itself where it is too long for the terminal."""
    if terminal.width is None or display_width(lead) + display_width(value) <= terminal.width:
        return [lead + value]
    blank = " " * display_width(lead)
    first, *rest = wrap(value, terminal.width, blank)
    return [lead + first[len(blank) :], *rest]


def _facts(view: JobView, terminal: Terminal) -> Iterator[tuple[str, list[str]]]:
    spec = view.spec
    yield "schedule", _schedule(view)
    if view.pauses:
        yield "PAUSED", _paused(view)
    yield "next", _next(view)
    if view.late is not None:
        yield "late", [late_words(view.late, view)]
    if view.difference is not None:
        yield "differs", [view.difference.text]
    yield "enabled", _enabled(view)
    startup = Startup.of(view)
    if startup.on or startup.place or "run_on_startup" in spec.origins:
        yield "on startup", [f"{'yes' if startup.on else 'no'}  ({startup.why})"]
    yield "parameters", _parameters(view)
    services = [
        f"{each.parameter}: {each.annotation_text}" if each.annotation_text else each.parameter
        for each in spec.signature.services
    ]
    yield "services", [", ".join(services) or (_UNKNOWN if view.remembered else "none")]
    yield "policies", [f" {terminal.glyphs.dot} ".join(_policies(view))]
    if spec.tags:
        yield "tags", [", ".join(spec.tags)]
    yield "owner", [f"{spec.owner}{', enforced' if spec.enforce else ''}"]


def _enabled(view: JobView) -> list[str]:
    lines = [f"{'yes' if view.spec.enabled else 'no'}  ({view.enabled_by})"]
    change = change_of(view)
    return [*lines, f"  {change_text(change, view.now)}"] if change is not None else lines


def _paused(view: JobView) -> list[str]:
    """Each pause that holds it, and what ends that."""
    zone = ZoneInfo(view.config.scheduler.timezone)
    return [
        f"{'with all jobs ' if pause.job is None else ''}{pause_text(pause, view.now, zone)} "
        f"(jobkit resume{f' {pause.job}' if pause.job is not None else ''})"
        for pause in view.pauses
    ]


def _schedule(view: JobView) -> list[str]:
    spec = view.spec
    if not spec.schedule:
        return ["none: runs when it is asked for"]
    words = f"  {spec.times.describe()}" if spec.times is not None else ""
    return [f"{spec.schedule_text}{words}", f"  ({origin_text(view.origin('schedule'), view)})"]


def _next(view: JobView) -> list[str]:
    times = view.spec.times
    if times is None:
        return ["-"]
    zone = ZoneInfo(view.timezone)
    fires = [*islice(fires_beside(times, view.pauses, view.now), _UPCOMING)]
    would = fires or times.upcoming(view.now, _UPCOMING)
    shown = [f"{full_moment(fire, zone)}  in {distance(fire - view.now)}" for fire in would]
    if view.scheduled and view.config.scheduler.enabled:
        if not shown:
            return ["never again"]
        return shown if fires else ["- (paused); would be", *shown]
    reason = "disabled" if not view.spec.enabled and view.spec.error is None else why(view)
    return [f"- ({reason}); would be", *shown]


def _parameters(view: JobView) -> list[str]:
    schema = view.spec.signature.parameters
    lines = [schema.describe()] if schema.parameters or schema.accepts_any else ["none"]
    if view.remembered:
        lines = [_UNKNOWN]
    places: dict[str, list[str]] = {}
    for name in sorted(view.spec.parameters):
        places.setdefault(origin_text(view.parameter_origin(name), view), []).append(name)
    lines += [f"  {', '.join(names)} set by {place}" for place, names in places.items()]
    return lines


def _policies(view: JobView) -> Iterator[str]:
    spec = view.spec
    yield f"timeout {_short(spec.timeout) if spec.timeout is not None else 'none'}"
    retry = spec.retries
    if retry.retries:
        yield f"{retry.retries} retries after {_short(retry.delay)}, times {retry.backoff:g}"
    else:
        yield "no retries"
    yield f"overlap {spec.overlap}"
    if spec.schedule:
        yield f"misfire {spec.misfire}, grace {_short(spec.misfire_grace)}"
    if spec.jitter:
        yield f"jitter {_short(spec.jitter)}"
    if spec.scope != "cluster":
        yield f"scope {spec.scope}"
    if spec.limits:
        yield f"limits {', '.join(spec.limits)}"
    if spec.executor != "auto":
        yield f"executor {spec.executor}"
    if spec.expect is not None:
        yield "expectations"


def _short(value: object) -> str:
    return format_duration(value) if isinstance(value, timedelta) else str(value)


def _runs(view: JobView, terminal: Terminal) -> list[str]:
    if not view.recent:
        return [f"none yet: jobkit run {view.spec.name}"]
    ended = [run for run in view.recent if run.status.finished and run.ticks is None]
    good = sum(run.status.ok for run in ended)
    lines = [f"{sparkline(reversed(view.recent), terminal)}  {good}/{len(ended)} ok"]
    zone = ZoneInfo(view.config.scheduler.timezone)
    for run in view.recent[:5]:
        at: datetime | None = run.started_at or run.queued_at or run.scheduled_at
        when = moment(at, view.now, zone) if at is not None else ""
        status = terminal.style(f"{short_status(run.status):9}", status_style(run.status))
        took = short_duration(run.duration_ms) if run.duration_ms is not None else ""
        number = f"#{run.number}" if run.number is not None else "-"
        if run.ticks is not None:
            took = f"{count(run.ticks.count, 'tick')}, {run.reason}"
        lines.append(f"{number:6} {status} {when:16} {took:>6}".rstrip())
    return lines
