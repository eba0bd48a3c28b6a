"""``jobkit why NAME [--at T]``: why a job ran, did not, or will not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.instants import Moment, parse_moment
from jobkit.cli.projects import loaded
from jobkit.cli.reading import History, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import wrap
from jobkit.cli.render.times import full_moment, zone_label
from jobkit.cli.selection import job_named
from jobkit.cli.session import Session
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.scheduler.answers import Answer
    from jobkit.scheduler.evidence import Question
    from jobkit.scheduler.explaining import Skipped
    from jobkit.stores.base import Store

_STYLES = {
    "ran": "good",
    "caught_up": "good",
    "running": "accent",
    "waiting": "accent",
    "will_run": "accent",
    "due": "accent",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the screen shows."""

    answer: Answer
    zone: ZoneInfo
    store: str


@verb(
    "why",
    examples=[
        ("jobkit why send_invoices", "the newest tick that was due"),
        ("jobkit why send_invoices --at 'yesterday 03:00'", "one that is missed"),
        ("jobkit why send_invoices --at 2027-03-28T02:30", "one that is still to come"),
    ],
)
@click.argument("name", shell_complete=completing("jobs"))
@click.option(
    "--at",
    metavar="TIME",
    help="Which tick: 03:00, 'yesterday 03:00', RFC 3339, in the job's zone (the newest that was due). "
    "Without seconds, that minute.",
)
def command(session: Session, name: str, at: str | None) -> None:
    """Explain why a job ran, did not run, or will not, at one instant.

    The decisive reason comes first, then what holds as well. Jobs that are gone are explained by what the
    store remembers of them.
    """
    from jobkit.scheduler.explaining import explained, newest_due

    output, now = session.output, session.clock.now()
    with loaded(session) as project:
        spec = project.jobs.get(name)
        config, zone_name = project.config, _zone_name(project, spec)

        async def look(history: History) -> Told:
            zone, store = ZoneInfo(zone_name), history.store
            question = _question(project, name, spec, now, zone)
            if spec is None:
                zone = await _remembered(store, project, question, zone)
                question = replace(question, zone=zone)
            moment = _moment(at, now, zone)
            if moment is None:
                newest = await newest_due(store, question)
                if newest is None:
                    return Told(_nothing_due(question), zone, history.url)
                moment = Moment(newest)
            question = replace(question, second=moment.instant.replace(microsecond=0))
            answer = await explained(
                store, question, whole_minute=moment.whole_minute, skipped=_skipped(moment)
            )
            return Told(answer, zone, history.url)

        told = read(config, look)
        output.answer(told.answer.to_json(told.zone, told.zone.key))
        output.lines(screen(told, config, output.terminal, now))


def _zone_name(project: Project, spec: JobSpec | None) -> str:
    if spec is not None and spec.times is not None:
        return spec.times.timezone
    return (spec.timezone if spec is not None else None) or project.config.scheduler.timezone


def _moment(at: str | None, now: datetime, zone: ZoneInfo) -> Moment | None:
    return None if at is None else parse_moment(at, now, zone)


def _question(project: Project, name: str, spec: JobSpec | None, now: datetime, zone: ZoneInfo) -> Question:
    from jobkit.scheduler.evidence import Question
    from jobkit.scheduler.standing import standing

    settings = project.config.scheduler
    return Question(
        job=name,
        second=now.replace(microsecond=0),
        now=now,
        zone=zone,
        retention=settings.retention,
        spec=spec,
        standing=None if spec is None else standing(spec, project.config),
        kinds=project.kinds,
        limits=settings.limits,
        node=settings.node or _host(),
    )


def _host() -> str:
    import socket

    return socket.gethostname()


async def _remembered(store: Store, project: Project, question: Question, zone: ZoneInfo) -> ZoneInfo:
    """The zone of a job that is gone. Raises what `show` would if the store does not know it either."""
    from jobkit.scheduler.evidence import gathered

    evidence = await gathered(store, question)
    known = evidence.known_since is not None or question.job in await store.last_runs([question.job])
    if not known:
        job_named(question.job, project.jobs, project.errors)
    said = evidence.changes[0].event.data.get("timezone") if evidence.changes else None
    try:
        return ZoneInfo(said) if isinstance(said, str) else zone
    except (ValueError, OSError, LookupError):
        return zone  # one that this machine does not know


def _nothing_due(question: Question) -> Answer:
    from jobkit.scheduler.answers import Answer, sentence

    standing, spec = question.standing, question.spec
    if spec is not None and spec.times is None and standing is not None:
        code = "manual" if standing.cause == "no schedule" else "error"
        return Answer(job=question.job, at=None, code=code, text=sentence(standing.why))
    return Answer(job=question.job, at=None, code="none_due", text="None of its ticks was due yet.")


def _skipped(moment: Moment) -> Skipped | None:
    from jobkit.scheduler.explaining import Skipped

    if moment.unreal is None or moment.before is None or moment.after is None:
        return None
    before, after = f"{moment.before:%H:%M}", f"{moment.after:%H:%M}"
    return Skipped(f"{moment.unreal:%Y-%m-%d %H:%M:%S}", before, after, moment.instant)


def screen(told: Told, config: Config, terminal: Terminal, now: datetime) -> list[str]:
    """The job and the instant, the decisive sentence, then what holds as well."""
    answer, zone = told.answer, told.zone
    project, environment, _ = place(config, now)
    lines = header([project, environment, zone_label(zone.key, answer.at or now, zone), told.store], terminal)
    title = terminal.style(answer.job, "strong")
    at = "" if answer.at is None else f"  {full_moment(answer.at, zone)}"
    lines += ["", f"{title}{at}"]
    style = _STYLES.get(answer.code, "warning")
    if answer.run is not None and answer.run.status.finished and not answer.run.status.ok:
        style = "error"
    lines += [
        terminal.style(line, style) for line in wrap(escape_controls(answer.text), terminal.columns, "  ")
    ]
    for fact in answer.facts:
        first, *rest = wrap(escape_controls(fact.text), terminal.columns, "    ")
        lines += [f"  {terminal.glyphs.dot} {first[4:]}", *rest]
    if answer.run is not None and answer.run.started_at is not None:
        lines += ["", terminal.style(f"more: jobkit logs {answer.run.number}", "dim")]
    return lines
