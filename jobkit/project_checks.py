"""What can be known about the jobs of a project before one of them runs."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import CollectionError, ConfigError, JobkitError, ServiceError

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.origin import Origin
    from jobkit.services.graph import ServiceGraph
    from jobkit.services.specs import ServiceSpec


class StaleOverride(ConfigError):
    """An entry of the overrides whose job is gone."""


class GoneJob(ConfigError):
    """Configuration of a job that a plugin has taken away."""


# -- names in the configuration ---------------------------------------------------------------------------


def unknown_names(config: Config, jobs: Collection[str], gone: Mapping[str, str]) -> list[ConfigError]:
    """Configuration that speaks of jobs which do not exist; entries of overrides are told apart.

    *gone* are jobs that a plugin has taken away, and which.
    """
    unknown = [
        (name, config.job_origin(name), f"[jobs.{name}] matches no job")
        for name in config.jobs
        if not _means_a_job(name, config, jobs)
    ]
    startup = config.origin("scheduler.startup")
    unknown += [
        (name, startup, f"startup names {name!r}, which is no job")
        for name in config.scheduler.startup
        if name not in jobs
    ]
    return [_unknown(config, jobs, gone, *each) for each in unknown]


def _means_a_job(name: str, config: Config, jobs: Collection[str]) -> bool:
    """Whether ``[jobs.NAME]`` speaks of a job: in a variable's name ``_`` may stand for ``-``."""
    from jobkit.config.outside import spelled

    if name in jobs:
        return True
    alike = [job for job in jobs if spelled(job) == name and job not in config.jobs]
    return any(config.job(job) for job in alike)


def _unknown(
    config: Config, jobs: Collection[str], gone: Mapping[str, str], name: str, origin: Origin, message: str
) -> ConfigError:
    from jobkit.config.check import config_error

    if name in gone:
        text = f"{message}: plugin {gone[name]} has taken it away, or given it another name"
        help = f"`jobkit list --plugin no:{gone[name]}` shows the jobs as they are without it"
        return GoneJob(text, code="JK171", path=origin.path, line=origin.line, help=help)
    if origin.layer != "overrides":
        return config_error("JK210", message, origin, _did_you_mean(name, jobs))
    where = f"jobkit --env {config.env}" if config.env else "jobkit"
    help = f"`{where} enable {name}` removes the entry; {_did_you_mean(name, jobs)}"
    return StaleOverride(message, code="JK210", path=origin.path, line=origin.line, help=help)


def _did_you_mean(name: str, jobs: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, jobs, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "`jobkit list` shows the jobs there are"


def settle_names(
    unknown: list[ConfigError], broken: Iterable[JobkitError], absent: Collection[str], root: Path
) -> list[ConfigError]:
    """Those of *unknown* that are warnings. Raises ConfigError for the others, as one.

    After a clean collection an unknown name is an error; while files are broken, or plugins are left out
    (*absent*), it may be theirs. A stale entry of the overrides harms nothing: it stays a warning.
    """
    files = sorted({error.location(root) or "?" for error in broken})
    hints = [f"it may belong to a file that could not be loaded: {', '.join(files)}"] if files else []
    hints += [f"it may belong to a plugin that is left out: {', '.join(absent)}"] if absent else []
    for error in unknown if hints else ():
        if not isinstance(error, GoneJob):
            error.help = f"{error.help or ''} ({'; '.join(hints)})".strip()
    harmless = [error for error in unknown if hints or isinstance(error, StaleOverride | GoneJob)]
    wrong = tuple(error for error in unknown if error not in harmless)
    if wrong:
        raise _as_one(wrong)
    return harmless


def _as_one(every: tuple[ConfigError, ...]) -> ConfigError:
    """The first of *every*, carrying all."""
    first = every[0]
    return ConfigError(
        first.message, code=first.code, path=first.path, line=first.line, help=first.help, errors=every
    )


# -- services and parameters ------------------------------------------------------------------------------


def with_services_checked(spec: JobSpec, graph: ServiceGraph) -> JobSpec:
    """*spec*, with an error if it asks for a service that it cannot have: now, not at night."""
    if spec.error is not None:
        return spec
    try:
        graph.plan(spec)
    except ServiceError as error:
        return replace(spec, error=error)
    return spec


def faults_of_services(graph: ServiceGraph, extensions: Iterable[str]) -> list[ServiceError]:
    """What is wrong with services, whether or not a job asks for them; those of *extensions* included."""
    faults = {error.message: error for error in graph.errors}
    for extension in (None, *extensions):
        for provider in graph.available(extension):
            try:
                graph.find(provider.name, extension)
            except ServiceError as error:
                faults.setdefault(error.message, error)
            if provider.spec.unreadable:
                unreadable = _unreadable(provider.spec)
                faults.setdefault(unreadable.message, unreadable)
    return [*faults.values()]


def _unreadable(spec: ServiceSpec) -> ServiceError:
    """Its type is known to nobody: only its name finds it, which is hardly meant."""
    path, line = spec.place
    return ServiceError(
        f"service `{spec.name}`: its factory returns `{spec.unreadable}`, which cannot be evaluated here: "
        "no type finds it",
        code="JK406",
        path=path,
        line=line,
        help="import the name there, outside of `if TYPE_CHECKING:`, or give the ServiceSpec provides=…",
    )


def with_parameters_checked(spec: JobSpec) -> JobSpec:
    """*spec*, with a warning if it is scheduled and every run would be refused: a value is missing."""
    if spec.times is None or not spec.enabled or spec.error is not None:
        return spec
    missing = [item.name for item in spec.signature.parameters.parameters if item.required]
    missing = [item for item in missing if item not in spec.parameters]
    if not missing:
        return spec
    warning = CollectionError(
        f"job {spec.name} has a schedule, and nothing gives its required parameter {missing[0]!r}",
        code="JK512",
        path=spec.path,
        line=spec.line,
        help=f"give it a default, or a value: [jobs.{spec.name}] parameters = {{ {missing[0]} = … }}",
    )
    return replace(spec, warnings=(*spec.warnings, warning))
