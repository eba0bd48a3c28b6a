"""What tells the jobs of one replica, and their schedules, from others: computed once for each as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from jobkit.scheduler.standing import job_key, options_hash, schedule_hash, standing

if TYPE_CHECKING:
    from jobkit.config import Config, Setting
    from jobkit.job import JobSpec
    from jobkit.scheduler.post import Post
    from jobkit.stores.ledger import JobKey

#: Jobs after which others get their turn.
_SLICE: Final = 500


@dataclass(frozen=True, slots=True)
class _Print:
    """One job as it was: *key* and *schedule* only if it fires. *said* is its part of the configuration."""

    spec: JobSpec
    said: Setting | None
    options: str
    key: JobKey | None
    schedule: str = ""


class Fingerprints:
    """The hashes of the jobs of *post*. Belongs to the event loop.

    ``options`` has the hash of each job's options by name, ``schedules`` that of each schedule that fires
    here by its key, ``texts`` the same by the key's text. They are replaced by :meth:`read` if anything is
    another, and are the same objects as long as nothing is.
    """

    def __init__(self, post: Post) -> None:
        self.options: Mapping[str, str] = {}
        self.schedules: Mapping[JobKey, str] = {}
        self.texts: Mapping[str, str] = {}
        self._post = post
        self._prints: dict[str, _Print] = {}
        self._config: Config | None = None
        self._turn = anyio.Lock()

    def fires(self, job: str) -> bool:
        """Whether the schedule of *job* was in force when it was last read."""
        known = self._prints.get(job)
        return known is not None and known.key is not None

    async def read(self) -> None:
        """Take up the jobs as they are now. Only those that are others than before cost anything."""
        async with self._turn:
            config, jobs = self._post.config, [*self._post.jobs.values()]
            before = self._prints if self._same_ground(config) else {}
            found: dict[str, _Print] = {}
            for number, spec in enumerate(jobs):
                if number % _SLICE == _SLICE - 1:
                    await anyio.lowlevel.checkpoint()
                known = before.get(spec.name)
                if known is None or known.spec is not spec or not self._same_said(known, config):
                    known = self._print(spec, config)
                found[spec.name] = known
            self._config = config
            if not _same(found, self._prints):
                await self._take(found)

    def _same_ground(self, config: Config) -> bool:
        """Whether what holds for all jobs is as it was."""
        old = self._config
        return config is old or (
            old is not None
            and config.scheduler == old.scheduler
            and config.plugins == old.plugins
            and config.secrets == old.secrets
        )

    def _same_said(self, known: _Print, config: Config) -> bool:
        return config is self._config or config.table_setting("jobs", known.spec.name) == known.said

    def _print(self, spec: JobSpec, config: Config) -> _Print:
        said, options = config.table_setting("jobs", spec.name), options_hash(spec, config)
        if not standing(spec, config).fires:
            return _Print(spec, said, options, None)
        node = self._post.node
        return _Print(spec, said, options, job_key(spec, node), schedule_hash(spec, node))

    async def _take(self, found: dict[str, _Print]) -> None:
        options: dict[str, str] = {}
        schedules: dict[JobKey, str] = {}
        texts: dict[str, str] = {}
        for number, (name, one) in enumerate(found.items()):
            if number % (4 * _SLICE) == 4 * _SLICE - 1:
                await anyio.lowlevel.checkpoint()
            options[name] = one.options
            if one.key is not None:
                schedules[one.key] = texts[str(one.key)] = one.schedule
        self._prints = found
        # What differs in nothing but its place, or its parts, is the same.
        self.options = self.options if options == self.options else options
        if schedules != self.schedules:
            self.schedules, self.texts = schedules, texts


def _same(one: Mapping[str, _Print], other: Mapping[str, _Print]) -> bool:
    return len(one) == len(other) and all(
        mine is yours for mine, yours in zip(one.values(), other.values(), strict=True)
    )
