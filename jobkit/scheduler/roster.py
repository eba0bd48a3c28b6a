"""This replica among the others: what it says of itself, who else is there, and who has vanished."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio

from jobkit.logs import get_logger
from jobkit.records import format_instant
from jobkit.stores.replica_store import MISSED_HEARTBEATS
from jobkit.stores.replicas import Event, EventQuery, Replica, ReplicaKind, ReplicaState

if TYPE_CHECKING:
    from datetime import datetime

    from jobkit.scheduler.post import Post

HEARTBEAT: Final = timedelta(seconds=10)
IDLE_HEARTBEAT: Final = timedelta(seconds=30)
"""An embedded store is not written to more often than that for a process that has nothing to do."""

#: Seconds between two looks at the others that news of the store asked for.
_NEWS_APART: Final = 1.0
_REVISION: Final = "revision"


class Roster:
    """Registers this replica, keeps it registered, and knows the others. Belongs to the event loop.

    *details* are what it says of itself besides; after a change of them, or of the jobs, :meth:`announce`.
    *busy* says whether anything runs here. *on_change* is called when replicas came, went or changed.
    """

    def __init__(self, post: Post, *, busy: Callable[[], bool] = lambda: True) -> None:
        self.busy = busy
        self.details: dict[str, Any] = {}
        self.on_change: list[Callable[[], None]] = []
        #: Says what fails here; asked with each sign of life.
        self.failing: Callable[[], list[dict[str, Any]]] = list
        #: The hash of each job's options by name, and of each schedule that fires here by its key's text.
        self.jobs: Mapping[str, str] = {}
        self.schedules: Mapping[str, str] = {}
        self._post = post
        self._kind: ReplicaKind = "scheduler"
        self._peers: tuple[ReplicaState, ...] = ()
        self._registered: Replica | None = None
        self._changes = 0
        self._news = anyio.Event()
        self._told: set[str] = set()
        self._first_heard: dict[str, datetime] = {}
        self._lost_at: float | None = None
        self._turn = anyio.Lock()
        self._gone = False
        self._stopping_since: datetime | None = None
        self._differing: tuple[object, frozenset[str]] | None = None
        post.connection.lost.append(self._lost)

    # -- what the others are --------------------------------------------------------------------------

    @property
    def peers(self) -> Sequence[ReplicaState]:
        """The others that live, as last seen."""
        return self._peers

    @property
    def interval(self) -> timedelta:
        """The time between two heartbeats, as things are now."""
        idle = self._post.store.url.startswith("sqlite:") and not self.busy()
        return IDLE_HEARTBEAT if idle else HEARTBEAT

    def knows(self, job: str) -> bool:
        """Whether a live replica or worker, this one among them, has a job of that name."""
        return job in self._post.jobs or any(job in peer.replica.jobs for peer in self._peers)

    def differs(self) -> frozenset[str]:
        """The names of the jobs whose effective options differ between live replicas.

        A job that one scheduler has and another lacks differs; a worker may have fewer.
        """
        seen = (self.jobs, self._peers)
        if self._differing is None or self._differing[0] != seen:
            self._differing = (seen, self._differences())
        return self._differing[1]

    def _differences(self) -> frozenset[str]:
        found: set[str] = set()
        everywhere = [(self._kind, self.jobs), *((one.replica.kind, one.replica.jobs) for one in self._peers)]
        for at, (kind, jobs) in enumerate(everywhere):
            for other_kind, others in everywhere[at + 1 :]:
                found.update(name for name in jobs.keys() & others.keys() if jobs[name] != others[name])
                if kind == other_kind == "scheduler":
                    found ^= (jobs.keys() ^ others.keys()) - found
        return frozenset(found)

    async def everyone(self, *, since: datetime) -> list[ReplicaState]:
        """The other schedulers with all hashes: those that live, those heard of after *since*, and the one
        that was heard of last."""
        ask, store = self._post.connection.ask, self._post.store
        brief = await ask(lambda: store.replicas(hashes=False), "replicas")
        others = [
            one
            for one in map(self._judged, brief)
            if one.replica.id != self._post.replica_id and one.replica.kind == "scheduler"
        ]
        newest = max(others, key=lambda one: one.heartbeat_at, default=None)
        ids = [one.replica.id for one in others if one.live or one.heartbeat_at > since or one is newest]
        wanted = frozenset(ids)
        return await self._with_hashes([one for one in others if one.replica.id in wanted])

    async def stopped_in_order(self, *, since: datetime) -> Collection[str]:
        """The ids of the replicas that said good-bye after *since*; who went without one vanished."""
        query = EventQuery(kinds=["scheduler.stopped"], since=since, limit=10_000)
        ask, store = self._post.connection.ask, self._post.store
        page = await ask(lambda: store.events(query), "events")
        return {str(record.event.data.get("replica")) for record in page.events}

    # -- what this one is -----------------------------------------------------------------------------

    async def enter(self, kind: ReplicaKind = "scheduler") -> None:
        """Take part, and say so."""
        from jobkit.schedules.zones import zone_data_version

        self._kind, self._gone, self._stopping_since = kind, False, None
        self.details |= {
            "version": _version(),
            "python": platform.python_version(),
            "pid": os.getpid(),
            "env": self._post.config.env,
            "tzdata": zone_data_version(),
        }
        await self._post.connection.ask(self._post.time.measure, "clock")
        await self.announce()
        await self.look()
        if kind == "scheduler":
            await self._say("scheduler.started", self._about_start())
            get_logger().info("scheduler.started", **self._about_start())

    async def announce(self) -> None:
        """Say again what this replica is, after its jobs, or *details*, have changed."""
        async with self._turn:
            if not self._gone:
                await self._announce()

    async def _announce(self) -> None:
        await self._count_jobs()
        self.details |= {"jobs": len(self.jobs), "scheduled": len(self.schedules), _REVISION: self._changes}
        replica = Replica(
            id=self._post.replica_id,
            kind=self._kind,
            owner=self._post.identity,
            node=self._post.node,
            interval=self.interval,
            jobs=self.jobs,
            schedules=self.schedules,
            details=dict(self.details),
        )
        if (
            self._registered is None
            or replace(replica, interval=self._registered.interval) != self._registered
        ):
            store = self._post.store
            await self._post.connection.ask(lambda: store.register_replica(replica), "registration")
            self._registered = replica

    def stopping(self) -> None:
        """Note that it claims no ticks from now on, while what runs may end."""
        self._stopping_since = self._post.time.now()

    async def leave(self) -> None:
        """Take no further part: the last thing that a replica does."""
        self._gone = True  # a word of its own that is late must not bring it back
        if self._kind == "scheduler":
            # First the word, then the deed: who is gone without a word has vanished.
            since = self._stopping_since
            stopping = {} if since is None else {"stopping_since": format_instant(since)}
            await self._say("scheduler.stopped", {**self._about(), **stopping})
        ask, store = self._post.connection.ask, self._post.store
        async with self._turn:
            await ask(lambda: store.deregister(self._post.replica_id), "registration")
            self._registered = None

    async def _count_jobs(self) -> None:
        prints = self._post.fingerprints
        await prints.read()
        jobs, schedules = prints.options, prints.texts
        if (jobs, schedules) != (self.jobs, self.schedules):
            self.jobs, self.schedules = jobs, schedules
            self._changes += 1

    # -- at work --------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Give signs of life and look after the others, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._beat)
            tasks.start_soon(self._heed_news)

    def news(self) -> None:
        """Something was written that may be about replicas: look soon."""
        self._news.set()

    async def _beat(self) -> None:
        ask, store = self._post.connection.ask, self._post.store
        while True:
            interval = self.interval
            if not await ask(lambda: store.heartbeat(self._post.replica_id, interval=interval), "heartbeat"):  # noqa: B023 - asked at once
                await self._return()
            await self.look()
            await self._tell_failing()
            await self._post.clock.pause(interval.total_seconds())

    async def _tell_failing(self) -> None:
        failing = self.failing()
        if self.details.get("failing", []) != failing:
            self.details["failing"] = failing
            await self.announce()

    async def _return(self) -> None:
        """Others took this replica for dead, and it is not: it was still for too long."""
        if self._gone:
            return
        get_logger().warning("replica.returned", replica=self._post.replica_id)
        self._registered = None
        await self.announce()
        if self._kind == "scheduler":
            await self._say("scheduler.started", {**self._about_start(), "returned": True})

    async def _heed_news(self) -> None:
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            await self.look()
            await anyio.sleep(_NEWS_APART)

    async def look(self) -> None:
        """See who is there; who vanished is deregistered, and one of all who see it says so."""
        ask, store = self._post.connection.ask, self._post.store
        found = await ask(lambda: store.replicas(hashes=False), "replicas")
        others = [one for one in found if one.stopped_at is None and one.replica.id != self._post.replica_id]
        peers: list[ReplicaState] = []
        for one in map(self._judged, others):
            if one.live and not one.replica.owner.dead(expired=False):
                peers.append(one)
            else:
                await self._take_out(one)
        before, self._peers = self._peers, tuple(await self._with_hashes(peers))
        await self._check_node()
        if [_seen(one) for one in before] != [_seen(one) for one in self._peers]:
            for changed in self.on_change:
                changed()

    def _lost(self) -> None:
        self._lost_at = self._post.clock.monotonic()

    def _judged(self, one: ReplicaState) -> ReplicaState:
        """*one* as it is to be taken: while the store was away, nobody could give a sign of life. From then
        on each has as long for it as ever."""
        if one.live or one.stopped_at is not None or self._lost_at is None:
            return one
        passed = timedelta(seconds=self._post.clock.monotonic() - self._lost_at)
        return replace(one, live=passed < MISSED_HEARTBEATS * one.replica.interval)

    async def _with_hashes(self, peers: Sequence[ReplicaState]) -> list[ReplicaState]:
        """*peers* with the hashes of their jobs, which are read only where they have changed."""
        known = {_seen(one): one.replica for one in self._peers if _REVISION in one.replica.details}
        missing = [one.replica.id for one in peers if _seen(one) not in known]
        read: dict[str, Replica] = {}
        if missing:
            store = self._post.store
            found = await self._post.connection.ask(lambda: store.replicas(missing), "replicas")
            read = {one.replica.id: one.replica for one in found}
        return [_with(one, read.get(one.replica.id, known.get(_seen(one)))) for one in peers]

    async def _take_out(self, one: ReplicaState) -> None:
        ask, store, replica = self._post.connection.ask, self._post.store, one.replica
        if not await ask(lambda: store.deregister(replica.id), "registration"):
            return
        about = {
            "replica": replica.id,
            "node": replica.node,
            "pid": replica.owner.pid,
            "host": replica.owner.host,
            "last_heartbeat": format_instant(one.heartbeat_at),
            "found_dead": one.live,
        }
        if replica.kind == "scheduler":
            await self._say("scheduler.vanished", about)
        get_logger().warning("replica.vanished", kind=replica.kind, **about)

    async def _check_node(self) -> None:
        """Two under one name of a node would each run its jobs, and nobody could tell them apart."""
        own = self._post.node
        found = [
            one
            for one in self._peers
            if self._kind == one.replica.kind == "scheduler" and one.replica.node == own
        ]
        self._first_heard = {
            one.replica.id: self._first_heard.get(one.replica.id, one.heartbeat_at) for one in found
        }
        namesakes = sorted(one.replica.id for one in found if self._lives_indeed(one))
        new = set(namesakes) - self._told
        if new:
            self._told |= new
            help = "give each its own [scheduler] node"
            get_logger().warning("node.shared", node=own, replicas=sorted(new), help=help)
        if self.details.get("node_shared_with", []) != namesakes:
            self.details["node_shared_with"] = namesakes
            await self.announce()

    def _lives_indeed(self, one: ReplicaState) -> bool:
        """Whether *one* is more than the row of a predecessor that was killed: it is another process of this
        host, which was found alive, or it has given a sign of life since it was first seen."""
        theirs, ours = one.replica.owner, self._post.identity
        here = (theirs.host, theirs.boot, theirs.namespace) == (ours.host, ours.boot, ours.namespace)
        if here and theirs != ours:  # a process that has replaced its program is still the same one
            return True
        return one.heartbeat_at > self._first_heard[one.replica.id]

    # -- words ----------------------------------------------------------------------------------------

    async def _say(self, kind: str, data: Mapping[str, Any]) -> None:
        event = Event(kind, self._post.time.now(), data=data)
        await self._post.connection.ask(lambda: self._post.store.add_events([event]), "events")

    def _about(self) -> dict[str, Any]:
        post = self._post
        return {
            "replica": post.replica_id,
            "node": post.node,
            "pid": post.identity.pid,
            "host": post.identity.host,
            "version": self.details.get("version"),
        }

    def _about_start(self) -> dict[str, Any]:
        return {**self._about(), "jobs": len(self.jobs), "scheduled": len(self.schedules)}


def _seen(state: ReplicaState) -> tuple[str, object]:
    """What changes when a replica says something else of its jobs."""
    return state.replica.id, state.replica.details.get(_REVISION)


def _with(state: ReplicaState, known: Replica | None) -> ReplicaState:
    if known is None:  # pruned between two questions
        return state
    return replace(state, replica=replace(state.replica, jobs=known.jobs, schedules=known.schedules))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("jobkit-core")
    except PackageNotFoundError:
        return "unknown"
