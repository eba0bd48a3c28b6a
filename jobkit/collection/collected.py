"""What a collection has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import CollectionError, JobkitError

if TYPE_CHECKING:
    from jobkit.job import JobSpec


@dataclass(frozen=True, slots=True)
class CollectedFile:
    """One job file: the names of its *jobs*, its *error* if it is broken, and what it *printed*.

    *seconds* is how long its import took, that of what it imports included.
    """

    path: Path
    extension: str
    module: str
    jobs: tuple[str, ...] = ()
    error: CollectionError | None = None
    printed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Collected:
    """The jobs of a project as its code has them, by name, and everything that was wrong.

    A job that cannot run is among *jobs*, with its ``error``. *complete* is False if only the file of one
    job was imported; then *errors* are those that the last full collection found. *gone* are names of jobs
    that a plugin has taken away, or given another name, and the plugin.
    """

    jobs: dict[str, JobSpec]
    errors: list[CollectionError]
    warnings: list[JobkitError]
    files: list[CollectedFile]
    complete: bool = True
    gone: dict[str, str] = field(default_factory=dict)
