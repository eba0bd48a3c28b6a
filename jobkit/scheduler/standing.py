"""Whether a job is scheduled, which line decides that, and what tells its schedule and options apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from jobkit.config.expansion import holds_variable
from jobkit.config.overrides import Change
from jobkit.config.plugin_tables import job_plugins
from jobkit.config.schema import CHANGED
from jobkit.origin import DEFAULT, Origin
from jobkit.redaction import Redactor
from jobkit.stores.ledger import JobKey
from jobkit.stores.plain import dump, plain

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.expect import Expect
    from jobkit.job import JobSpec
    from jobkit.retry import Retry

#: What decides: an error, ``enabled``, a schedule that is not there, ``unlisted``, the scheduler's own
#: ``enabled``; ``enabled`` of a job that is on.
Cause = Literal["error", "disabled", "no schedule", "unlisted", "off", "enabled"]

#: Text in a hash of eight bytes each: enough that no two jobs of one name meet by chance.
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a job is scheduled: it has a schedule, is enabled after all layers, and is listed if need be.

    *fires* is False also where the scheduler as a whole is off. The texts are made when they are asked for.
    """

    scheduled: bool
    fires: bool
    cause: Cause
    spec: JobSpec = field(repr=False)
    config: Config = field(repr=False)

    @property
    def enabled(self) -> bool:
        """Whether all layers together say ``enabled``."""
        return self.spec.enabled

    @property
    def origin(self) -> Origin:
        """What decided: the line, the variable or the option."""
        spec, config = self.spec, self.config
        match self.cause:
            case "error":
                error = spec.error
                if error is not None and error.path is not None:
                    return Origin("code", error.path, error.line)
                return self._registration("default")
            case "no schedule":
                return self._option("schedule")
            case "unlisted":
                return config.origin(("scheduler", "unlisted"))
            case "off":
                return config.origin(("scheduler", "enabled"))
            case _:
                return self._option("enabled")

    @property
    def layer(self) -> str:
        """The layer of what decided."""
        return self.origin.layer

    @property
    def place(self) -> str | None:
        """Where it stands, ``path:line`` or the name of a variable; None if nobody wrote it anywhere."""
        origin = self.origin
        if origin.path is None and origin.name is None:
            return None
        return origin.describe(self.config.root)

    @property
    def change(self) -> Change | None:
        """Who decided, when and why, if it is the overrides that decide, and say so."""
        if self.cause not in ("disabled", "enabled") or self.layer != "overrides":
            return None
        said = self.config.job(self.spec.name).get(CHANGED)
        return Change.of(said.value) if said is not None else None

    @property
    def why(self) -> str:
        """Why its schedule is in force, or is not, in one sentence."""
        spec = self.spec
        match self.cause:
            case "error":
                return f"it has an error: {spec.error.code if spec.error is not None else ''}"
            case "no schedule":
                return "it has no schedule: it runs when it is asked for"
            case "unlisted":
                return f'unlisted = "ignore" ({self._said}), and no [jobs.{spec.name}] lists it'
            case "off":
                return f"the scheduler is off ({self._said})"
            case _:
                return f"{self.cause} ({self.layer} {self.place}{_by(self.change)})"

    @property
    def _said(self) -> str:
        return self.origin.describe(self.config.root)

    def _option(self, name: str) -> Origin:
        """The origin of an option of the job; its registration, where nobody said anything."""
        origin = self.spec.origins.get(name, DEFAULT)
        return self._registration(origin.layer) if origin.path is None and origin.name is None else origin

    def _registration(self, layer: str) -> Origin:
        return Origin(layer, self.spec.path, self.spec.line)


def _by(change: Change | None) -> str:
    if change is None:
        return ""
    who = f", by {change.by}" if change.by else ""
    return f"{who}{f': {change.reason}' if change.reason else ''}"


def standing(spec: JobSpec, config: Config) -> Standing:
    """Whether *spec* is scheduled, and what decides that."""
    cause = _cause(spec, config)
    fires = cause == "enabled"
    return Standing(fires or cause == "off", fires, cause, spec, config)


def _cause(spec: JobSpec, config: Config) -> Cause:
    if spec.error is not None:
        return "error"
    if not spec.enabled:
        return "disabled"
    if not spec.schedule:
        return "no schedule"
    if not listed(spec, config):
        return "unlisted"
    return "enabled" if config.scheduler.enabled else "off"


def listed(spec: JobSpec, config: Config) -> bool:
    """Whether the configuration lets a job be scheduled that it does not name."""
    return config.scheduler.unlisted != "ignore" or config.table_setting("jobs", spec.name) is not None


# -- what the ledger calls it -------------------------------------------------------------------------


def job_key(spec: JobSpec, node: str) -> JobKey:
    """Its place in the ledger: one for the deployment, or one for each node."""
    return JobKey(spec.name, node if spec.scope == "node" else "")


def schedule_hash(spec: JobSpec, node: str) -> str:
    """What tells its schedule, zone and scope from others, the same in every process; *node* as for
    :func:`job_key`: a node of its own makes no schedule of its own."""
    zone = spec.times.timezone if spec.times is not None else spec.timezone
    return _hash(f"{spec.schedule!r} {zone} {spec.scope}")


def standing_hash(spec: JobSpec, config: Config) -> str:
    """What tells how it stands from how it stood: scheduled or not, and why, enabled, schedule, zone, scope.

    Moved lines change nothing. :func:`options_hash` begins with it.
    """
    cause = _cause(spec, config)
    zone = spec.times.timezone if spec.times is not None else spec.timezone or config.scheduler.timezone
    return _hash(f"{cause} {spec.enabled} {spec.schedule!r} {zone} {spec.scope}")


def options_hash(spec: JobSpec, config: Config) -> str:
    """What tells its effective options, parameters, settings of plugins and limits among them, from others.

    The same in every process that has the same files. Values from variables, in parameters and for plugins,
    and secrets take no part, only that they are there.
    """
    caps = config.scheduler.limits
    options = (
        f"{spec.extension!r} {spec.run_on_startup} {spec.tags!r} {spec.timeout} {spec.overlap} "
        f"{spec.misfire} {spec.misfire_grace} {spec.jitter} {spec.executor} {spec.queue!r} "
        f"{spec.priority} {spec.owner!r} {spec.enforce} {_retry(spec.retries)} {_expect(spec.expect)} "
        f"{[(name, caps.get(name)) for name in sorted(spec.limits)] if spec.limits else ''} "
        f"{spec.error.code if spec.error is not None else ''}"
    )
    said = config.table_setting("jobs", spec.name)
    parts = {} if said is None or said.parts is None else said.parts
    if spec.parameters:
        options += dump(plain(_parameters(spec, config)))
    if spec.plugins or "plugins" in parts:
        options += dump(plain(_sorted(job_plugins(spec, config).shown)))
    return f"{standing_hash(spec, config)}.{_hash(options)}"


def same_standing(one: str | None, other: str | None) -> bool:
    """Whether two of :func:`options_hash` differ at most in what has nothing to do with the schedule."""
    return (one or "").partition(".")[0] == (other or "").partition(".")[0]


def _parameters(spec: JobSpec, config: Config) -> Any:
    said = config.job(spec.name).get("parameters")
    written = {} if said is None or said.parts is None else said.parts
    values = spec.signature.parameters.to_plain(spec.parameters)
    for name, setting in written.items():
        if name in values and any(holds_variable(leaf.stack[-1].value) for _, leaf in setting.leaves()):
            values[name] = setting.shown
    return _sorted(_redactor(config.secrets).value(values) if config.secrets else values)


@lru_cache(maxsize=1)
def _redactor(secrets: frozenset[str]) -> Redactor:
    return Redactor(secrets)


def _sorted(value: Any) -> Any:
    """*value* with the keys of its tables in order: who wrote which first says nothing."""
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, set | frozenset):
        return sorted(map(_sorted, value), key=repr)
    return [_sorted(item) for item in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=1024)
def _retry(retry: Retry) -> str:
    on = ",".join(f"{each.__module__}.{each.__qualname__}" for each in retry.on)
    return (
        f"{retry.retries} {retry.delay} {float(retry.backoff)} {retry.max_delay} {retry.jitter} {on}"
        if retry.retries
        else ""
    )


@lru_cache(maxsize=1024)
def _expect(expect: Expect | None) -> str:
    if expect is None:
        return ""
    ratio = None if expect.max_error_ratio is None else float(expect.max_error_ratio)
    return f"{expect.min_processed} {ratio} {expect.max_duration}"


def _hash(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()
