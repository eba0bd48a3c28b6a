"""What the parts of one serving scheduler share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobkit.records import new_run_id
from jobkit.scheduler.connection import Connection
from jobkit.scheduler.fingerprints import Fingerprints
from jobkit.scheduler.store_time import StoreTime

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.processes import ProcessIdentity
    from jobkit.stores.base import Store


@dataclass(slots=True)
class Post:
    """One replica's place: its store, its clock, and the jobs as they are now.

    A reload replaces *config* and *jobs*: read them when they are needed, and keep no copies. Belongs to the
    event loop.
    """

    store: Store
    clock: Clock
    config: Config
    jobs: Mapping[str, JobSpec]
    hooks: Hooks | None
    identity: ProcessIdentity
    node: str
    #: New for each time that a scheduler serves.
    replica_id: str = field(init=False)
    connection: Connection = field(init=False)
    time: StoreTime = field(init=False)
    fingerprints: Fingerprints = field(init=False)

    def __post_init__(self) -> None:
        self.replica_id = new_run_id(self.clock.now())
        self.connection = Connection(self.clock)
        self.time = StoreTime(self.store, self.clock)
        self.fingerprints = Fingerprints(self)


class CurrentJobs(Mapping[str, "JobSpec"]):
    """The jobs of a post as they are now, whatever was reloaded."""

    __slots__ = ("_post",)

    def __init__(self, post: Post) -> None:
        self._post = post

    def __getitem__(self, name: str) -> JobSpec:
        return self._post.jobs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._post.jobs)

    def __len__(self) -> int:
        return len(self._post.jobs)
