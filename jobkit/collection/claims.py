"""Whose a job name is: the one file that claims it, or nobody's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import CollectionError, relative_to

if TYPE_CHECKING:
    from jobkit.collection.index import IndexedJob
    from jobkit.job import JobSpec

_MOST_SHOWN = 5
TWICE = "JK108"


@dataclass(frozen=True, slots=True)
class Claim:
    """One registration: *path* is the file that made it."""

    path: str
    spec: JobSpec


def settle(claims: Iterable[Claim], root: Path) -> tuple[dict[str, JobSpec], list[CollectionError]]:
    """The jobs by name, and the errors. A name that is claimed twice is listed once, with an error.

    Every file that claims it gets one error, which names the others.
    """
    by_name: dict[str, list[Claim]] = {}
    for claim in claims:
        by_name.setdefault(claim.spec.name, []).append(claim)
    jobs, errors = {}, []
    for name, group in by_name.items():
        jobs[name] = group[0].spec
        if len(group) > 1:
            found = _errors(name, group, root)
            errors += found
            jobs[name] = group[0].spec.with_error(found[0])
    return jobs, errors


def _errors(name: str, group: list[Claim], root: Path) -> list[CollectionError]:
    errors = []
    for path in dict.fromkeys(claim.path for claim in group):
        # In a file that claims it twice, the later call is the one to look at.
        own = [claim for claim in group if claim.path == path][:2][-1]
        others = [_place(claim.spec, root) for claim in group if claim is not own]
        more = f" and {len(others) - _MOST_SHOWN} more" if len(others) > _MOST_SHOWN else ""
        errors.append(
            CollectionError(
                f"the job name {name!r} is claimed in {', '.join(others[:_MOST_SHOWN])}{more} too, "
                "so none of them runs",
                code=TWICE,
                path=path,
                line=own.spec.line,
                help='give one of them another name: submit_job(..., name="…")',
                jobs=(name,),
            )
        )
    return errors


def _place(spec: JobSpec, root: Path) -> str:
    return f"{relative_to(spec.path, root)}:{spec.line}"


def remembered(known: IndexedJob, root: Path, error: CollectionError) -> JobSpec:
    """A job of a file that is broken now: listed with the file's *error*, and not run."""
    from jobkit.job import JobSpec
    from jobkit.parameters import ParameterSchema
    from jobkit.signature import Signature

    return JobSpec(
        name=known.name,
        extension=known.extension,
        description=known.description,
        path=root / known.path,
        line=known.line,
        module=known.module,
        target=None,
        signature=Signature("ctx", (), ParameterSchema((), True), False, known.name),
        schedule=known.schedule,
        tags=known.tags,
        error=error,
    )
