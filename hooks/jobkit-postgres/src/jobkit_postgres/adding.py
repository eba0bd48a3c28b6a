"""Runs are added as queued: many of them in a handful of statements."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jobkit.plugin.rows import RUN, queued_run
from jobkit.plugin.stores import OpenRun, RunInTheWay, Verdict, judge
from jobkit_postgres import jobs, overlaps, runs
from jobkit_postgres.connection import Row
from jobkit_postgres.jobs import Key
from jobkit_postgres.transaction import Transaction

_ID, _JOB, _HOME, _OVERLAP = 0, 1, 13, 14  # where they stand in NEW_RUN

_THERE: Final = f"SELECT id, {RUN} FROM jobkit.runs WHERE id = ANY(%b::text[])"


@dataclass(frozen=True, slots=True)
class New:
    """A run to be added: *run* is of ``NEW_RUN``, *not_before* when it may start."""

    run: Row
    not_before: int | None

    @property
    def id(self) -> str:
        id_: str = self.run[_ID]
        return id_

    @property
    def key(self) -> Key:
        return self.run[_JOB], self.run[_HOME]

    @property
    def judged(self) -> bool:
        """Whether what is open of its job can be in its way, or gives way to it."""
        overlap: str = self.run[_OVERLAP]
        return overlap != "allow"

    @property
    def apart(self) -> Hashable:
        """What no other may have that is added with it: the same id, or the same job to be judged by."""
        return self.key if self.judged else self.id


async def add(tx: Transaction, wanted: Sequence[New]) -> list[Row | RunInTheWay]:
    """Insert what its overlap allows of *wanted*, or find it: a row of ``RUN``, or the error that says why
    not. No two of them have the same :attr:`New.apart`."""
    await jobs.lock(tx, sorted({new.key for new in wanted}))
    there = {id_: row for id_, *row in await tx.all(_THERE, ([new.id for new in wanted],))}
    # Those that are judged come first: what is added beside them is not there yet.
    fresh = sorted((new for new in wanted if new.id not in there), key=lambda new: not new.judged)
    verdicts = await _judge(tx, [new for new in fresh if new.judged])
    blocked = {id_: verdict.blocked for id_, verdict in verdicts.items() if verdict.blocked is not None}
    errors = await _errors(tx, blocked)
    added = [new for new in fresh if new.id not in blocked]
    numbers = await runs.insert(tx, [(*new.run, new.not_before) for new in added])
    said = [(numbers[id_], verdict) for id_, verdict in verdicts.items() if id_ in numbers]
    await overlaps.give_way(tx, said, tx.at)
    rows = {new.id: queued_run(numbers[new.id], new.run, tx.at) for new in added}
    return [
        errors[new.id] if new.id in errors else rows[new.id] if new.id in rows else tuple(there[new.id])
        for new in wanted
    ]


async def _judge(tx: Transaction, fresh: Sequence[New]) -> dict[str, Verdict]:
    keys = sorted({new.key for new in fresh})
    if not keys:
        return {}
    await overlaps.hold(tx, keys)
    found = await overlaps.open_runs(tx, keys)
    return {new.id: judge(new.run[_OVERLAP], found[new.key]) for new in fresh}


async def _errors(tx: Transaction, blocked: Mapping[str, OpenRun]) -> dict[str, RunInTheWay]:
    """The error of each that names what is in its way."""
    found = await overlaps.in_the_way(tx, list(blocked.values()))
    return {id_: found[run.number] for id_, run in blocked.items()}
