"""The ledger of the embedded store as the outside sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from jobkit.stores import rows
from jobkit.stores.ledger_store import check_page
from jobkit.stores.paging import write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.rows import Row
from jobkit.stores.sqlite.store_part import StorePart
from jobkit.stores.values import from_micros, optional_instant, optional_text, to_micros

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.ledger import (
        Claim,
        Claimed,
        JobKey,
        JobRegistration,
        JobState,
        Punctuality,
        SpanPage,
        SpanQuery,
    )
    from jobkit.stores.sqlite import claims

AT_ONCE: Final = 500
"""Claims, or registrations, in one transaction: others have their turn in between."""


class LedgerPart(StorePart):
    """The part of :class:`~jobkit.stores.sqlite.store.SqliteStore` that accounts for ticks."""

    async def register_jobs(self, jobs: Iterable[JobRegistration]) -> list[JobState]:
        from jobkit.stores.sqlite import claims

        values = [
            (*_key(job.key), to_micros(job.mark), clean_text(job.hash), optional_text(job.expected_hash))
            for job in jobs
        ]
        states: list[JobState] = []
        for start in range(0, len(values), AT_ONCE):
            some = values[start : start + AT_ONCE]
            found = await self._write_and_wake(partial(claims.register, jobs=some, now=self._now))
            states += [_state(*job[:2], state) for job, state in zip(some, found, strict=True)]
        return states

    async def register_job(
        self, key: JobKey, hash: str, *, mark: datetime, expected_hash: str | None
    ) -> JobState:
        from jobkit.stores.ledger import JobRegistration

        [state] = await self.register_jobs([JobRegistration(key, hash, mark, expected_hash)])
        return state

    async def job_states(self, keys: Iterable[JobKey] | None = None) -> dict[JobKey, JobState]:
        from jobkit.stores.sqlite import claims

        wanted = None if keys is None else list(map(_key, keys))

        def read(connection: sqlite3.Connection) -> dict[JobKey, JobState]:
            # In the thread: of very many it takes its time.
            found = claims.states(connection, wanted)
            states = [_state(job, node, tuple(state)) for job, node, *state in found]
            return {state.key: state for state in states}

        return await self._database.read(read)

    async def pull_back(self, key: JobKey, *, expected: datetime, to: datetime) -> bool:
        from jobkit.stores.sqlite import claims

        if to >= expected:
            raise ValueError("a mark is pulled back, not forward")
        job, node = _key(key)
        work = partial(claims.pull_back, job=job, node=node, expected=to_micros(expected), to=to_micros(to))
        return await self._database.write(work)

    async def claim(self, claims_: Sequence[Claim]) -> list[Claimed]:
        from jobkit.stores.sqlite import claims

        order = sorted(range(len(claims_)), key=lambda number: _key(claims_[number].key))
        answers: dict[int, Claimed] = {}
        for some in _portions(order):
            steps = [claims.step_of(claims_[number]) for number in some]
            found = await self._database.write(partial(claims.claim, steps=steps, now=self._now))
            for number, step, answer in zip(some, steps, found, strict=True):
                answers[number] = _claimed(step, answer)
        if any(answer.cancel is not None for answer in answers.values()):
            self._wakes.send()
        return [answers[number] for number in range(len(claims_))]

    async def tick_runs(self, job: str, *, since: datetime, limit: int = 100) -> list[RunRecord]:
        from jobkit.stores.sqlite import spans

        check_page(limit, "runs")
        ask = partial(spans.tick_runs, job=clean_text(job), since=to_micros(since), limit=limit)
        return list(map(rows.run_record, await self._database.read(ask)))

    async def spans(self, query: SpanQuery) -> SpanPage:
        from jobkit.stores.ledger import SpanPage
        from jobkit.stores.sqlite import spans

        found, end = await self._database.read(partial(spans.page, query=query))
        following = None if end is None else write_position(end)
        return SpanPage(tuple(map(spans.span_record, found)), following)

    async def punctuality(self, keys: Iterable[JobKey]) -> dict[JobKey, Punctuality]:
        from jobkit.stores.ledger import JobKey, Punctuality, ninety_fifth
        from jobkit.stores.sqlite import punctuality

        wanted = list(dict.fromkeys(map(_key, keys)))
        found = await self._database.read(partial(punctuality.of, keys=wanted))
        return {
            JobKey(*key): Punctuality(optional_instant(tick), ninety_fifth(durations))
            for key, (tick, durations) in zip(wanted, found, strict=True)
        }


def _portions(order: list[int]) -> Iterator[list[int]]:
    return (order[start : start + AT_ONCE] for start in range(0, len(order), AT_ONCE))


def _key(key: JobKey) -> tuple[str, str]:
    return clean_text(key.job), clean_text(key.node)


def _state(job: str, node: str, state: Row | None) -> JobState:
    from jobkit.stores.ledger import JobKey, JobState

    key = JobKey(job, node)
    if state is None:
        return JobState(key, None, "", None)
    mark, hash, since = state
    return JobState(key, from_micros(mark), hash, from_micros(since))


def _claimed(step: claims.Step, answer: claims.Answer) -> Claimed:
    from jobkit.stores.ledger import Claimed
    from jobkit.stores.sqlite import spans

    run, displaced, cancel = (
        None if row is None else rows.run_record(row) for row in (answer.run, answer.displaced, answer.cancel)
    )
    span = None if answer.span is None else spans.span_record(answer.span)
    state = _state(step.job, step.node, answer.state)
    return Claimed(answer.kind, state, run=run, span=span, displaced=displaced, cancel=cancel)
