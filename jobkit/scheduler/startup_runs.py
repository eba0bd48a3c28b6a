"""The runs that a scheduler makes when it starts, one for all replicas that start together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from anyio.abc import TaskStatus

from jobkit.exceptions import JobkitError, RunInTheWay, RunNotFound, StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.records import new_run_id
from jobkit.scheduler.startup import StartupRun, shared_run, startup_jobs
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import RunQuery
from jobkit.stores.replicas import Event, EventQuery, ReplicaState

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner import Runner
    from jobkit.scheduler.post import Post

#: The event that says which replica a startup run is of.
BEGUN: Final = "startup.begun"
#: Seconds between two looks at a run of another replica that is waited for.
LOOK_EVERY: Final = 1.0
#: Of several replicas that say a run is theirs the first one counts: so much further back is looked for it.
_ANNOUNCED: Final = timedelta(hours=1)
_MOST_EVENTS: Final = 1000


class Peers(Protocol):
    """Who else serves."""

    @property
    def peers(self) -> Sequence[ReplicaState]:
        """The others that live, as last seen."""
        ...

    async def look(self) -> None:
        """See who lives now."""
        ...


class StartupRuns:
    """Makes the startup runs of one replica, or waits for those that another makes for it too.

    Belongs to the event loop. Whoever looks after leases must be at work meanwhile: a replica that dies
    while others wait for its run leaves one behind.

    A shared run is begun once. Its id is computed from the job and the startup run before it, so that of all
    replicas that find the same the store lets one begin it; whose it is says the first event about it, which
    is written before the run is.
    """

    def __init__(self, post: Post, runner: Runner, roster: Peers) -> None:
        self._post = post
        self._roster = roster
        self._runner = runner
        self._going_on: set[str] = set()
        self._idle = anyio.Event()
        self._stopped = anyio.Event()
        self._listed: set[str] = set()

    # -- what others ask of it --------------------------------------------------------------------------

    async def listed(self) -> None:
        """Have the jobs of ``[scheduler] startup`` run, one after another. What fails is logged, and the rest
        goes on."""
        for name in self._post.config.scheduler.startup:
            if self._stopped.is_set():
                return
            spec = self._post.jobs.get(name)
            self._listed.add(name)
            if spec is None or spec.error is not None or not spec.enabled:
                get_logger().warning("startup.skipped", job=name, why=_why_not(spec))
            else:
                await self._stand(spec)

    async def background(self) -> None:
        """Begin the jobs with ``run_on_startup``, in the order in which they are listed, and return when all
        have ended. What the startup list has run is not run again."""
        async with anyio.create_task_group() as tasks:
            for spec in startup_jobs(self._post.jobs, self._post.config):
                if self._stopped.is_set():
                    return
                if spec.name not in self._listed:
                    await tasks.start(self._stand_in_background, spec)

    def stop(self) -> None:
        """Begin nothing more, and wait for no other replica. Idempotent."""
        self._stopped.set()

    @property
    def running_ids(self) -> tuple[str, ...]:
        """The runs that go on here, or are about to."""
        return tuple(self._going_on)

    async def idle(self) -> None:
        """Return once nothing goes on; to be asked after :meth:`stop`."""
        while self._going_on:
            self._idle = anyio.Event()
            await self._idle.wait()

    # -- one job ----------------------------------------------------------------------------------------

    async def _stand_in_background(
        self, spec: JobSpec, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        await self._stand(spec, task_status.started)

    async def _stand(self, spec: JobSpec, begun: Callable[[], object] = lambda: None) -> None:
        """See to it that *spec* has its startup run. *begun* is called once the jobs after it may begin."""
        told = _Once(begun)
        try:
            self._report(spec, await self._made(spec, told))
        except Exception as error:  # one job must not keep the others from starting
            expected = isinstance(error, JobkitError)
            get_logger().error(
                "startup.failed",
                job=spec.name,
                error=str(error) if expected else f"{type(error).__name__}: {error}",
                code=error.code if isinstance(error, JobkitError) else None,
                exc_info=None if expected else error,
            )
        told()

    def _report(self, spec: JobSpec, record: RunRecord | None) -> None:
        if record is not None and not record.status.ok:
            facts = {"run": record.number, "status": str(record.status), "message": record.message}
            get_logger().error("startup.failed", job=spec.name, **facts)

    async def _made(self, spec: JobSpec, begun: Callable[[], object]) -> RunRecord | None:
        if spec.scope == "node":
            return await self._run(spec, new_run_id(self._post.clock.now()), begun)
        while not self._stopped.is_set():
            run_id, shared = await self._round(spec)
            if not shared:
                await self._announce(spec, run_id)
                try:
                    return await self._run(spec, run_id, begun)
                except _TakenError:
                    shared = not await self._is_own(spec, run_id)
            begun()
            record = await self._end_of(run_id)
            if record is None or not shared or record.status is RunStatus.SUCCEEDED:
                return record
        return None

    async def _run(self, spec: JobSpec, run_id: str, begun: Callable[[], object]) -> RunRecord | None:
        """Run it here, to its end; None if it was stopped before. _TakenError if another has begun it."""
        self._going_on.add(run_id)
        try:
            while not self._stopped.is_set():
                try:
                    begun()
                    return await self._runner.run(spec, trigger=Trigger.STARTUP, run_id=run_id)
                except RunInTheWay as error:
                    get_logger().info("startup.waiting", job=spec.name, why=str(error))
                except StoreUnavailable:
                    raise
                except StoreError as error:
                    if await self._found(run_id) is None:
                        raise
                    raise _TakenError from error
                await self._sleep()
            return None
        finally:
            self._going_on.discard(run_id)
            if not self._going_on:
                self._idle.set()

    # -- shared between replicas ------------------------------------------------------------------------

    async def _round(self, spec: JobSpec) -> tuple[str, bool]:
        """The run that this start needs, and whether it is another replica's already."""
        # In this order: whatever is found is announced, and its replica registered.
        before = await self._newest(spec)
        while True:
            shared = await self._shared(spec)
            if shared is not None:
                return shared, True
            run_id = _id_after(spec.name, before)
            found = await self._found(run_id)
            if found is None:
                return run_id, False
            before = found  # begun since, or at a time when the clock was elsewhere

    async def _shared(self, spec: JobSpec) -> str | None:
        """The run of another replica that stands for this start too."""
        post, begun = self._post, await self._begun(spec)
        await self._roster.look()
        living = {peer.replica.id for peer in self._roster.peers}
        for run_id, (replica, at) in begun.items():
            if replica not in living:
                continue  # after many restarts nearly all: their runs need not be read
            record = await self._found(run_id)
            if record is not None and shared_run(
                [StartupRun(replica, record.status, at)],
                own=post.replica_id,
                living=living,
                interval=post.config.scheduler.startup_interval,
                now=post.time.now(),
            ):
                return run_id
        return None

    async def _begun(self, spec: JobSpec) -> dict[str, tuple[str, datetime]]:
        """Which replica each of the latest startup runs is of, and since when; the newest first."""
        post = self._post
        since = post.time.now() - post.config.scheduler.startup_interval - _ANNOUNCED
        query = EventQuery(kinds=[BEGUN], jobs=[spec.name], since=since, limit=_MOST_EVENTS)
        page = await post.connection.ask(lambda: post.store.events(query), "read events")
        return {
            str(record.event.data.get("run")): (str(record.event.data.get("replica")), record.event.at)
            for record in sorted(page.events, key=lambda record: -record.id)
        }

    async def _announce(self, spec: JobSpec, run_id: str) -> None:
        post = self._post
        data = {"run": run_id, "replica": post.replica_id}
        event = Event(BEGUN, post.time.now(), spec.name, None, data)
        await post.connection.ask(lambda: post.store.add_events([event]), "write an event")

    async def _is_own(self, spec: JobSpec, run_id: str) -> bool:
        replica, _ = (await self._begun(spec)).get(run_id, ("", None))
        return replica == self._post.replica_id

    async def _newest(self, spec: JobSpec) -> RunRecord | None:
        query = RunQuery(jobs=[spec.name], triggers=[Trigger.STARTUP], limit=1)
        page = await self._post.connection.ask(lambda: self._post.store.runs(query), "read runs")
        return page.runs[0] if page.runs else None

    async def _found(self, run_id: str) -> RunRecord | None:
        try:
            return await self._post.connection.ask(partial(self._post.store.run, run_id), "read a run")
        except RunNotFound:
            return None

    async def _end_of(self, run_id: str) -> RunRecord | None:
        """The run once it has ended; None if it was stopped before, or the run is gone."""
        while not self._stopped.is_set():
            record = await self._found(run_id)
            if record is None or record.status.finished:
                return record
            await self._sleep()
        return None

    async def _sleep(self) -> None:
        with anyio.move_on_after(LOOK_EVERY):
            await self._stopped.wait()


class _TakenError(Exception):
    """Another replica has begun that run."""


class _Once:
    """A call that is made the first time only."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


def _id_after(job: str, before: RunRecord | None) -> str:
    """The id of the startup run of *job* that follows *before*: the same for whoever computes it, shaped as a
    UUIDv7."""
    at = before.queued_at if before is not None else None
    millis = 0 if at is None else int(at.timestamp() * 1000) + 1
    text = f"startup\0{job}\0{before.id if before is not None else ''}"
    bits = int.from_bytes(hashlib.sha256(text.encode()).digest()[:10], "big") >> 6
    high = millis << 16 | 0x7000 | bits >> 62
    low = 2 << 62 | bits & (1 << 62) - 1
    found = f"{high:016x}{low:016x}"
    return f"{found[:8]}-{found[8:12]}-{found[12:16]}-{found[16:20]}-{found[20:]}"


def _why_not(spec: JobSpec | None) -> str:
    if spec is None:
        return "there is no job of that name"
    return "it is disabled" if spec.error is None else str(spec.error)
