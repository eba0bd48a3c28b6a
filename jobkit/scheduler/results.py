"""Results of this process that are not written yet: what comes after them is judged after them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.policies import second_of

if TYPE_CHECKING:
    from jobkit.scheduler.post import Post
    from jobkit.scheduler.timetable import Timed, Timetable

#: For so many seconds, while the store answers, the claims of a job wait for a result to be written.
LONGEST_HOLD: Final = 10.0
#: Seconds until a job whose claims wait is looked at again, unless its run is heard of before.
_POLL: Final = 1


class Results:
    """Holds jobs back whose runs have ended here and still count as running in the store.

    *unrecorded* gives the names of these jobs. Belongs to the event loop.
    """

    def __init__(self, post: Post, timetable: Timetable, unrecorded: Callable[[], Collection[str]]) -> None:
        self._post = post
        self._timetable = timetable
        self._unrecorded = unrecorded

    async def free(self, jobs: Sequence[Timed]) -> set[Timed]:
        """Those of *jobs*, which are in hand, whose ticks can be judged; the others are put off.

        StoreUnavailable, and all of them still are in hand. Whether the store is back is found out with a
        question that decides nothing.
        """
        post = self._post
        if post.connection.error is not None and any(map(self._has_result, jobs)):
            await post.store.now()
            post.connection.answered()
        now, free = post.clock.monotonic(), set()
        for job in jobs:
            if not self._has_result(job):
                job.held_until = None
            elif job.held_until is None:
                job.held_until = now + LONGEST_HOLD
            if job.held_until is None or now >= job.held_until:
                free.add(job)
            else:
                self._timetable.put(job, second_of(post.time.now()) + _POLL)
        return free

    def _has_result(self, job: Timed) -> bool:
        spec = self._post.jobs.get(job.key.job)
        return spec is not None and spec.overlap != "allow" and spec.name in self._unrecorded()
