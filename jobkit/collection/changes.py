"""What a plugin has made of the jobs: put right where it can be, refused as a whole where it cannot.

A plugin that is refused has changed nothing, and the others go on with what was there before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import JobkitError, ParameterError, ScheduleError
from jobkit.job import JobSpec
from jobkit.options import OPTIONS
from jobkit.origin import Origin
from jobkit.plugins.failures import NonsenseError, definition_of
from jobkit.sanitising import bounded, repr_of, text_of
from jobkit.signature import Signature

if TYPE_CHECKING:
    from jobkit.plugins.implementations import Implementation
    from jobkit.schedules.base import Schedule, ScheduleKind

_SAYS_WHEN = frozenset(("schedule", "timezone", "name"))
#: What says which file a job comes from; no plugin moves a job into another.
_HOME = ("extension", "module")


class Changes:
    """What plugins change, one after another. *taken* are names of jobs that none of them is shown."""

    def __init__(self, taken: Mapping[str, JobSpec], kinds: Sequence[ScheduleKind] | None) -> None:
        self.jobs: list[JobSpec] = []
        #: Names that are no longer there, and the plugin that has taken each away.
        self.gone: dict[str, str] = {}
        self._taken = taken
        self._kinds = kinds

    def judge(
        self,
        plugin: Implementation,
        shown: list[JobSpec],
        changed: list[JobSpec],
        rest: list[JobSpec],
    ) -> None:
        """Put *changed* right, in place. Raises NonsenseError for what cannot be a list of jobs."""
        others = {**self._taken, **{job.name: job for job in rest}}
        reader = _Reader(plugin, shown, self._kinds)
        names: dict[str, JobSpec] = {}
        for number, job in enumerate(changed):
            changed[number] = fresh = reader.read(job)
            before = names.get(fresh.name) or others.get(fresh.name)
            if before is job or before is fresh:
                raise NonsenseError(f"it left the job {fresh.name} in the list twice")
            if before is not None:
                raise NonsenseError(
                    f"it left two jobs called {fresh.name} ({before.path.name}:{before.line})"
                )
            names[fresh.name] = fresh
        for job in shown:
            if job.name not in names:
                self.gone[job.name] = plugin.plugin.name

    def finish(self, before: Sequence[JobSpec], after: Sequence[JobSpec]) -> None:
        """All plugins were asked: *after* is what became of *before*."""
        self.jobs = [*after]
        names = {job.name for job in after}
        self.gone = {job.name: self.gone[job.name] for job in before if job.name not in names}


class _Reader:
    """Reads the jobs in a list that a plugin has changed: a spec holds what the plugin has put there."""

    def __init__(
        self, plugin: Implementation, shown: Sequence[JobSpec], kinds: Sequence[ScheduleKind] | None
    ) -> None:
        path, line = definition_of(plugin.function)
        self._origin = Origin("plugin", path, line, plugin.plugin.name)
        self._kinds = kinds
        self._same = {id(job) for job in shown}
        self._by_name = {job.name: job for job in shown}
        self._homes = {tuple(getattr(job, name) for name in _HOME) for job in shown}
        places = Counter(map(_place, shown))
        self._by_place = {_place(job): job for job in shown if places[_place(job)] == 1}

    def read(self, job: object) -> JobSpec:
        """*job* as it can be used; NonsenseError if it cannot."""
        if not isinstance(job, JobSpec):
            raise NonsenseError(
                f"it put {bounded(repr_of(job), 80)} into the list, and a JobSpec is expected"
            )
        if id(job) in self._same:
            return job
        original = self._by_name.get(text_of(job.name)) or self._by_place.get(_place(job))
        self._check_facts(job, original)
        changed = [
            name
            for name, option in OPTIONS.items()
            if option.in_code and (original is None or getattr(job, name) != getattr(original, name))
        ]
        values: dict[str, Any] = {name: self._decoded(job, name) for name in changed}
        if original is None or job.parameters != original.parameters:
            values["parameters"] = self._parameters(job)
            changed.append("parameters")
        origins = {**job.origins, **dict.fromkeys(changed, self._origin)}
        fresh = replace(job, **values, origins=origins)
        if not _SAYS_WHEN.isdisjoint(changed):
            fresh = replace(fresh, times=self._times(fresh))
        return fresh

    def _check_facts(self, job: JobSpec, original: JobSpec | None) -> None:
        name = bounded(text_of(job.name), 80)
        if tuple(getattr(job, each) for each in _HOME) not in self._homes:
            raise NonsenseError(f"job {name}: its extension and module are none of those that it was shown")
        kinds: dict[str, tuple[type, ...]] = {
            "path": (Path,),
            "line": (int,),
            "signature": (Signature,),
            "origins": (Mapping,),
            "parameters": (Mapping,),
            "error": (JobkitError, type(None)),
            "warnings": (tuple,),
        }
        for each, types in kinds.items():
            value = getattr(job, each)
            if not isinstance(value, types):
                raise NonsenseError(f"job {name}: {each} cannot be {bounded(repr_of(value), 80)}")
        if job.enforce and (original is None or not original.enforce):
            raise NonsenseError(f"job {name}: only configuration can give the consent `enforce`")
        if not callable(job.target) and not hasattr(job.target, "execute"):
            raise NonsenseError(f"job {name}: target is {bounded(repr_of(job.target), 80)}, nothing to call")

    def _decoded(self, job: JobSpec, name: str) -> Any:
        value = getattr(job, name)
        try:
            return OPTIONS[name].decode(value)
        except (TypeError, ValueError) as error:
            raise NonsenseError(f"job {bounded(text_of(job.name), 80)}: `{name}`: {error}") from None

    def _parameters(self, job: JobSpec) -> Mapping[str, Any]:
        try:
            return job.signature.parameters.from_values(job.parameters, job=job.name)
        except ParameterError as error:
            raise NonsenseError(f"job {job.name}: parameters: {error.message}") from None

    def _times(self, job: JobSpec) -> Schedule | None:
        """As when a job is registered: without a zone of its own it is only looked at."""
        if not job.schedule:
            return None
        from jobkit.schedules import BUILTIN_KINDS, parse_schedule

        try:
            times = parse_schedule(
                job.schedule,
                timezone=job.timezone or "UTC",
                name=job.name,
                kinds=BUILTIN_KINDS if self._kinds is None else self._kinds,
            )
        except ScheduleError as error:
            raise NonsenseError(f"job {job.name}: `schedule`: {error.message}") from None
        return times if job.timezone is not None else None


def _place(job: JobSpec) -> tuple[str, str, str]:
    return text_of(job.path), text_of(job.line), text_of(job.module)
