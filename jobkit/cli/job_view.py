"""A job as the command line shows it: the JSON shapes of ``list`` and ``show``, and why it is on or off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobkit.cli.pauses import next_fire, to_plain_pause
from jobkit.durations import format_duration
from jobkit.origin import DEFAULT, Origin
from jobkit.records import RunRecord, to_plain
from jobkit.redaction import MASK, redact
from jobkit.scheduler.standing import Standing, listed, standing

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.config.overrides import Change
    from jobkit.job import JobSpec
    from jobkit.parameters import Parameter
    from jobkit.scheduler.differences import Difference
    from jobkit.scheduler.tardiness import Late
    from jobkit.stores.control import Pause


@dataclass(frozen=True, slots=True)
class JobView:
    """One job at one moment; *recent* are its newest runs, newest first."""

    spec: JobSpec
    config: Config
    now: datetime
    last_run: RunRecord | None = None
    recent: Sequence[RunRecord] = ()
    #: Why it should have succeeded by now, and has not; None if it is not late, or nobody knows.
    late: Late | None = None
    #: In what live replicas do not have it alike; None if they do.
    difference: Difference | None = None
    #: Those that hold it now, the one that lasts longest first.
    pauses: Sequence[Pause] = ()

    @property
    def listed(self) -> bool:
        """Whether the configuration lets a job be scheduled that it does not name."""
        return listed(self.spec, self.config)

    @property
    def standing(self) -> Standing:
        """Whether its schedule is in force, by the rule that a scheduler goes by."""
        return standing(self.spec, self.config)

    @property
    def scheduled(self) -> bool:
        """Whether its schedule is in force."""
        return self.standing.scheduled

    @property
    def remembered(self) -> bool:
        """Whether its file is broken now: what its signature says is then not known."""
        return self.spec.target is None

    @property
    def timezone(self) -> str:
        return self.spec.timezone or self.config.scheduler.timezone

    @property
    def next_run_at(self) -> datetime | None:
        times = self.spec.times
        if times is None or not self.standing.fires:
            return None
        return next_fire(times, self.pauses, self.now)

    @property
    def source(self) -> str:
        """``path:line`` of the registration, relative to the root."""
        return Origin("code", self.spec.path, self.spec.line).describe(self.config.root)

    @property
    def enabled_by(self) -> str:
        """Layer and place of what decided ``enabled``; the registration where nothing was said."""
        return origin_text(self.origin("enabled"), self)

    def origin(self, option: str) -> Origin:
        """What decided *option*."""
        return self.spec.origins.get(option, DEFAULT)

    def parameter_origin(self, name: str) -> Origin:
        """What decided the value of one parameter that configuration sets."""
        said = self.config.job(self.spec.name).get("parameters")
        part = said.at((name,)) if said is not None else None
        return part.origin if part is not None else self.origin("parameters")

    def to_json(self) -> dict[str, Any]:
        """The item of ``list``."""
        from jobkit.cli.standing import why

        spec = self.spec
        return {
            "name": spec.name,
            "extension": spec.extension,
            "description": spec.description,
            "schedule": spec.schedule_text,
            "timezone": self.timezone,
            "enabled": spec.enabled,
            "enabled_by": self.enabled_by,
            "scheduled": self.scheduled,
            "why": why(self),
            "tags": list(spec.tags),
            "source": self.source,
            "error": spec.error.to_json(self.config.root) if spec.error is not None else None,
            "late": self.late is not None,
            "differs": self.difference is not None,
            "paused": to_plain_pause(self.pauses[0]) if self.pauses else None,
            "next_run_at": to_plain(self.next_run_at),
            "last_run": self.last_run.to_json() if self.last_run is not None else None,
        }

    def to_full_json(self) -> dict[str, Any]:
        """The data of ``show``: the item of ``list``, and everything else that is known."""
        from jobkit.cli.standing import Startup, change_of

        spec, root = self.spec, self.config.root
        change, startup = change_of(self), Startup.of(self)
        return {
            **self.to_json(),
            "lateness": self.late.to_json() if self.late is not None else None,
            "changed": to_plain_change(change) if change is not None else None,
            "startup": {"on": startup.on, "why": startup.why, "place": startup.place},
            "module": spec.module,
            "owner": spec.owner,
            "enforce": spec.enforce,
            "run_on_startup": spec.run_on_startup,
            "parameters": [_parameter(each, spec) for each in spec.signature.parameters.parameters],
            "accepts_any": spec.signature.parameters.accepts_any and not self.remembered,
            "services": [
                {"parameter": each.parameter, "type": each.annotation_text, "required": not each.has_default}
                for each in spec.signature.services
            ],
            "policies": _policies(spec),
            "origins": {name: origin.to_json(root) for name, origin in sorted(spec.origins.items())},
            "runs": [run.to_json() for run in self.recent],
        }


def origin_text(origin: Origin, view: JobView) -> str:
    """``config services/scheduler/config.toml:12``, ``variable JOBKIT__…``, ``default web/jobs/x.py:9``."""
    if origin.path is None and origin.name is None:
        return f"{origin.layer} {view.source}"
    return f"{origin.layer} {origin.describe(view.config.root)}"


def to_plain_change(change: Change) -> dict[str, Any]:
    """Who changed an entry of the overrides, when, and why."""
    return {"by": change.by, "at": to_plain(change.at), "reason": change.reason}


def _parameter(parameter: Parameter, spec: JobSpec) -> dict[str, Any]:
    configured = spec.parameters.get(parameter.name)
    default = parameter.default if not parameter.required else None
    return {
        "name": parameter.name,
        "type": parameter.type_text,
        "default": MASK if parameter.secret and default is not None else redact(to_plain(default)),
        "required": parameter.required,
        "configured": MASK if parameter.secret and configured is not None else redact(to_plain(configured)),
        "secret": parameter.secret,
    }


def _policies(spec: JobSpec) -> dict[str, Any]:
    retry, expect = spec.retries, spec.expect
    return {
        "timeout": _duration(spec.timeout),
        "retries": retry.retries,
        "retry_delay": _duration(retry.delay),
        "retry_backoff": retry.backoff,
        "retry_max_delay": _duration(retry.max_delay),
        "overlap": spec.overlap,
        "misfire": spec.misfire,
        "misfire_grace": _duration(spec.misfire_grace),
        "jitter": _duration(spec.jitter),
        "scope": spec.scope,
        "limits": list(spec.limits),
        "executor": spec.executor,
        "queue": spec.queue,
        "priority": spec.priority,
        "expect": None
        if expect is None
        else {
            "min_processed": expect.min_processed,
            "max_error_ratio": expect.max_error_ratio,
            "max_duration": _duration(expect.max_duration),
        },
    }


def _duration(value: object) -> object:
    return format_duration(value) if isinstance(value, timedelta) else value
