"""A serving scheduler notices that a job is late, and says so once: in the log, as an event, to sinks."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel

from jobkit.logs import get_logger
from jobkit.records import format_instant
from jobkit.scheduler.resting import rest
from jobkit.scheduler.tardiness import watched
from jobkit.sinks.notices import LateJob
from jobkit.stores.replicas import Event, EventQuery

if TYPE_CHECKING:
    from jobkit.config import SchedulerSettings
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.post import Post
    from jobkit.scheduler.tardiness import Late, Watched
    from jobkit.stores.ledger import JobKey

#: Tells sinks, all that care or those of these names; the names of those that could not be told.
Tell = Callable[[LateJob, Collection[str] | None], Awaitable[Collection[str]]]

#: Looks lie at least so far apart: many jobs that fall due one after another are looked at together.
APART: Final = timedelta(seconds=10)
#: A job that is late is looked at again after this: its run may end in another process.
LATE_AGAIN: Final = timedelta(minutes=1)
#: So is one that is not registered as it is here, whatever is heard of it meanwhile.
UNKNOWN_AGAIN: Final = timedelta(minutes=10)
#: So many jobs are looked at together: everything else has its turn in between.
AT_ONCE: Final = 200
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)
#: Before sinks that could not be told are told again: the first time, and at most.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=5)


@dataclass(slots=True)
class _Untold:
    """What sinks have not taken yet; *sinks* None is all of them."""

    notice: LateJob
    again: datetime
    pause: timedelta = FIRST_PAUSE
    sinks: Collection[str] | None = None


class LatenessWatch:
    """Looks at each job when it can be late at the earliest, not all the time.

    Of several replicas the first that has written the event ``job.late`` for a tick tells of it: ``job.late``
    in the log, and *tell* for the sinks, again and again until they have taken it or the job is on time, then
    ``job.on_time``. After a restart the same node tells again what it had not seen an end of; sinks know
    what they were told. ``late`` has the jobs that are late now, by name. Belongs to the event loop.
    """

    def __init__(self, post: Post, tell: Tell | None = None) -> None:
        self.late: dict[str, Late] = {}
        self._post = post
        self._tell = tell
        self._due: dict[str, datetime] = {}
        #: The same in order; an entry that is not in ``_due`` was replaced.
        self._agenda: list[tuple[datetime, str]] = []
        #: The jobs as they were when they were last looked at.
        self._specs: dict[str, JobSpec] = {}
        self._settings: SchedulerSettings | None = None
        #: Jobs that are to be looked at whenever they are due; and whether these are to be looked for.
        self._waiting: list[JobSpec] = []
        self._changed = True
        #: The last tick of each that was dealt with; whether this replica is the one that told.
        self._dealt: dict[JobKey, tuple[datetime, bool]] = {}
        self._untold: dict[JobKey, _Untold] = {}
        self._woken = anyio.Event()

    def wake(self) -> None:
        """Pauses, or the clock, have changed: look at all jobs again."""
        self._specs = {}
        self.renew()

    def renew(self) -> None:
        """Jobs have changed: look at these."""
        self._changed = True
        self._woken.set()

    def ended(self, run: RunRecord) -> None:
        """A run has ended in this process: a job that was late may be no more."""
        if run.job in self.late:
            self._put(run.job, _LONG_AGO)
            self._woken.set()

    async def serve(self) -> None:
        """Watch until cancelled."""
        while True:
            self._woken = woken = anyio.Event()
            now = self._post.time.now()
            if self._changed:
                self._take_up()
            while due := self._next(now):
                await self._look(due, now)
                await self._tell_untold()
                await anyio.lowlevel.checkpoint()
                if self._changed:
                    self._take_up()
            await self._tell_untold()
            await self._rest(woken, now + APART)

    # -- which jobs are due ---------------------------------------------------------------------------

    def _take_up(self) -> None:
        """Have all jobs looked at that are others than before."""
        self._changed = False
        jobs, settings = self._post.jobs, self._post.config.scheduler
        before = self._specs if settings == self._settings else {}
        self._settings, self._specs = settings, {spec.name: spec for spec in jobs.values() if spec.schedule}
        others = [spec for name, spec in self._specs.items() if before.get(name) is not spec]
        missed = [spec for spec in self._waiting if self._specs.get(spec.name) is spec]
        self._waiting = [*{spec.name: spec for spec in (*missed, *others)}.values()]
        self._waiting.reverse()
        for name in [name for name in self._due if name not in self._specs]:
            del self._due[name]

    def _next(self, now: datetime) -> list[JobSpec]:
        """Some of the jobs that are due; none if no job is."""
        found: dict[str, JobSpec] = {}
        while self._agenda and self._agenda[0][0] <= now and len(found) < AT_ONCE:
            at, name = heapq.heappop(self._agenda)
            if self._due.get(name) == at:
                del self._due[name]
                found[name] = self._specs[name]
        while self._waiting and len(found) < AT_ONCE:
            spec = self._waiting.pop()
            found[spec.name] = spec
        return [*found.values()]

    def _put(self, name: str, at: datetime) -> None:
        if name in self._specs:
            self._due[name] = at
            heapq.heappush(self._agenda, (at, name))
            if len(self._agenda) > 2 * len(self._due) + AT_ONCE:
                self._agenda = [(at, name) for name, at in self._due.items()]
                heapq.heapify(self._agenda)

    async def _rest(self, woken: anyio.Event, earliest: datetime) -> None:
        while self._agenda and self._due.get(self._agenda[0][1]) != self._agenda[0][0]:
            heapq.heappop(self._agenda)
        instants = [*(at for at, _ in self._agenda[:1]), *(one.again for one in self._untold.values())]
        if not instants:
            await woken.wait()
            return

        await rest(woken, partial(self._post.time.sleep_until, max(min(instants), earliest)))

    # -- looking --------------------------------------------------------------------------------------

    async def _look(self, specs: Iterable[JobSpec], now: datetime) -> None:
        post = self._post
        named = {spec.name: spec for spec in specs}
        for name in named:  # whatever goes wrong below
            self._put(name, now + UNKNOWN_AGAIN)
        found = await post.connection.ask(
            lambda: watched(post.store, named.values(), post.config, now, (post.node,)), "lateness"
        )
        seen = {each.key.job for each in found}
        for gone in named.keys() - seen:  # disabled, or superseded: nobody waits for it any more
            self.late.pop(gone, None)
        for each in found:
            await self._judge(each, named[each.key.job], now)
        for key in [key for key in self._dealt if key.job in named and key.job not in self.late]:
            self._dealt.pop(key)
            self._untold.pop(key, None)

    async def _judge(self, each: Watched, spec: JobSpec, now: datetime) -> None:
        key, late = each.key, each.late(now)
        if late is None:
            await self._on_time(each)
            self.late.pop(key.job, None)
            # Not at once again: what is due this moment is not late yet.
            self._put(key.job, max(each.next_look() or now + UNKNOWN_AGAIN, now + _MOMENT))
            return
        self.late[key.job] = late
        self._put(key.job, now + LATE_AGAIN)
        dealt = self._dealt.get(key)
        if dealt is None or dealt[0] != late.tick:
            await self._deal_with(key, late, spec, now)

    # -- saying ---------------------------------------------------------------------------------------

    async def _deal_with(self, key: JobKey, late: Late, spec: JobSpec, now: datetime) -> None:
        mine, new = await self._claim(late, now)
        self._dealt[key] = (late.tick, mine)
        if not mine:
            self._untold.pop(key, None)
            return
        if new:
            get_logger().warning("job.late", job=late.job, **_facts(late))
        notice = LateJob(late.job, spec.extension, late.tick, late.since, late.succeeded, late.node)
        self._untold[key] = _Untold(notice, now)

    async def _claim(self, late: Late, now: datetime) -> tuple[bool, bool]:
        """Whether it is for this replica to tell of it, and whether nobody had before.

        Whoever has written the first event is the one: ids only grow.
        """
        post = self._post
        first = await self._first_event(late)
        if first is not None:
            return first.get("replica") == post.replica_id or first.get("by") == post.node, False
        data = {**_facts(late), "replica": post.replica_id, "by": post.node}
        event = Event("job.late", now, late.job, data=data)
        await post.connection.ask(lambda: post.store.add_events([event]), "events")
        first = await self._first_event(late)
        mine = first is None or first.get("replica") == post.replica_id
        return mine, mine

    async def _first_event(self, late: Late) -> Any:
        query = EventQuery(kinds=["job.late"], jobs=[late.job], since=late.tick, limit=1000)
        page = await self._post.connection.ask(lambda: self._post.store.events(query), "events")
        tick = format_instant(late.tick)
        same = [
            record
            for record in page.events
            if (record.event.data.get("tick"), record.event.data.get("node")) == (tick, late.node)
        ]
        return min(same, key=lambda record: record.id).event.data if same else None

    async def _on_time(self, each: Watched) -> None:
        dealt = self._dealt.pop(each.key, None)
        self._untold.pop(each.key, None)
        done = each.punctuality.tick
        if dealt is None or not dealt[1] or done is None or done < dealt[0]:
            return  # others tell of it; or it is paused, and has not succeeded
        job, now = each.key.job, self._post.time.now()
        data = {"tick": format_instant(done), "node": each.key.node}
        await self._post.connection.ask(
            lambda: self._post.store.add_events([Event("job.on_time", now, job, data=data)]), "events"
        )
        get_logger().info("job.on_time", job=job, **data)

    async def _tell_untold(self) -> None:
        for key, untold in [*self._untold.items()]:
            now = self._post.time.now()
            if untold.again > now:
                continue
            failed = await self._tell(untold.notice, untold.sinks) if self._tell is not None else ()
            if failed:
                untold.sinks, untold.again = failed, now + untold.pause
                untold.pause = min(2 * untold.pause, LONGEST_PAUSE)
            elif self._untold.get(key) is untold:
                del self._untold[key]


def _facts(late: Late) -> dict[str, Any]:
    return {
        "tick": format_instant(late.tick),
        "node": late.node,
        "since": format_instant(late.since),
        "succeeded": None if late.succeeded is None else format_instant(late.succeeded),
    }
