"""Collection: from files below ``extensions/`` to jobs.

``attach`` makes the project's modules importable, ``collect`` imports the job files and ``collect_job`` only
one of them. A file can be broken in any way without harming another.
"""

from __future__ import annotations

from jobkit.collection.attachment import attach, attached, detach
from jobkit.collection.collected import Collected, CollectedFile
from jobkit.collection.collector import collect, collect_in_steps, collect_job
from jobkit.collection.index import IndexedJob, indexed_jobs

__all__ = [
    "Collected",
    "CollectedFile",
    "IndexedJob",
    "attach",
    "attached",
    "collect",
    "collect_in_steps",
    "collect_job",
    "detach",
    "indexed_jobs",
]
