"""The jobs of a project as a mapping."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project


class JobsOf(Mapping[str, "JobSpec"]):
    """The jobs of a project; one that was not imported yet is, when it is asked for."""

    __slots__ = ("_project",)

    def __init__(self, project: Project) -> None:
        self._project = project

    def __getitem__(self, name: str) -> JobSpec:
        spec = self._project.find(name)
        if spec is None:
            raise KeyError(name)
        return spec

    def __iter__(self) -> Iterator[str]:
        self._project.collect_all()
        return iter(self._project._jobs)

    def __len__(self) -> int:
        self._project.collect_all()
        return len(self._project._jobs)

    def values(self) -> ValuesView[JobSpec]:
        """All at once: asking for each by name takes its time with very many."""
        self._project.collect_all()
        return self._project._jobs.values()

    def items(self) -> ItemsView[str, JobSpec]:
        """As for ``values``."""
        self._project.collect_all()
        return self._project._jobs.items()
