"""Laying the configuration of a job over what its code says.

An unknown key or a wrong type in ``[jobs.NAME]`` was refused when the configuration was read. What is left
are values that are not accepted: they harm only their own job, which is then listed with the error and
not scheduled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jobkit.config.check import as_one, refusal
from jobkit.config.expansion import holds_variable
from jobkit.config.layers import Setting
from jobkit.config.plugin_tables import job_plugins
from jobkit.config.schema import CHANGED
from jobkit.config.settings import Config
from jobkit.exceptions import ConfigError, JobkitError, ParameterError, ScheduleError
from jobkit.expect import Expect
from jobkit.job import JobSpec
from jobkit.options import OPTIONS
from jobkit.origin import Origin
from jobkit.retry import Retry

if TYPE_CHECKING:
    from jobkit.schedules.base import ScheduleKind

#: The layers that belong to the operators: what they say literally is their consent.
_OPERATORS = frozenset(("config", "environment-file", "overrides", "variable"))


def apply(spec: JobSpec, config: Config, kinds: Sequence[ScheduleKind] | None = None) -> JobSpec:
    """*spec* with its ``[jobs.NAME]`` laid over it, key by key, and its schedule read.

    Never raises for what configuration says: a value that is not accepted – and schedule text that is
    not, wherever it was written – gives ``spec.with_error(...)``, an error with the line of the value.
    An error that the job has already is kept. *kinds* are the kinds of schedules that are known (None: the
    built-in ones).
    """
    changes: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    errors: list[ConfigError] = []
    for name, setting in config.job(spec.name).items():
        if name == CHANGED:
            continue
        try:
            if name == "extension":
                _check_extension(spec, setting)
            else:
                changes |= _change(spec, name, setting, config)
                origins[name] = setting.origin
        except _Refused as refused:
            errors += refused.errors
    errors += _errors_of_plugins(spec, config)
    merged = replace(spec, **changes, origins={**spec.origins, **origins})
    if merged.error is None and errors:
        return merged.with_error(as_one(errors))
    reread = not origins.keys().isdisjoint(("schedule", "timezone"))
    return _with_times(merged, config, kinds, reread=reread)


def enabled_by_operators(config: Config, name: str) -> bool:
    """Whether ``enabled = true`` is literally written for the job *name* in the operators' layers.

    One half of the rule for ``run_on_startup``; the code's ``run_on_startup`` is the other.
    """
    setting = config.job(name).get("enabled")
    if setting is None or setting.value is not True:
        return False
    return any(item.value is True and item.origin.layer in _OPERATORS for item in setting.stack)


class _Refused(Exception):
    def __init__(self, *errors: ConfigError) -> None:
        self.errors = errors


def _refuse(
    spec: JobSpec, what: str, setting: Setting, code: str = "JK213", help: str | None = None
) -> _Refused:
    origin = setting.origin
    message = f"[jobs.{spec.name}] {what}"
    if origin.path is None and origin.name is not None:
        message = f"{origin.name}: {message}"
    return _Refused(ConfigError(message, code=code, path=origin.path, line=origin.line, help=help))


def _check_extension(spec: JobSpec, setting: Setting) -> None:
    if setting.value != spec.extension:
        help = f'write extension = "{spec.extension}" if this job is meant, or correct the name'
        what = f"extension: the job {spec.name} belongs to the extension {spec.extension!r}"
        raise _refuse(spec, what, setting, "JK214", help)


def _change(spec: JobSpec, name: str, setting: Setting, config: Config) -> dict[str, Any]:
    """What *setting* changes in *spec*. Raises _Refused."""
    if name == "run_on_startup" and setting.value is True and not spec.run_on_startup:
        help = "write `run_on_startup=True` in the code, and `enabled = true` here"
        raise _refuse(spec, "run_on_startup: configuration can only switch it off", setting, "JK215", help)
    if name == "parameters":
        return {"parameters": _parameters(spec, setting)}
    if name == "plugins":
        return {"plugins": MappingProxyType(job_plugins(spec, config).value)}
    try:
        return {name: OPTIONS[name].decode(_written(spec, name, setting))}
    except (TypeError, ValueError) as error:
        why = refusal(error, OPTIONS[name].type, expanded=_expanded(setting))
        raise _refuse(spec, f"{name}: {why}", _to_blame(setting)) from None


def _written(spec: JobSpec, name: str, setting: Setting) -> Any:
    """The value for the decoder: options that are tables are merged with what the code says."""
    if name == "retries":
        return {**_fields(spec.retries), **_retries(setting)}
    if name == "expect" and spec.expect is not None and setting.parts is not None:
        return {**_fields(spec.expect), **setting.value}
    return setting.value


def _retries(setting: Setting) -> dict[str, Any]:
    """``retries = 3`` says one key of the table, and leaves the others to the layers below."""
    found: dict[str, Any] = {}
    for said in (*(statement.value for statement in setting.stack), setting.value):
        found.update(said if isinstance(said, Mapping) else {"retries": said})
    return found


def _fields(value: Retry | Expect) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in fields(value)}


def _errors_of_plugins(spec: JobSpec, config: Config) -> list[ConfigError]:
    """What the plugins do not take of what code and configuration say to them about this job."""
    plugins = job_plugins(spec, config)
    if config.accepted is None or not plugins.parts:
        return []
    return config.accepted.check_job(spec.name, plugins)


def _parameters(spec: JobSpec, setting: Setting) -> dict[str, Any]:
    """The parameters as values, each read by its own declaration, so that each error has its line."""
    values = dict(spec.parameters)
    errors: list[ConfigError] = []
    shown = frozenset(item.name for item in spec.signature.parameters.parameters if not item.secret)
    for name, part in (setting.parts or {}).items():
        try:
            values |= spec.signature.parameters.from_values({name: part.value}, job=spec.name)
        except ParameterError as error:
            hidden = f"the variable in `{name}` gives a value that is not accepted"
            what = hidden if _expanded(part) else error.message
            refused = _refuse(spec, f"parameters: {what}", part, help=error.help).errors
            for each in refused:
                each.shown_keys = shown
            errors += refused
    if errors:
        raise _Refused(*errors)
    return values


def _expanded(setting: Setting) -> bool:
    return any(holds_variable(leaf.stack[-1].value) for _, leaf in setting.leaves())


def _to_blame(setting: Setting) -> Setting:
    """The part that a message about *setting* is most likely about: the only one, if there is only one."""
    leaves = [leaf for _, leaf in setting.leaves()]
    return leaves[0] if len(leaves) == 1 else setting


def _with_times(
    spec: JobSpec, config: Config, kinds: Sequence[ScheduleKind] | None, *, reread: bool
) -> JobSpec:
    """*spec* with its schedule read, in its own zone or the scheduler's."""
    if spec.error is not None or (spec.times is not None and not reread):
        return spec
    if not spec.schedule:
        return replace(spec, times=None)
    from jobkit.schedules import BUILTIN_KINDS, parse_schedule

    zone = spec.timezone or config.scheduler.timezone
    known = BUILTIN_KINDS if kinds is None else kinds
    try:
        times = parse_schedule(spec.schedule, timezone=zone, name=spec.name, kinds=known)
        return replace(spec, times=times)
    except ScheduleError as error:
        return replace(spec, times=None).with_error(_placed(error, spec))


def _placed(error: ScheduleError, spec: JobSpec) -> JobkitError:
    """*error* with the place where the schedule, or else the zone, was written."""
    origin = spec.origins.get("timezone" if error.code == "JK309" else "schedule")
    path, line = (origin.path, origin.line) if origin is not None else (spec.path, spec.line)
    return ScheduleError(error.message, code=error.code, path=path, line=line, help=error.help)
