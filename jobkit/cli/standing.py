"""Why a job is on or off: what the code proposes, and which line of the operators decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from jobkit.cli.render.times import distance
from jobkit.config.apply import enabled_by_operators
from jobkit.config.overrides import Change
from jobkit.config.schema import CHANGED
from jobkit.origin import Origin

if TYPE_CHECKING:
    from jobkit.cli.job_view import JobView
    from jobkit.config import Config

#: Where nothing but the code has spoken.
_IN_CODE = ("code", "default")


def change_of(view: JobView) -> Change | None:
    """Who decided that the job is on or off, if the overrides decide it and say who."""
    if view.origin("enabled").layer != "overrides":
        return None
    said = view.config.job(view.spec.name).get(CHANGED)
    return Change.of(said.value) if said is not None else None


def change_text(change: Change, now: datetime) -> str:
    """``by ada@host-a, 2h ago: mail server moved``."""
    who = f"by {change.by}" if change.by else "changed"
    when = f", {distance(now - change.at)} ago" if change.at is not None else ""
    return f"{who}{when}{f': {change.reason}' if change.reason else ''}"


def why_enabled(view: JobView) -> str:
    """The place of what decided ``enabled``, and who wrote it there."""
    change = change_of(view)
    return f"{view.enabled_by}{f', {change_text(change, view.now)}' if change is not None else ''}"


def why(view: JobView) -> str:
    """Why its schedule is in force, or is not, in one sentence."""
    found = view.standing
    # When it was changed is told from here, too: so long ago.
    if found.cause in ("enabled", "disabled"):
        return f"{found.cause} ({why_enabled(view)})"
    return found.why


@dataclass(frozen=True, slots=True)
class Startup:
    """Whether a scheduler runs the job when it starts, and why (not)."""

    on: bool
    why: str
    #: Its place, from 1, in the list ``startup`` of the scheduler; None if it is not there.
    place: int | None = None

    @classmethod
    def of(cls, view: JobView) -> Startup:
        """By the rule of two layers, or because ``[scheduler] startup`` names it."""
        spec, config = view.spec, view.config
        named = config.scheduler.startup
        if spec.name not in named:
            return cls(*_two_layers(view))
        place = named.index(spec.name) + 1
        where = f"number {place} of startup = […] ({said(config, 'startup')})"
        if spec.error is not None or not spec.enabled:
            return cls(False, f"{where}, but {why(view)}", place)
        return cls(True, where, place)


def _two_layers(view: JobView) -> tuple[bool, str]:
    spec = view.spec
    if not spec.run_on_startup:
        origin = view.origin("run_on_startup")
        if origin.layer in _IN_CODE:
            return False, "the code does not ask for it"
        return False, f"switched off ({_place(origin, view.config)})"
    if spec.error is not None or not spec.enabled:
        return False, why(view)
    if not enabled_by_operators(view.config, spec.name):
        return False, f"the code asks for it; no operators' file says enabled = true in [jobs.{spec.name}]"
    return True, f"the code asks for it, and the operators say enabled = true ({why_enabled(view)})"


def said(config: Config, key: str) -> str:
    """The place of what decided a key of ``[scheduler]``."""
    return _place(config.origin(("scheduler", key)), config)


def _place(origin: Origin, config: Config) -> str:
    return origin.describe(config.root)
