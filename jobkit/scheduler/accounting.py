"""What becomes of claims: runs are handed on, skipped ticks are told, whatever has moved is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol

from jobkit.exceptions import RunNotFound, StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.records import format_instant
from jobkit.runner.announcing import log_finished
from jobkit.scheduler.claims import claim_of
from jobkit.scheduler.policies import second_of
from jobkit.scheduler.ticks import Ticks
from jobkit.scheduler.timetable import Timed, Timetable
from jobkit.scheduler.troubles import failed, recovered
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.replicas import Event

if TYPE_CHECKING:
    from datetime import datetime

    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.post import Post
    from jobkit.scheduler.ticks import PullBack, Step
    from jobkit.stores.ledger import Claim, Claimed, JobKey, JobState

#: Seconds until a job that waits for a run to end is looked at again, wherever that run is.
TURN_POLL: Final = 5


class Told(Protocol):
    """Who hears what became of claims."""

    def queued(self, record: RunRecord, spec: JobSpec, not_before: datetime | None) -> None:
        """A tick has its run, which may begin at *not_before*; None is now."""

    def cancelled(self, record: RunRecord) -> None:
        """A run was asked to stop for one of its own job."""

    def was_early(self) -> None:
        """A tick was claimed that is not due by the store's clock."""

    def superseded_by(self, state: JobState) -> None:
        """Another schedule of a job is in force."""


class Accounting:
    """Asks a store to account for ticks. Belongs to the event loop.

    What is done is planned anew. StoreUnavailable comes out: then jobs may still be in hand, and what was
    claimed for them is settled before anything else is.
    """

    def __init__(self, post: Post, timetable: Timetable, told: Told) -> None:
        self._post = post
        self._timetable = timetable
        self._told = told

    # -- claims ---------------------------------------------------------------------------------

    async def account(self, steps: Sequence[tuple[Timed, Step]]) -> None:
        """Claim *steps*, each of a job in hand."""
        made = [(job, step, claim) for job, step in steps if (claim := self._claim(job, step)) is not None]
        if not made:
            return
        for job, _, claim in made:
            job.unsettled = claim
        try:
            answers = await self._post.store.claim([claim for _, _, claim in made])
        except StoreUnavailable:
            raise
        except StoreError as error:
            await self._one_by_one(made, error)
            return
        for (job, step, claim), answer in zip(made, answers, strict=True):
            job.unsettled = None
            self._answered(job, step, claim, answer)

    def _claim(self, job: Timed, step: Step) -> Claim | None:
        spec = self._post.jobs.get(job.key.job)
        if spec is None or not self._timetable.holds(job):
            job.in_hand = False
            self._timetable.drop(job)
            return None
        try:
            return claim_of(job.key, job.state.hash, spec, step, self._post.time.now())
        except Exception as error:
            self.give_up(job, error)
            return None

    async def _one_by_one(self, made: Sequence[tuple[Timed, Step, Claim]], error: StoreError) -> None:
        """The store refuses something: that is to be one job's trouble, not that of all."""
        if len(made) == 1:
            made[0][0].unsettled = None
            self.give_up(made[0][0], error)
            return
        for job, step, _ in made:
            await self.account([(job, step)])

    def give_up(self, job: Timed, error: Exception) -> None:
        """Nothing comes of it for now: *job*, which is in hand, is tried again later."""
        self._timetable.put(job, failed(job, error, self._post.time.now()))

    def _answered(self, job: Timed, step: Step, claim: Claim, answer: Claimed) -> None:
        now = self._post.time.now()
        recovered(job, now)
        if answer.kind == "hash":
            self._timetable.drop(job)
            self._told.superseded_by(answer.state)
            return
        job.state = answer.state
        job.joins = answer.kind == "busy"
        if job.joins:
            self._wait_for_turn(job, now)
            return
        if answer.kind in ("run", "span"):
            self._tell(job.key, step, answer)
        if answer.kind == "run" and answer.run is not None:
            self._begin(job, claim, answer.run)
        if answer.kind == "early":
            self._told.was_early()
            self._timetable.plan(job, now, earliest=second_of(now) + 1)
        else:
            self._timetable.plan(job, now)

    def _wait_for_turn(self, job: Timed, now: datetime) -> None:
        job.waits = not job.heard
        self._timetable.put(job, second_of(now) + (TURN_POLL if job.waits else 0))

    def _begin(self, job: Timed, claim: Claim, record: RunRecord) -> None:
        assert claim.run is not None, "a run was claimed"
        if claim.in_turn and record.trigger is Trigger.CATCHUP:
            job.backlog = record.id
        spec = self._post.jobs.get(record.job)
        if spec is None or record.status is not RunStatus.QUEUED:
            return
        self._told.queued(record, spec, claim.run.not_before)

    # -- an outcome that is not known -----------------------------------------------------------

    async def settle(self, jobs: Sequence[Timed]) -> None:
        """Find out what became of claims that the store did not answer."""
        if not jobs:
            return
        states = await self._post.store.job_states([job.key for job in jobs])
        for job in jobs:
            state, claim = states.get(job.key), job.unsettled
            assert claim is not None, "it has a claim whose outcome is unknown"
            if state is not None and state.hash == claim.hash:
                moved = state.mark != claim.expected
                record = await self._own(claim) if moved else None
                if record is not None:
                    self._begin(job, claim, record)
                job.state = state
            job.unsettled = None

    async def _own(self, claim: Claim) -> RunRecord | None:
        """The run of *claim*, if it was carried out."""
        if claim.run is None:
            return None
        try:
            return await self._post.store.run(claim.run.id)
        except RunNotFound:
            return None

    # -- wrong clocks ---------------------------------------------------------------------------

    async def pull_back(self, pulls: Sequence[tuple[Timed, PullBack]]) -> None:
        """Set marks back that lie far ahead of the store's clock."""
        store, events = self._post.store, []
        for job, pull in pulls:
            if await store.pull_back(job.key, expected=pull.expected, to=pull.to):
                events.append(_stepped(job.key, pull))
            state = (await store.job_states([job.key])).get(job.key)
            if state is None or state.hash != job.state.hash:
                self._timetable.drop(job)
                continue
            job.state = state
            self._timetable.plan(job, self._post.time.now())
        if events:
            await self._post.connection.ask(lambda: store.add_events(events), "record a clock that was set")

    # -- what is told ---------------------------------------------------------------------------

    def _tell(self, key: JobKey, step: Step, answer: Claimed) -> None:
        if step.passed is not None:
            _skipped(key, step.passed.reason, step.passed.cause, step.passed.ticks)
        if answer.span is not None:
            span = answer.span.span
            _skipped(key, span.reason, span.cause, _of_run_or_span(step))
        if answer.displaced is not None:
            assert answer.run is not None, "it gave way to a run"
            _gave_way(answer.displaced, f"run {answer.run.number}")
        if answer.cancel is not None:
            self._told.cancelled(answer.cancel)


def _of_run_or_span(step: Step) -> Ticks:
    """The ticks that have no run: those of the span, or those that the run would have covered."""
    if step.run is not None:
        tick, covers = step.run.tick, step.run.covers
        apart = step.passed is None or step.passed.ticks.last < covers.first
        return covers if apart else Ticks(tick, tick, 1)
    assert step.span is not None, "a step has a run or a span"
    return step.span.ticks


def _gave_way(run: RunRecord, cause: str) -> None:
    """Tell that *run*, which waited, has ended for a newer tick: with its last attempt, if it had one."""
    log = get_logger().bind(run=run.number, job=run.job)
    if run.status is RunStatus.SKIPPED:
        log.info("run.skipped", reason=run.reason, cause=cause)
    else:
        log_finished(log.bind(extension=run.extension), run, cause=cause)


def _skipped(key: JobKey, reason: str, cause: str | None, ticks: Ticks) -> None:
    node = {"node": key.node} if key.node else {}
    get_logger().info(
        "run.skipped",
        job=key.job,
        **node,
        reason=reason,
        cause=cause,
        count=ticks.count,
        first=format_instant(ticks.first),
        last=format_instant(ticks.last),
    )


def _stepped(key: JobKey, pull: PullBack) -> Event:
    """Say that a mark is set back, and give the event that is to be kept of it."""
    ahead = pull.expected - pull.to
    get_logger().error(
        "clock.stepped",
        job=key.job,
        mark=format_instant(pull.expected),
        to=format_instant(pull.to),
        seconds=round(ahead.total_seconds(), 3),
    )
    data = {"mark": format_instant(pull.expected), "to": format_instant(pull.to), "node": key.node}
    return Event("clock.stepped", pull.to, key.job, None, data)
