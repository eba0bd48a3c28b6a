"""What a collection knows from the one before: which file to import, and which jobs broken files had."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.collection.claims import TWICE, Claim
from jobkit.collection.index import (
    Index,
    IndexedError,
    IndexedFile,
    IndexedJob,
    Status,
    load_index,
    make_key,
    other_files,
    save_index,
    statuses,
    watched,
)
from jobkit.collection.walk import Found, JobFile
from jobkit.exceptions import CollectionError, relative_to
from jobkit.module_names import is_job_file

if TYPE_CHECKING:
    from jobkit.config import Config


class Memory:
    """The index of one project, read once."""

    def __init__(self, config: Config, plugins: str) -> None:
        self._root = config.root
        project = config.project
        settings = (
            project.extensions,
            *project.pythonpath,
            str(project.import_timeout),
            str(project.trust_permissions),
        )
        self._key = make_key(config.root, settings, plugins)
        self._index = load_index(config.root)

    def file_of(self, name: str) -> IndexedJob | None:
        """What is known about the job *name*; None if that is not enough to import its file alone."""
        index = self._index
        return index.job(name) if index is not None and index.key == self._key else None

    def believe(self, name: str, found: Found) -> JobFile | None:
        """The file of the job *name*, if nothing has changed since the index was written."""
        known = self.file_of(name)
        folder = found.extensions.get(known.extension) if known is not None else None
        if known is None or folder is None or self._index is None:
            return None
        if not self._index.holds(str(self._root), found.files, known.extension, folder):
            return None
        return next((file for file in found.files if file.module == known.module), None)

    def errors(self) -> list[CollectionError]:
        """What was wrong with other files when everything was collected."""
        return [
            CollectionError(
                error.message,
                code=error.code,
                path=self._root / error.path if error.path is not None else None,
                line=error.line,
                help=error.help,
                jobs=error.jobs,
            )
            for error in (self._index.errors if self._index is not None else ())
        ]

    def jobs_of_broken(
        self, errors: Sequence[CollectionError]
    ) -> Iterator[tuple[IndexedJob, CollectionError]]:
        """The jobs that files with *errors*, or in folders with some, had when they last had none."""
        broken = {
            relative_to(error.path, self._root): error
            for error in errors
            if error.path is not None and error.code != TWICE
        }
        for known in self._index.jobs if self._index is not None and broken else ():
            path = known.path
            while path and path not in broken:  # a whole folder can be refused
                path = path.rpartition(os.sep)[0]
            if path:
                yield known, broken[path]

    def knows(self, path: str) -> bool:
        """Whether the file *path* had jobs when everything was last collected."""
        shown = relative_to(Path(path), self._root)
        return self._index is not None and any(job.path == shown for job in self._index.jobs)

    def left_behind(self, found: Found, absent: Sequence[str]) -> Iterator[CollectionError]:
        """Errors of files that had jobs, are there, and were not looked at: *absent* plugins may be why."""
        if self._index is None or not absent:
            return
        seen = {file.path for file in found.files}
        for path in dict.fromkeys(job.path for job in self._index.jobs):
            full = os.path.join(self._root, path)
            if full not in seen and not is_job_file(os.path.basename(path)) and os.path.isfile(full):
                yield CollectionError(
                    f"a plugin collected this file, and none does now; left out are {', '.join(absent)}",
                    code="JK170",
                    path=full,
                    help="`jobkit plugins` says why; mend the plugin, or delete the file",
                )

    def keep(self, found: Found, claims: Iterable[Claim], errors: Sequence[CollectionError]) -> None:
        """Write the index anew after everything was collected."""
        root = str(self._root)
        start = len(root.rstrip(os.sep)) + 1
        others = {
            extension: watched(root, entries)
            for extension, folder in found.extensions.items()
            if (entries := other_files(root, folder, found.files)) is not None
        }
        jobs = [
            IndexedJob(
                spec.name,
                spec.extension,
                claim.path[start:],
                spec.line,
                spec.module,
                spec.description,
                spec.tags,
                spec.schedule,
            )
            for claim in claims
            for spec in [claim.spec]
        ]
        jobs += [known for known, _ in self.jobs_of_broken(errors)]
        broken = [
            IndexedError(
                relative_to(error.path, self._root) if error.path is not None else None,
                error.line,
                error.code,
                error.message,
                error.help,
                error.jobs,
            )
            for error in errors
        ]
        files = watched(root, statuses(root, found.files))
        self._write(Index(self._key, files, others, jobs, broken))

    def settle(self, found: Found) -> None:
        """Forget the digests of files that are no longer young: their status is enough from now on."""
        index = self._index
        if index is not None and index.has_young():
            root = str(self._root)
            files = watched(root, statuses(root, found.files))
            others = {name: watched(root, map(_status, entries)) for name, entries in index.others.items()}
            self._write(Index(index.key, files, others, index.jobs, index.errors))

    def _write(self, index: Index) -> None:
        self._index = index
        save_index(self._root, index)


def _status(file: IndexedFile) -> Status:
    return file.path, file.size, file.modified, file.inode
