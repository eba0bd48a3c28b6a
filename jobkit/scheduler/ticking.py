"""The loop that makes ticks: what is due is claimed, and what was claimed is handed on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.lowlevel

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.scheduler.accounting import TURN_POLL, Accounting
from jobkit.scheduler.claims import admitted
from jobkit.scheduler.connection import FIRST_PAUSE, LONGEST_PAUSE
from jobkit.scheduler.policies import Pause, Policy, second_of
from jobkit.scheduler.results import Results
from jobkit.scheduler.ticks import Job, PullBack, Step, Wait, next_step
from jobkit.scheduler.timetable import Timed, Timetable
from jobkit.schedules.base import EPOCH, from_epoch
from jobkit.stores.ledger import JobKey

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.failing import Failure
    from jobkit.scheduler.post import Post
    from jobkit.stores.ledger import JobState

#: So many due jobs are claimed at a time: their runs begin before the next are looked at. The first of many
#: that are due at once do not wait for a hundred.
SLICE: Final = 100
FIRST_SLICE: Final = 10
#: So many states of jobs are read between two slices.
READ_AT_ONCE: Final = 500
#: So many runs at a time plugins are asked about. Each has a time limit of its own.
ASKED_AT_ONCE: Final = 1000
#: Seconds between two comparisons of the clocks while nothing is due.
COMPARED_EVERY: Final = 10.0
#: Seconds by which clocks drift apart only if one of them was set.
JUMP: Final = 0.5


class Registered(Protocol):
    """The jobs that this replica makes ticks for, and how they stand."""

    @property
    def states(self) -> Mapping[JobKey, JobState]:
        """By job and node. One that is registered anew has another hash or another *since*."""
        ...

    def superseded_by(self, state: JobState) -> None:
        """The store knows *state.key* by another hash than ``states``: no ticks are made for it until
        ``states`` say something else."""
        ...


class Paused(Protocol):
    """Which ticks have no run because somebody said so."""

    def pauses_of(self, job: str) -> Sequence[Pause]:
        """The pauses that hold *job*, those that have ended and are not older than its mark among them."""
        ...


class Submit(Protocol):
    """Has a run executed."""

    async def __call__(
        self, record: RunRecord, spec: JobSpec, *, not_before: datetime | None = None
    ) -> None: ...


class Ticks:
    """Accounts for the ticks of one replica's jobs. Belongs to the event loop.

    *submit* is called with the run of each tick, in order; what it raises is logged, and the run stays
    queued. ``on_cancel`` are called with each run that was asked to stop for one of its own job: the store
    tells others, and not the process that asked. *unrecorded* names the jobs with results that this process
    has not written yet: their claims wait for these.
    """

    def __init__(
        self,
        post: Post,
        register: Registered,
        control: Paused,
        submit: Submit,
        *,
        unrecorded: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.on_cancel: list[Callable[[RunRecord], None]] = []
        self._post = post
        self._control = control
        self._submit = submit
        self._register = register
        self._timetable = Timetable(lambda: register.states, lambda: post.jobs)
        self._accounting = Accounting(post, self._timetable, self)
        self._results = Results(post, self._timetable, unrecorded)
        self._claimed: deque[tuple[RunRecord, JobSpec, datetime | None]] = deque()
        self._news = anyio.Event()
        self._working = False
        self._nap: anyio.CancelScope | None = None
        self._woken = False
        self._stopped = False
        self._pause = 0.0
        self._share = FIRST_SLICE
        self._asked: set[Timed] = set()
        self._admitted: list[tuple[Timed, Step]] = []
        self._wall = self._shown = math.nan

    def __len__(self) -> int:
        """For how many jobs it makes ticks."""
        return len(self._timetable)

    def failing(self) -> Iterator[Failure]:
        """What keeps ticks from being accounted for, with the jobs that these are of."""
        return self._timetable.failing()

    async def serve(self) -> None:
        """Make ticks, until cancelled or told to stop; then what was claimed is handed on."""
        self._timetable.clear()
        self._asked.clear()
        self._admitted.clear()
        self._pause, self._wall, self._shown = 0.0, math.nan, math.nan
        self._woken = self._working = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hand_on)
            async with anyio.create_task_group() as asks:
                await self._work(asks)
                asks.cancel_scope.cancel()
            self._working = False
            self._news.set()

    def wake(self) -> None:
        """The register, the jobs or the clock have changed: look."""
        self._woken = True
        if self._nap is not None:
            self._nap.cancel()

    def stop_claiming(self) -> None:
        """Claim nothing more; a claim under way is carried out, and its runs are handed on or stay queued."""
        self._stopped = True
        self.wake()

    def ended(self, record: RunRecord) -> None:
        """A run has ended here: another of its job may have waited for that."""
        for node in {"", self._post.node}:
            job = self._timetable.get(JobKey(record.job, node))
            if job is None:
                continue
            job.heard = True
            if job.backlog == record.id:
                job.backlog = None
            if (job.waits or job.held_until is not None) and not job.in_hand:
                job.waits = False
                self._timetable.put(job, second_of(self._post.time.now()))
                self.wake()

    # -- the loop -------------------------------------------------------------------------------

    async def _work(self, asks: TaskGroup) -> None:
        while not self._stopped:
            if self._woken:
                self._woken = False
                self._timetable.renew()
            await self._compare_clocks()
            now = self._post.time.now()
            if self._timetable.behind:
                self._timetable.read(READ_AT_ONCE, now)
            jobs = self._timetable.due(now, min(self._share, ASKED_AT_ONCE - len(self._asked)))
            self._share = min(2 * self._share, SLICE) if jobs else FIRST_SLICE
            if jobs or self._admitted:
                await self._slice(jobs, asks)
            elif self._timetable.behind:
                await anyio.lowlevel.checkpoint()
            elif not self._stopped:
                await self._sleep()

    async def _slice(self, jobs: list[Timed], asks: TaskGroup) -> None:
        """Account for what is due of *jobs*, and for what plugins have answered about.

        Whatever the store does not answer for is due still, and looked at once more: the misfire policy
        decides what becomes of it.
        """
        steps, self._admitted = self._admitted, []
        at_hand = [*jobs, *(job for job, _ in steps)]
        try:
            free = await self._results.free(at_hand)
            jobs = [job for job in jobs if job in free]
            steps = [(job, step) for job, step in steps if job in free]
            await self._accounting.settle([job for job in jobs if job.unsettled is not None])
            pulls = self._sort(jobs, steps, asks)
            await self._accounting.pull_back(pulls)
            await self._accounting.account(steps)
        except StoreError as error:
            await self._unaccounted([job for job in at_hand if job.in_hand and job not in self._asked], error)
        else:
            if steps or pulls:
                self._post.connection.answered()
                self._pause = 0.0

    async def _unaccounted(self, jobs: Sequence[Timed], error: StoreError) -> None:
        """The store has not done it for *jobs*: all wait until it answers, or each until it may do it."""
        if not isinstance(error, StoreUnavailable):
            for job in jobs:
                self._accounting.give_up(job, error)
            return
        self._post.connection.failed(error, "account for ticks")
        for job in jobs:
            job.held_until = None
            self._timetable.put(job, job.at)
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        await self._rest(self._pause)

    def _sort(
        self, jobs: list[Timed], steps: list[tuple[Timed, Step]], asks: TaskGroup
    ) -> list[tuple[Timed, PullBack]]:
        """Add to *steps* what can be claimed now; what plugins have to be asked about comes later."""
        now, pulls = self._post.time.now(), []
        hooks = self._post.hooks
        asked = hooks is not None and hooks.implemented("run_admit")
        for job in jobs:
            step = self._step(job, now)
            if isinstance(step, PullBack):
                pulls.append((job, step))
            elif isinstance(step, Step) and asked and step.run is not None:
                self._asked.add(job)
                asks.start_soon(self._ask, job, step)
            elif isinstance(step, Step):
                steps.append((job, step))
        return pulls

    def _step(self, job: Timed, now: datetime) -> Step | PullBack | None:
        """What is to be done about *job* now; if nothing is, it is planned anew."""
        spec, timetable = self._post.jobs.get(job.key.job), self._timetable
        if spec is None:  # a reload has removed it
            job.in_hand = False
            timetable.drop(job)
            return None
        if job.waits:
            job.waits, job.backlog = False, None
        assert job.state.mark is not None, "a job without a mark is not on the timetable"
        try:
            rules = Job(spec.name, job.times, Policy.of(spec), self._control.pauses_of(spec.name))
            catching_up = job.backlog is not None
            step = next_step(rules, job.state.mark, now, catching_up=catching_up, joins=job.joins)
        except Exception as error:  # a plugin's kind of schedule
            self._accounting.give_up(job, error)
            return None
        if not isinstance(step, Wait):
            return step
        job.joins = step.for_run
        if step.for_run:
            job.waits = True
            timetable.put(job, second_of(now) + TURN_POLL)
        else:
            timetable.plan(job, now)
        return None

    async def _ask(self, job: Timed, step: Step) -> None:
        spec = self._post.jobs.get(job.key.job)
        try:
            if spec is not None:
                step = await admitted(self._post.hooks, spec, step, self._post.config.secrets)
        except Exception as error:
            self._accounting.give_up(job, error)
        else:
            self._admitted.append((job, step))
        finally:
            self._asked.discard(job)
            if self._nap is not None:
                self._nap.cancel()

    # -- handing on -----------------------------------------------------------------------------

    async def _hand_on(self) -> None:
        """An engine that takes its time delays no tick."""
        while self._working or self._claimed:
            while self._claimed:
                record, spec, not_before = self._claimed.popleft()
                try:
                    await self._submit(record, spec, not_before=not_before)
                except Exception as error:  # an engine's: whoever looks for queued runs finds it
                    get_logger().error(
                        "run.unsubmitted",
                        run=record.number,
                        job=record.job,
                        error=repr(error),
                        exc_info=error,
                    )
            self._news = anyio.Event()
            if self._working:
                await self._news.wait()

    # -- what becomes of claims -----------------------------------------------------------------

    def queued(self, record: RunRecord, spec: JobSpec, not_before: datetime | None) -> None:
        """For :class:`.Accounting`, as what follows."""
        self._claimed.append((record, spec, not_before))
        self._news.set()

    def cancelled(self, record: RunRecord) -> None:
        for listener in self.on_cancel:
            listener(record)

    def was_early(self) -> None:
        self._wall = math.nan  # to be measured

    def superseded_by(self, state: JobState) -> None:
        self._register.superseded_by(state)

    # -- sleeping -------------------------------------------------------------------------------

    async def _sleep(self) -> None:
        """Until the next tick, or until something has changed."""
        at = self._timetable.next_at
        if at is None or len(self._asked) >= ASKED_AT_ONCE:
            await self._rest(math.inf)
            return
        with anyio.move_on_after(COMPARED_EVERY) as self._nap:
            if not self._woken:
                await self._post.time.sleep_until(from_epoch(at))
        self._nap = None

    async def _rest(self, seconds: float) -> None:
        with anyio.move_on_after(seconds) as self._nap:
            if not self._woken and not self._stopped:
                await anyio.sleep_forever()
        self._nap = None

    async def _compare_clocks(self) -> None:
        """Notice that a clock was set, by the one that never is."""
        post = self._post
        wall = (post.clock.now() - EPOCH).total_seconds() - post.clock.monotonic()
        if not abs(wall - self._wall) <= JUMP:
            try:
                await post.time.measure()
            except StoreError as error:
                if isinstance(error, StoreUnavailable):
                    post.connection.failed(error, "ask for the time")
            else:
                self._wall = wall
        shown = (post.time.now() - EPOCH).total_seconds() - post.clock.monotonic()
        if not abs(shown - self._shown) <= JUMP:
            self._shown = shown
            self._timetable.look_again()
