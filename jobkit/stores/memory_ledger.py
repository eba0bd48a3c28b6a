"""The ledger of the store in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from jobkit.records import RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores import values
from jobkit.stores.kept import Held, Terms, given, queued, terms_of
from jobkit.stores.kept_ledger import KeptState, clean_key, clean_span, newest_span, span_selected
from jobkit.stores.ledger import (
    Claim,
    Claimed,
    JobKey,
    JobRegistration,
    JobState,
    Punctuality,
    Span,
    SpanPage,
    SpanQuery,
    ninety_fifth,
)
from jobkit.stores.ledger_store import EARLIEST, MEASURED_RUNS, check_page
from jobkit.stores.memory_rules import Rules
from jobkit.stores.overlaps import judge, out_of_turn
from jobkit.stores.paging import read_position, write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import id_taken

AT_ONCE: Final = 500
"""Claims in one step; then others have their turn."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A claim as it is kept."""

    key: JobKey
    expected: datetime | None
    hash: str
    mark: datetime
    passed: Span | None
    span: Span | None
    record: RunRecord | None
    terms: Terms
    not_before: datetime | None
    in_turn: bool


class MemoryLedger(Rules):
    """The part of :class:`~jobkit.stores.memory.MemoryStore` that accounts for ticks."""

    # -- states ---------------------------------------------------------------------------------

    async def register_jobs(self, jobs: Iterable[JobRegistration]) -> list[JobState]:
        cleaned = [
            (
                clean_key(job.key),
                clean_text(job.hash),
                _exact(job.mark),
                values.optional_text(job.expected_hash),
            )
            for job in jobs
        ]
        with await self._turn():
            return [self._register(*job) for job in cleaned]

    async def register_job(
        self, key: JobKey, hash: str, *, mark: datetime, expected_hash: str | None
    ) -> JobState:
        [state] = await self.register_jobs([JobRegistration(key, hash, mark, expected_hash)])
        return state

    def _register(self, key: JobKey, hash: str, mark: datetime, expected: str | None) -> JobState:
        states = self._kept.ledger.states
        state = states.get(key)
        if (None if state is None else state.hash) == expected and hash != expected:
            state = states[key] = KeptState(mark, hash, self._exactly_now())
            self._wake_others()
        return _shown(key, state)

    async def job_states(self, keys: Iterable[JobKey] | None = None) -> dict[JobKey, JobState]:
        with await self._turn():
            states = self._kept.ledger.states
            wanted = list(states) if keys is None else [clean_key(key) for key in keys]
            return {key: states[key].shown(key) for key in wanted if key in states}

    async def pull_back(self, key: JobKey, *, expected: datetime, to: datetime) -> bool:
        if to >= expected:
            raise ValueError("a mark is pulled back, not forward")
        expected, to, key = _exact(expected), _exact(to), clean_key(key)
        with await self._turn():
            state = self._kept.ledger.states.get(key)
            if state is None or state.mark != expected:
                return False
            state.mark, state.span = to, None
            return True

    # -- claims ---------------------------------------------------------------------------------

    async def claim(self, claims: Sequence[Claim]) -> list[Claimed]:
        steps = list(enumerate(map(_step, claims)))
        steps.sort(key=lambda numbered: numbered[1].key)
        answers: dict[int, Claimed] = {}
        for start in range(0, len(steps), AT_ONCE):
            with await self._turn():
                for number, step in steps[start : start + AT_ONCE]:
                    answers[number] = self._claim(step)
        return [answers[number] for number in range(len(steps))]

    def _claim(self, step: _Step) -> Claimed:
        ledger = self._kept.ledger
        state = ledger.states.get(step.key)
        if state is None or state.hash != step.hash:
            return Claimed("hash", _shown(step.key, state))
        if not self._as_expected(state, step):
            return self._own(step, state) or Claimed("moved", state.shown(step.key))
        if self._early(step):
            return Claimed("early", state.shown(step.key))
        if self._busy(step):
            return Claimed("busy", state.shown(step.key))
        return self._account(step, state)

    def _as_expected(self, state: KeptState, step: _Step) -> bool:
        return state.mark == step.expected

    def _early(self, step: _Step) -> bool:
        return step.mark > self._exactly_now() + EARLIEST

    def _busy(self, step: _Step) -> bool:
        if step.record is None or not step.in_turn or self._has_run(step):
            return False
        return out_of_turn(step.record.trigger, self._open_runs(step.key))

    def _own(self, step: _Step, state: KeptState) -> Claimed | None:
        """The run of this claim, if it was carried out before."""
        held = None if step.record is None else self._same(step.record.id)
        if held is None or not _same_tick(held, step):
            return None
        return Claimed("run", state.shown(step.key), run=given(held.record))

    def _account(self, step: _Step, state: KeptState) -> Claimed:
        ledger, at = self._kept.ledger, self._exactly_now()
        if step.record is not None:
            self._check_id(step.record, step)
        if step.passed is not None:
            ledger.add_span(state, step.passed, at)
        if step.span is not None:
            return self._skip(step, state, step.span)
        assert step.record is not None, "a claim has a run or a span"
        if self._has_run(step):
            # Pulled back, the mark goes over ticks that have their runs.
            state.mark, state.span = step.mark, None
            return self._own(step, state) or Claimed("moved", state.shown(step.key))
        verdict = judge(step.terms.overlap, self._open_runs(step.key))
        if verdict.blocked is not None:
            return self._skip(step, state, overlapped(step, verdict.blocked.number))
        held = self._insert(step.record, step.terms, step.not_before)
        displaced = self._give_way(held, verdict)
        state.mark, state.span = step.mark, None
        ledger.ticks[step.key, _tick(step)] = held.record.id
        return Claimed(
            "run", state.shown(step.key), run=given(held.record), displaced=displaced,
            cancel=self._ask_to_stop(held.record, verdict),
        )  # fmt: skip

    def _has_run(self, step: _Step) -> bool:
        return (step.key, _tick(step)) in self._kept.ledger.ticks

    def _check_id(self, record: RunRecord, step: _Step) -> None:
        """StoreError if the id is another run's."""
        held = self._same(record.id)
        if held is not None and not _same_tick(held, step):
            raise id_taken(record.id, held.record.number)

    def _skip(self, step: _Step, state: KeptState, span: Span) -> Claimed:
        kept = self._kept.ledger.add_span(state, span, self._exactly_now())
        state.mark = step.mark
        return Claimed("span", state.shown(step.key), span=kept)

    # -- reading --------------------------------------------------------------------------------

    async def tick_runs(self, job: str, *, since: datetime, limit: int = 100) -> list[RunRecord]:
        check_page(limit, "runs")
        wanted = clean_text(job)
        with await self._turn():
            found = sorted(
                (tick, key.node, run_id)
                for (key, tick), run_id in self._kept.ledger.ticks.items()
                if key.job == wanted and tick >= since
            )
            return [self._kept.runs[run_id].record for _, _, run_id in found[:limit]]

    async def spans(self, query: SpanQuery) -> SpanPage:
        after = None if query.after is None else read_position(query.after)
        with await self._turn():
            found = [span for span in self._kept.ledger.spans.values() if span_selected(span, query)]
        found.sort(key=newest_span)
        if after is not None:
            found = [span for span in found if newest_span(span) > (-after[0], -after[1])]
        page = tuple(found[: query.limit])
        if len(found) <= query.limit:
            return SpanPage(page, None)
        last, number = newest_span(page[-1])
        return SpanPage(page, write_position((-last, -number)))

    # -- lateness -------------------------------------------------------------------------------

    async def punctuality(self, keys: Iterable[JobKey]) -> dict[JobKey, Punctuality]:
        wanted = dict.fromkeys(clean_key(key) for key in keys)
        with await self._turn():
            of_job: dict[str, list[Held]] = {key.job: [] for key in wanted}
            for record in self._newest_first():
                if record.job in of_job:
                    of_job[record.job].append(self._kept.runs[record.id])
            return {key: _punctuality(of_job[key.job], key.node) for key in wanted}

    # -- upkeep ---------------------------------------------------------------------------------

    def _forget_tick(self, held: Held) -> None:
        if held.terms.tick is not None:
            key = JobKey(held.record.job, held.terms.node)
            self._kept.ledger.ticks.pop((key, held.terms.tick), None)

    def _prune_ledger(self, before: datetime) -> None:
        """Marks stay, for ever."""
        spans = self._kept.ledger.spans
        for span in [span for span in spans.values() if span.span.last < before]:
            if span.recorded_at < before:
                del spans[span.id]


def _punctuality(newest_first: list[Held], node: str) -> Punctuality:
    succeeded = [held for held in newest_first if held.record.status is RunStatus.SUCCEEDED]
    ticks = [
        tick
        for held in succeeded
        if held.terms.node == node
        and (tick := held.terms.tick or (held.record.scheduled_at if _again(held.record) else None))
    ]
    durations = [
        held.record.duration_ms
        for held in newest_first[:MEASURED_RUNS]
        if held.record.status is RunStatus.SUCCEEDED and held.record.duration_ms is not None
    ]
    return Punctuality(max(ticks, default=None), ninety_fifth(durations))


def _again(record: RunRecord) -> bool:
    return record.trigger is Trigger.RETRY


def _exact(instant: datetime) -> datetime:
    return values.from_micros(values.to_micros(instant))


def _shown(key: JobKey, state: KeptState | None) -> JobState:
    return JobState(key, None, "", None) if state is None else state.shown(key)


def _step(claim: Claim) -> _Step:
    run = claim.run
    return _Step(
        key=clean_key(claim.key),
        expected=values.optional_instant(values.optional_micros(claim.expected)),
        hash=clean_text(claim.hash),
        mark=_exact(claim.mark),
        passed=None if claim.passed is None else clean_span(claim.passed),
        span=None if claim.span is None else clean_span(claim.span),
        record=None if run is None else queued(run),
        terms=Terms() if run is None else terms_of(run, claim.overlap, claim.tick),
        not_before=None if run is None else values.optional_instant(values.optional_micros(run.not_before)),
        in_turn=claim.in_turn,
    )


def _tick(step: _Step) -> datetime:
    assert step.terms.tick is not None, "a run of a claim has a tick"
    return step.terms.tick


def _same_tick(held: Held, step: _Step) -> bool:
    return (
        held.record.job == step.key.job
        and held.terms.node == step.key.node
        and held.terms.tick == _tick(step)
    )


def overlapped(step: _Step, number: int) -> Span:
    """The span of the ticks that a run would have covered, which another run is in the way of.

    Ticks that are passed over have theirs; then there is the run's own left.
    """
    covers = None if step.record is None else step.record.covers
    if covers is not None and step.passed is not None and covers.first <= step.passed.last:
        covers = None
    first, last, count = (
        (_tick(step),) * 2 + (1,) if covers is None else (covers.first, covers.last, covers.count)
    )
    return Span(step.key.job, step.key.node, "overlap", f"run {number}", first, last, count)
