"""Which jobs a command is about: names, patterns, files, and options that narrow them down."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from jobkit.cli.expressions import parse_expression
from jobkit.cli.usage import did_you_mean, quoted
from jobkit.exceptions import CollectionError, NothingSelected, UsageError, relative_to
from jobkit.job import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was asked for: *terms* add up, the options narrow down; nothing at all means all jobs."""

    terms: tuple[str, ...] = ()
    tags: str | None = None
    extensions: tuple[str, ...] = ()
    keywords: str | None = None

    @property
    def empty(self) -> bool:
        """True if nothing was asked for."""
        return not (self.terms or self.tags or self.extensions or self.keywords)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The jobs by name if nothing but names was asked for; they may or may not exist."""
        if not self.terms or self.tags or self.extensions or self.keywords:
            return None
        return self.terms if all(map(_is_name, self.terms)) else None


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection amounts to: *jobs* in their order, *named* those that were asked for by name."""

    jobs: tuple[JobSpec, ...]
    named: frozenset[str]


def select(
    selection: Selection, jobs: Mapping[str, JobSpec], *, root: Path, broken: Iterable[CollectionError] = ()
) -> Selected:
    """The jobs that *selection* means, named ones first and in the order they were named.

    UsageError for a name that no job has, with the closest one. If a broken file used to hold that
    name, the file's error is raised instead.
    """
    chosen: dict[str, JobSpec] = {}
    named: set[str] = set()
    for term in selection.terms:
        found = _term(term, jobs, root, tuple(broken))
        if _is_exact(term):
            named.update(found)
        chosen.update((name, jobs[name]) for name in found if name not in chosen)
    if not selection.terms:
        chosen = dict(jobs)
    wanted = _filter(selection)
    return Selected(tuple(spec for spec in chosen.values() if wanted(spec, root)), frozenset(named))


def _is_name(term: str) -> bool:
    return not any(sign in term for sign in "*?[/\\:") and not term.endswith(".py") and term != "."


def _is_exact(term: str) -> bool:
    return _is_name(term) or "::" in term


def _term(
    term: str, jobs: Mapping[str, JobSpec], root: Path, broken: Collection[CollectionError]
) -> list[str]:
    if "::" in term:
        path, _, name = term.partition("::")
        _known(name, jobs, broken, term)
        if not _below(jobs[name].path, path, root):
            raise UsageError(
                f"job {name!r} is not in {_shown(path)}",
                code="JK802",
                help=f"it is in {relative_to(jobs[name].path, root)}",
            )
        return [name]
    if _is_name(term):
        _known(term, jobs, broken, term)
        return [term]
    if "/" in term or "\\" in term or term.endswith(".py") or term == ".":
        if not _exists(term, root):
            raise UsageError(
                f"there is no file or folder {_shown(term)}",
                code="JK802",
                help="`jobkit list` shows the jobs",
            )
        return _in_files(term, jobs, root, broken)
    return fnmatch.filter(jobs, term)


def _in_files(
    term: str, jobs: Mapping[str, JobSpec], root: Path, broken: Iterable[CollectionError]
) -> list[str]:
    found = [name for name, spec in jobs.items() if _below(spec.path, term, root)]
    for error in broken:
        if not found and error.path is not None and _below(error.path, term, root):
            raise error
    return found


def job_named(name: str, jobs: Mapping[str, JobSpec], broken: Iterable[CollectionError] = ()) -> JobSpec:
    """The job of that name; raises as :func:`select` does if there is none."""
    _known(name, jobs, broken, name)
    return jobs[name]


def _known(name: str, jobs: Mapping[str, JobSpec], broken: Iterable[CollectionError], term: str) -> None:
    if name in jobs:
        return
    for error in broken:
        if name in error.jobs:
            raise error
    raise UsageError(
        f"there is no job {_shown(name)}",
        code="JK802",
        help=did_you_mean(name, jobs, "`jobkit list` shows the jobs there are"),
    )


def _shown(text: str) -> str:
    return quoted(text, 128)


def _places(text: str, root: Path) -> list[Path]:
    """The paths that *text* may mean: from where the command was given, and from the project's root."""
    return [Path(os.path.abspath(text)), Path(os.path.abspath(root / text))]  # noqa: PTH100 – keeps links


def _exists(text: str, root: Path) -> bool:
    return any(place.exists() for place in _places(text, root))


def _below(path: Path, text: str, root: Path) -> bool:
    places = _places(text, root)
    return any(place == path or place in path.parents for place in places)


def _filter(selection: Selection) -> Callable[[JobSpec, Path], bool]:
    tags = parse_expression(selection.tags) if selection.tags else None
    keywords = parse_expression(selection.keywords) if selection.keywords else None

    def wanted(spec: JobSpec, root: Path) -> bool:
        if selection.extensions and spec.extension not in selection.extensions:
            return False
        if tags is not None and not tags(spec.tags.__contains__):
            return False
        text = f"{spec.name} {relative_to(spec.path, root)}".lower()
        return keywords is None or keywords(lambda word: word.lower() in text)

    return wanted


def nothing_selected(selection: Selection, jobs: Mapping[str, JobSpec]) -> NothingSelected:
    """The error for a selection that no job fits, with the closest word where one was mistyped."""
    extensions = sorted({spec.extension for spec in jobs.values()})
    tags = sorted({tag for spec in jobs.values() for tag in spec.tags})
    hint = None
    for name in selection.extensions:
        if name not in extensions:
            hint = did_you_mean(name, extensions)
    if selection.tags and not hint:
        words = [
            word for word in selection.tags.replace("(", " ").replace(")", " ").split() if word not in tags
        ]
        hint = next((guess for word in words if (guess := did_you_mean(word, tags))), None)
    if not jobs:
        hint = "there are no jobs yet: drop a file into extensions/<name>/jobs/"
    return NothingSelected(
        "no job fits the selection" if jobs else "this project has no jobs",
        help=hint or "`jobkit list` shows the jobs there are",
    )
