"""What people ask of schedulers, as one replica sees it: pauses, and runs that are to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import anyio

from jobkit.scheduler.cancelling import BREATH, IDLE_POLL, CancelWatch
from jobkit.scheduler.policies import Pause
from jobkit.stores.waking import POLL

if TYPE_CHECKING:
    from jobkit.runner import Runner
    from jobkit.scheduler.post import Post
    from jobkit.stores import control

__all__ = ["CancelWatch", "Control"]


class Control:
    """Knows the pauses, stops runs that are to end, and tells others when something was written.

    *since* says how far back pauses matter that have ended: the oldest mark of the jobs that this replica
    makes ticks for; None if there is none. *watch* is one that serves already: it rests while this serves.
    ``on_news`` is called after the first look of :meth:`serve`, and after each that something was written
    before; ``on_look`` after every one, now and then without. ``on_pauses`` is called by each look that finds
    other pauses than the one before.
    Belongs to the event loop.
    """

    def __init__(
        self,
        post: Post,
        runner: Runner,
        since: Callable[[], datetime | None] = lambda: None,
        *,
        watch: CancelWatch | None = None,
    ) -> None:
        self.on_news: list[Callable[[], None]] = []
        self.on_look: list[Callable[[], None]] = []
        self.on_pauses: list[Callable[[], None]] = []
        self._post = post
        self._runner = runner
        self._since = since
        self._watch = watch or CancelWatch(post.store, runner, post.connection)
        self._looks = self._seen = 0
        self._within = POLL
        self._found: list[control.Pause] = []
        self._of_all: tuple[Pause, ...] = ()
        self._of_jobs: Mapping[str, tuple[Pause, ...]] = {}

    def pauses_of(self, job: str) -> Sequence[Pause]:
        """The pauses that hold *job*, its own and those of all jobs, as of the last look."""
        return self._of_jobs.get(job, self._of_all)

    async def refresh(self) -> None:
        """Read the pauses and heed what is to end. To be called once before the first tick is claimed."""
        self._looks += 1
        look = self._looks
        since = self._since()
        ask = self._post.connection.ask
        found = await ask(lambda: self._post.store.pauses(since=since), "read pauses")
        if look > self._seen:  # of two looks at a time the one that began later counts
            self._seen = look
            self._take(found)
        self._within = await self._watch.look()

    async def serve(self) -> None:
        """Look each time that something may have been written, until cancelled."""
        with self._watch.resting():
            await self._serve()

    async def _serve(self) -> None:
        await self._wait(0.0)  # what is written from here on ends a wait
        heard, listeners = False, [*self.on_news, *self.on_look]
        while True:
            await self.refresh()
            for listener in listeners:
                listener()
            if heard:
                await anyio.sleep(BREATH)
            idle = self._within == POLL and not self._runner.going_on
            heard = await self._wait(IDLE_POLL if idle else self._within)
            # Those who wait for news look themselves from time to time.
            listeners = [*self.on_news, *self.on_look] if heard else self.on_look

    async def _wait(self, seconds: float) -> bool:
        return await self._post.connection.ask(lambda: self._post.store.wait(seconds), "wait for news")

    def _take(self, found: list[control.Pause]) -> None:
        if found == self._found:
            return
        self._found = found
        self._of_all = _pauses(pause for pause in found if pause.job is None)
        names = {pause.job for pause in found if pause.job is not None}
        self._of_jobs = {
            name: _pauses(pause for pause in found if pause.job in (name, None)) for name in names
        }
        for listener in self.on_pauses:
            listener()


def _pauses(kept: Iterable[control.Pause]) -> tuple[Pause, ...]:
    return tuple(Pause(pause.since, pause.end, cause_of(pause)) for pause in kept)


def cause_of(pause: control.Pause) -> str:
    """Why ticks in it have no run: ``paused by ada@host-a: the mail server moves``."""
    return f"paused by {pause.by}: {pause.reason}" if pause.reason else f"paused by {pause.by}"
