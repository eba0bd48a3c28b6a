"""The ledger of the store as the outside sees it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from jobkit.plugin import rows
from jobkit.plugin.stores import (
    Claimed,
    JobKey,
    JobRegistration,
    JobState,
    Punctuality,
    SpanPage,
    check_page,
    clean_text,
    from_micros,
    ninety_fifth,
    optional_instant,
    optional_text,
    to_micros,
    write_position,
)
from jobkit_postgres import claims, punctuality, spans
from jobkit_postgres.connection import Row
from jobkit_postgres.store_part import StorePart
from jobkit_postgres.transaction import Transaction

if TYPE_CHECKING:
    from jobkit.plugin.stores import Claim, RunRecord, SpanQuery

AT_ONCE: Final = 500
"""Claims, or registrations, in one transaction: others have their turn in between."""


class LedgerPart(StorePart):
    """The part of :class:`~jobkit_postgres.store.PostgresStore` that accounts for ticks."""

    async def register_jobs(self, jobs: Iterable[JobRegistration]) -> list[JobState]:
        values = [
            (*_key(job.key), to_micros(job.mark), clean_text(job.hash), optional_text(job.expected_hash))
            for job in jobs
        ]
        states: list[JobState] = []
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]

            found = await self._database.write(partial(self._register, some=some))
            states += [_state(*job[:2], state) for job, state in zip(some, found, strict=True)]
        return states

    async def _register(self, tx: Transaction, some: Sequence[claims.Given]) -> list[Row | None]:
        found, changed = await claims.register(tx, some)
        if changed:
            tx.notify(self._wakes.name)
        return found

    async def register_job(
        self, key: JobKey, hash: str, *, mark: datetime, expected_hash: str | None
    ) -> JobState:
        [state] = await self.register_jobs([JobRegistration(key, hash, mark, expected_hash)])
        return state

    async def job_states(self, keys: Iterable[JobKey] | None = None) -> dict[JobKey, JobState]:
        wanted = None if keys is None else list(map(_key, keys))
        found = await self._database.read(lambda tx: claims.states(tx, wanted))
        states = [_state(job, node, tuple(state)) for job, node, *state in found]
        return {state.key: state for state in states}

    async def pull_back(self, key: JobKey, *, expected: datetime, to: datetime) -> bool:
        if to >= expected:
            raise ValueError("a mark is pulled back, not forward")
        job, node = _key(key)
        before, after = to_micros(expected), to_micros(to)
        return await self._database.write(lambda tx: claims.pull_back(tx, job, node, before, after))

    async def claim(self, claims_: Sequence[Claim]) -> list[Claimed]:
        answers: dict[int, Claimed] = {}
        steps = [claims.step_of(claim) for claim in claims_]
        for some in _portions(steps):

            async def work(tx: Transaction, some: list[int] = some) -> list[claims.Answer]:
                found = await claims.claim(tx, [steps[number] for number in some])
                if any(answer.cancel is not None for answer in found):
                    tx.notify(self._wakes.name)
                return found

            found = await self._database.write(work)
            for number, answer in zip(some, found, strict=True):
                answers[number] = _claimed(steps[number], answer)
        return [answers[number] for number in range(len(claims_))]

    async def tick_runs(self, job: str, *, since: datetime, limit: int = 100) -> list[RunRecord]:
        check_page(limit, "runs")
        name, after = clean_text(job), to_micros(since)
        found = await self._database.read(lambda tx: spans.tick_runs(tx, name, after, limit))
        return list(map(rows.run_record, found))

    async def spans(self, query: SpanQuery) -> SpanPage:
        found, end = await self._database.read(lambda tx: spans.page(tx, query))
        following = None if end is None else write_position(end)
        return SpanPage(tuple(map(spans.span_record, found)), following)

    async def punctuality(self, keys: Iterable[JobKey]) -> dict[JobKey, Punctuality]:
        wanted = list(dict.fromkeys(map(_key, keys)))
        found = await self._database.read(lambda tx: punctuality.of(tx, wanted))
        return {
            JobKey(*key): Punctuality(optional_instant(tick), ninety_fifth(durations))
            for key, (tick, durations) in zip(wanted, found, strict=True)
        }


def _portions(steps: Sequence[claims.Step]) -> list[list[int]]:
    """The places of *steps* in portions, in order of key; no job and no run occurs twice in one, and those of
    one job keep their order."""
    portions: list[list[int]] = []
    used: list[set[object]] = []
    first: dict[object, int] = {}
    for number in sorted(range(len(steps)), key=lambda number: steps[number].key):
        step = steps[number]
        marks: set[object] = {step.key} | (set() if step.run is None else {step.run[0]})
        place = max(first.get(mark, 0) for mark in marks)
        while place < len(portions) and (len(portions[place]) >= AT_ONCE or used[place] & marks):
            place += 1
        if place == len(portions):
            portions.append([])
            used.append(set())
        portions[place].append(number)
        used[place] |= marks
        for mark in marks:
            first[mark] = place + 1
    return portions


def _key(key: JobKey) -> tuple[str, str]:
    return clean_text(key.job), clean_text(key.node)


def _state(job: str, node: str, state: Row | None) -> JobState:
    key = JobKey(job, node)
    if state is None:
        return JobState(key, None, "", None)
    mark, hash, since = state
    return JobState(key, from_micros(mark), hash, from_micros(since))


def _claimed(step: claims.Step, answer: claims.Answer) -> Claimed:
    run, displaced, cancel = (
        None if row is None else rows.run_record(row) for row in (answer.run, answer.displaced, answer.cancel)
    )
    span = None if answer.span is None else spans.span_record(answer.span.row)
    state = _state(step.job, step.node, answer.state)
    return Claimed(answer.kind, state, run=run, span=span, displaced=displaced, cancel=cancel)
