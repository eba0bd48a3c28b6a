"""Queued runs: which of them this process executes, when, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from jobkit.exceptions import JobkitError, RunNotFound, StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.runner.executors.calling import executor_of
from jobkit.scheduler.gate import FairGate, Room
from jobkit.scheduler.leftovers import Leftovers
from jobkit.scheduler.misfires import is_due, misfire, seems_late
from jobkit.scheduler.policies import Policy, second_of
from jobkit.scheduler.unknown import Unknown
from jobkit.statuses import RunStatus, Trigger

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from jobkit.engines.base import Engine
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner import Runner
    from jobkit.scheduler.post import Post
    from jobkit.stores.base import Outcome

#: Seconds after which the store is looked at again: while something waits, and otherwise.
POLL: Final = 5.0
IDLE_POLL: Final = 30.0
#: So many runs are taken out of the store at a time, unless more can be executed at once.
PAGE: Final = 100
#: Seconds after which a run that was handed to an engine, and has not come back, may be handed over again.
_FORGOTTEN: Final = 60.0
#: Seconds between two looks, at least, and if a time has come by this clock and not by the store's.
_SHORTEST_REST: Final = 0.01
_CLOCKS_DIFFER: Final = 0.1
#: So many runs are asked for when one has ended that others may have waited for.
_FEW: Final = 10


@dataclass(slots=True)
class _Hand:
    """A run that this process has handed to its engine, or executes."""

    record: RunRecord
    at: float
    sure: bool
    begun: bool = False


class Queue:
    """Executes queued runs: those that are submitted here, and those that stand in the store for anybody.

    *runner* and *engine* are entered and outlive it. *knows* says whether any live replica or worker has a
    job. ``on_ended`` are called with runs that end without having been executed: misfires, and runs of jobs
    that nobody knows. Belongs to the event loop.

    The store is looked at when :meth:`serve` begins, when somebody wakes it, when the not-before time of a
    run comes, and every five seconds while something waits: a run whose time has come stands in the store,
    or one was left there by this process. Otherwise every thirty seconds, for what a process that died told
    nobody.
    """

    def __init__(self, post: Post, runner: Runner, engine: Engine, *, knows: Callable[[str], bool]) -> None:
        places = post.config.scheduler.max_concurrent_runs
        self.on_ended: list[Callable[[RunRecord], None]] = []
        self._post = post
        self._runner = runner
        self._engine = engine
        self._gate = FairGate(places)
        self._page = min(max(PAGE, 2 * places), 1000)
        self._hands: dict[str, _Hand] = {}
        self._executing: dict[str, JobSpec] = {}
        self._left = Leftovers(post)
        self._unknown = Unknown(post, knows)
        self._more = self._held_back = False
        self._thorough = True
        self._following: datetime | None = None
        self._stopped = False
        self._woken = anyio.Event()
        self._idle = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._to_begin: list[str] = []

    # -- what others ask of it --------------------------------------------------------------------------

    async def submit(self, record: RunRecord, spec: JobSpec, *, not_before: datetime | None = None) -> None:
        """Have *record*, a freshly queued run of *spec*, executed once its time has come.

        Where *not_before* is not known it is found out. Raises nothing of an engine: what it does not carry
        is found in the store.
        """
        if not_before is not None and not_before > self._post.time.now():
            self.wake()
        elif not self._stopped and record.id not in self._hands:  # it may have been found in the store
            await self._hand_over(record, spec, sure=False)

    def wake(self) -> None:
        """Look at the store again: something may have changed. On the event loop only."""
        self._thorough = True
        self._woken.set()

    def ended(self, run: RunRecord) -> None:
        """A run has ended in this process. Looks at the store if something there may have waited for that."""
        if self._more and self._gate.waiting < self._page // 2:
            self.wake()
        elif self._left or self._held_back:
            self._woken.set()

    def stop(self) -> None:
        """Start nothing new: what waits stays queued, and is let go. Idempotent."""
        self._stopped = True
        self._gate.close()
        self.wake()
        self._note_idle()

    @property
    def running(self) -> int:
        """How many runs go on here, or are about to."""
        return len(self._executing)

    @property
    def running_ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(self._executing)

    async def idle(self) -> None:
        """Return once nothing goes on; to be asked after :meth:`stop`."""
        while self._executing:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def serve(self) -> None:
        """Look for runs, and execute what the engine delivers, until cancelled; what goes on then is
        cancelled with it."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            waiting, self._to_begin = self._to_begin, []
            for run_id in waiting:
                tasks.start_soon(self.execute, run_id)
            tasks.start_soon(self._look_out)
            try:
                await self._engine.serve(self.execute)
            finally:
                self._tasks = None

    # -- looking for runs -------------------------------------------------------------------------------

    async def _look_out(self) -> None:
        clock = self._post.clock
        while not self._stopped:
            self._woken = woken = anyio.Event()
            thorough, self._thorough = self._thorough, False
            began = clock.monotonic()
            poll = await self._post.connection.insist(partial(self._look, thorough), "look for queued runs")
            # Not most of the time, however often it is woken.
            await anyio.sleep(max(2 * (clock.monotonic() - began), _SHORTEST_REST))
            await self._rest(woken, poll)

    async def _rest(self, woken: anyio.Event, poll: float) -> None:
        """Until somebody wakes it, the time of the next run has come, or *poll* seconds are over."""
        time, until = self._post.time, self._following

        async def come() -> None:
            if until is None:
                return
            if until <= time.now():
                await anyio.sleep(_CLOCKS_DIFFER)
            await time.sleep_until(until)
            self.wake()

        async def again() -> None:
            await (anyio.sleep if poll < POLL else self._post.clock.pause)(poll)
            self.wake()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come)
            tasks.start_soon(again)
            await woken.wait()
            tasks.cancel_scope.cancel()

    async def _look(self, thorough: bool) -> float:
        """Hand over what may start; after how many seconds to look again. StoreUnavailable."""
        store, node, limits = self._post.store, self._post.node, self._post.config.scheduler.limits
        size = self._size(thorough)
        found = await store.queued(node=node, limits=limits, limit=size)
        waits, full = bool(found), len(found) == size
        if full and any(run.job not in self._post.jobs for run in found):
            # Others' must not hide ours.
            found += await store.queued(jobs=list(self._post.jobs), node=node, limits=limits, limit=size)
        held_back = await self._take(found)
        self._held_back = bool(held_back)
        if thorough:
            if full and held_back:  # those of a limit that will be full must not hide the others
                narrow = {**limits, **dict.fromkeys(held_back, 1)}
                await self._take(await store.queued(node=node, limits=narrow, limit=size))
            self._more = full and not held_back
            if not found:
                waits = bool(await store.queued(node=node, limit=1))
            if not full:
                self._unknown.forget_all_but(run.job for run in found)
            await self._left.forget_others()
            self._following = await store.next_queued()
        return min(POLL, self._left.next_in) if waits or self._left else IDLE_POLL

    def _size(self, thorough: bool) -> int:
        """How many runs to ask for. What is in hand stands in the store too, until it has begun; while there
        is more of it than can be executed, only what is first counts: urgent runs would be among that."""
        if self._gate.waiting >= self._page:
            return self._page
        more = self._page if thorough else _FEW
        return min(more + len(self._hands) + self._left.unwilling, 10_000)

    async def _take(self, found: list[RunRecord]) -> set[str]:
        """Hand over what may begin; the names of limits that kept some from that."""
        held_back: set[str] = set()
        now, room = self._post.clock.monotonic(), Room(self._post.config.scheduler.limits)
        for executing in self._executing.values():
            room.take(executing)
        for record in {run.id: run for run in found}.values():
            hand, spec = self._hands.get(record.id), self._post.jobs.get(record.job)
            if self._stopped:
                break
            if hand is not None and (hand.begun or now - hand.at < _FORGOTTEN):
                if spec is not None:
                    room.take(spec)
            elif spec is None:
                await self._end(record, self._unknown.outcome(record))
            elif not self._left.rests(record.id) and self._can_run(record, spec):
                if room.take(spec):
                    await self._hand_over(record, spec, sure=True)
                else:
                    held_back.update(spec.limits)
        return held_back & self._post.config.scheduler.limits.keys()

    def _can_run(self, record: RunRecord, spec: JobSpec) -> bool:
        """Whether this process could execute it now; otherwise it is left for others."""
        without_thread = executor_of(spec) == "thread" and not self._runner.takes_threads
        if without_thread or self._unknown.broken(record, spec):
            self._left.add(record, unwilling=True)
            return False
        return True

    async def _hand_over(self, record: RunRecord, spec: JobSpec, *, sure: bool) -> None:
        self._hands[record.id] = _Hand(record, self._post.clock.monotonic(), sure)
        if spec.scope == "node":  # for this process's node, and no engine knows of nodes
            if self._tasks is None:
                self._to_begin.append(record.id)
            else:
                self._tasks.start_soon(self.execute, record.id)
            return
        try:
            await self._engine.submit(record, spec)
        except Exception as error:  # it stands in the store, and is found there
            self._hands.pop(record.id, None)
            self._left.put_off(record)
            get_logger().warning("run.unsubmitted", run=record.number, job=record.job, error=str(error))

    # -- executing them ---------------------------------------------------------------------------------

    async def execute(self, run_id: str) -> None:
        """Execute the run of that id, if it still is to be executed here; return when it has ended, or not
        begun. Raises nothing."""
        hand = self._hands.get(run_id)
        if self._stopped or (hand is not None and hand.begun):
            return
        try:
            if hand is None:
                hand = await self._delivered(run_id)
            if hand is not None:
                hand.begun = True
                await self._in_turn(hand.record, hand.sure)
        except RunNotFound:
            self._left.discard(run_id)  # pruned meanwhile
        except StoreUnavailable as error:
            self._post.connection.failed(error, "execute a run")
            self._put_off(hand, error)
        except Exception as error:  # what is wrong with one run takes no other with it
            self._put_off(hand, error)
        finally:
            if hand is not None and self._hands.get(run_id) is hand:
                del self._hands[run_id]

    async def _delivered(self, run_id: str) -> _Hand | None:
        """A run that an engine brings, and nobody here has handed over."""
        ask = self._post.connection.ask
        record = await ask(lambda: self._post.store.run(run_id), "read a run")
        if record.status is not RunStatus.QUEUED or run_id in self._hands:
            return None
        due = await ask(lambda: is_due(self._post, record), "read the queue")
        if not due or run_id in self._hands:
            self.wake()
            return None
        hand = self._hands[run_id] = _Hand(record, self._post.clock.monotonic(), sure=True)
        return hand

    async def _in_turn(self, record: RunRecord, sure: bool) -> None:
        spec = self._post.jobs.get(record.job)
        if spec is None or not (sure or await self._has_come(record, spec)):
            self.wake()
            return
        second = record.scheduled_at or record.queued_at
        group = None if second is None else second_of(second)
        if not await self._gate.enter(spec.priority, group):
            return
        try:
            await self._begin(record)
        finally:
            self._gate.leave()

    async def _has_come(self, record: RunRecord, spec: JobSpec) -> bool:
        """Whether the time of a run that was submitted has come."""
        if record.scheduled_at is not None and record.trigger in (Trigger.SCHEDULE, Trigger.CATCHUP):
            jitter = Policy.of(spec).not_before(spec.name, second_of(record.scheduled_at))
            if jitter is not None and jitter > self._post.time.now():
                return False
        hooks = self._post.hooks
        if hooks is None or not hooks.implemented("run_admit"):
            return True
        # A plugin may have put it off, which its record does not show.
        return await self._post.connection.ask(lambda: is_due(self._post, record), "read the queue")

    async def _begin(self, record: RunRecord) -> None:
        """It has a place."""
        spec = self._post.jobs.get(record.job)
        if spec is None or not self._can_run(record, spec):
            self.wake()
            return
        late = None
        if seems_late(record, spec, self._post.time.now()):
            ask = self._post.connection.ask
            late = await ask(lambda: misfire(self._post, record, spec), "read the queue")
        if late is not None:
            await self._end(record, late)
        elif not self._stopped:
            await self._run(record, spec)

    async def _run(self, record: RunRecord, spec: JobSpec) -> None:
        self._executing[record.id] = spec
        try:
            limits = self._post.config.scheduler.limits
            after = await self._runner.execute_queued(record, spec, limits=limits)
        finally:
            del self._executing[record.id]
            self._note_idle()
        if after is None:
            now = await self._post.connection.ask(lambda: self._post.store.run(record.id), "read a run")
            if now.status is RunStatus.QUEUED:
                self._left.add(now)
                self.wake()
            return
        self._left.discard(record.id)
        if after.status is RunStatus.QUEUED:
            self.wake()
        else:
            self.ended(after)

    async def _end(self, record: RunRecord, outcome: Outcome | None) -> None:
        """End it without executing it, if nobody else has it."""
        if outcome is None:
            return
        store = self._post.store
        ended = await self._post.connection.ask(lambda: store.end_queued(record.id, outcome), "end a run")
        self._left.discard(record.id)
        if ended is None or ended.status is not RunStatus.SKIPPED:
            return
        get_logger().warning(
            "run.skipped", run=ended.number, job=ended.job, reason=ended.reason, message=ended.message
        )
        for tell in self.on_ended:
            tell(ended)

    def _put_off(self, hand: _Hand | None, error: Exception) -> None:
        """It could not be executed, and stays queued."""
        if hand is None:
            get_logger().error("run.unexecuted", error=f"{type(error).__name__}: {error}", exc_info=error)
            return
        record = hand.record
        seconds = self._left.put_off(record, store=isinstance(error, StoreError))
        facts: dict[str, Any] = {"run": record.number, "job": record.job, "again_in": seconds}
        if isinstance(error, JobkitError):
            facts |= {"help": error.help} if error.help is not None else {}
            get_logger().warning("run.unexecuted", error=str(error), code=error.code, **facts)
        else:
            get_logger().error(
                "run.unexecuted", error=f"{type(error).__name__}: {error}", exc_info=error, **facts
            )
        self.wake()

    def _note_idle(self) -> None:
        if not self._executing:
            self._idle.set()
