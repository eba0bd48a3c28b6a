"""Switching a job on or off in the overrides, and saying what is in force afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jobkit.cli.job_view import JobView, to_plain_change
from jobkit.cli.orders import current_actor
from jobkit.cli.projects import loaded
from jobkit.cli.reading import read
from jobkit.cli.render.errors import error_line
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import wrap
from jobkit.cli.render.times import distance, near
from jobkit.cli.selection import job_named
from jobkit.cli.session import Session
from jobkit.cli.standing import Startup, why, why_enabled
from jobkit.cli.stores import open_store
from jobkit.config import known_environments, load_config
from jobkit.config.apply import apply
from jobkit.config.overrides import Change, override, overrides_path, remove_override
from jobkit.exceptions import StoreError, relative_to
from jobkit.project import Project
from jobkit.records import to_plain
from jobkit.stores.replicas import Event

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.stores.replicas import ReplicaState


@dataclass(frozen=True, slots=True)
class Switched:
    """What was asked for and written, and what is in force now."""

    view: JobView
    asked: bool
    file: str
    change: Change
    #: The live schedulers elsewhere that go on as before.
    elsewhere: tuple[str, ...] = ()

    @property
    def overruled(self) -> bool:
        """Whether a layer above the overrides says the opposite."""
        return self.view.spec.enabled is not self.asked

    def to_json(self) -> dict[str, Any]:
        """The answer as data."""
        view, startup = self.view, Startup.of(self.view)
        return {
            "name": view.spec.name,
            "asked": self.asked,
            "file": self.file,
            "changed": to_plain_change(self.change),
            "removed": False,
            "elsewhere": [*self.elsewhere],
            "enabled": view.spec.enabled,
            "enabled_by": view.enabled_by,
            "overruled": self.overruled,
            "scheduled": view.scheduled,
            "why": why(view),
            "startup": startup.on,
            "next_run_at": to_plain(view.next_run_at),
        }


def switch(session: Session, name: str, *, enabled: bool, reason: str | None, actor: str | None) -> None:
    """Write it, read everything again, and answer. What is refused is refused before anything is written."""
    with loaded(session) as project:
        path = overrides_path(project.root, project.env)
        if enabled and name not in project.jobs and _is_stale(project, name):
            _remove(session, project, name)
            return
        error = job_named(name, project.jobs, project.errors).error
        now = session.clock.now()
        change = Change(actor or current_actor(), now.replace(microsecond=0), reason)
        override(path, name, enabled=enabled, change=change)
        config = load_config(project.root, env=session.options.env)
        spec = apply(project.proposed[name], config)
        view = JobView(spec if error is None else spec.with_error(error), config, now)
        live = _live_schedulers(config)
        elsewhere = () if enabled or spec.enabled else _elsewhere(config, name, live)
        if live:
            _tell(config, Event("overrides.written", now, name, change.by))
        done = Switched(view, enabled, relative_to(path, project.root), change, elsewhere)
        session.output.answer(done.to_json())
        session.output.lines(_screen(done, session.output.terminal))
        _mention_environments(session, project)
        for warning in config.warnings:
            session.output.report(warning, kind="warning")


def _live_schedulers(config: Config) -> list[ReplicaState]:
    from jobkit.scheduler.differences import live_replicas

    try:
        live = read(config, lambda history: live_replicas(history.store))
    except StoreError:
        return []  # nobody can be named; what was asked for is done all the same
    return [state for state in live if state.replica.kind == "scheduler"]


def _tell(config: Config, event: Event) -> None:
    """Wake schedulers, so that they take it up at once and not when they next look."""
    import anyio

    async def add() -> None:
        async with open_store(config) as store:
            await store.add_events([event])

    with contextlib.suppress(StoreError):  # then they take it up when they next look
        anyio.run(add)


def _elsewhere(config: Config, name: str, live: Sequence[ReplicaState]) -> tuple[str, ...]:
    """The live schedulers that have the job and another checkout than this one: they do not see it."""
    import socket

    from jobkit.scheduler.differences import replica_name

    def is_elsewhere(state: ReplicaState) -> bool:
        root = state.replica.details.get("root", str(config.root))
        return state.replica.owner.host != socket.gethostname() or root != str(config.root)

    return tuple(replica_name(state) for state in live if name in state.replica.jobs and is_elsewhere(state))


def _is_stale(project: Project, name: str) -> bool:
    """Whether the overrides have an entry for a job that is not there."""
    found = project.config.setting(("jobs", name))
    return found is not None and any(said.origin.layer == "overrides" for said in found.stack)


def _remove(session: Session, project: Project, name: str) -> None:
    path = overrides_path(project.root, project.env)
    removed = remove_override(path, name)
    if removed and _live_schedulers(project.config):
        _tell(project.config, Event("overrides.written", session.clock.now(), name, current_actor()))
    file = relative_to(path, project.root)
    nothing: dict[str, Any] = dict.fromkeys(
        ("enabled", "enabled_by", "changed", "scheduled", "startup", "next_run_at")
    )
    nothing["elsewhere"] = []
    why = "no job has this name"
    session.output.answer(
        {"name": name, "asked": True, "file": file, "removed": removed, "overruled": False, "why": why}
        | nothing
    )
    session.output.lines([f"{name}: {why}; its entry was removed from {file}"])


def _screen(done: Switched, terminal: Terminal) -> list[str]:
    spec = done.view.spec
    state = f"{'still ' if done.overruled else ''}{'on' if spec.enabled else 'off'}"
    style = "caution" if done.overruled else "good" if spec.enabled else "warning"
    lines = [f"{terminal.style(spec.name, 'strong')} is {terminal.style(state, style)}"]
    for text in _facts(done, terminal):
        lines += wrap(text, terminal.columns, "  ")
    return lines


def _facts(done: Switched, terminal: Terminal) -> Iterator[str]:
    view = done.view
    spec = view.spec
    if done.overruled:
        written = f"enabled = {str(done.asked).lower()}"
        yield f"{written} was written to {done.file}, but {view.enabled_by} decides"
    else:
        yield why_enabled(view)
    if spec.error is not None:
        yield error_line(spec.error, terminal, root=view.config.root)
    elif not spec.enabled:
        if done.elsewhere:
            yield (
                f"{', '.join(done.elsewhere)} will not see it: this is about this checkout only; "
                f"`jobkit pause {spec.name}` holds everywhere"
            )
        yield f"`jobkit run {spec.name}` still runs it by hand"
    elif (fire := view.next_run_at) is not None:
        zone = ZoneInfo(view.config.scheduler.timezone)
        yield f"next: {near(fire, view.now, zone)}, in {distance(fire - view.now)}"
    elif not view.scheduled or not view.config.scheduler.enabled:
        yield why(view)
    startup = Startup.of(view)
    if startup.on:
        yield f"on startup: {startup.why}"


def _mention_environments(session: Session, project: Project) -> None:
    """Without an environment nothing is said about those that there are: a trap, so it is said."""
    others = known_environments(project.root)
    if project.env is None and others:
        session.output.aside(
            f"note: this holds where no environment is chosen; not in {', '.join(others)} "
            f"(jobkit --env {others[0]} …)"
        )
