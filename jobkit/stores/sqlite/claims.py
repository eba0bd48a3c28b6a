"""Claims: one step of a job's mark, and what accounts for the ticks in between."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from jobkit.statuses import Trigger
from jobkit.stores.ledger import Claim
from jobkit.stores.ledger_store import EARLIEST, ClaimKind
from jobkit.stores.overlaps import out_of_turn
from jobkit.stores.plain import clean_text
from jobkit.stores.refusals import id_taken
from jobkit.stores.rows import RUN, Now, Row, new_run_values, queued_run
from jobkit.stores.sqlite import overlaps, runs, spans
from jobkit.stores.sqlite.queue import there
from jobkit.stores.values import duration_micros, optional_micros, to_micros

_EARLIEST: Final = duration_micros(EARLIEST)
_ID, _TRIGGER, _COVERS, _OVERLAP, _TICK = 0, 3, 9, 14, 15  # where they stand in NEW_RUN

STATE: Final = "job, node, mark, hash, since"

_STATE: Final = "SELECT mark, hash, since, span FROM job_states WHERE job = ? AND node = ?"

_REGISTER: Final = """
INSERT INTO job_states (job, node, mark, hash, since) VALUES (:job, :node, :mark, :hash, :at)
ON CONFLICT (job, node) DO UPDATE SET mark = :mark, hash = :hash, since = :at, span = NULL
"""

_PULL_BACK: Final = "UPDATE job_states SET mark = ?, span = NULL WHERE job = ? AND node = ? AND mark = ?"

_MOVE: Final = "UPDATE job_states SET mark = ?, span = ? WHERE job = ? AND node = ?"

_OF_TICK: Final = "SELECT 1 FROM runs WHERE job = ? AND home = ? AND tick = ?"

_SAME: Final = f"SELECT {RUN}, home, tick FROM runs WHERE id = ?"
_NUMBER, _JOB = 0, 2  # where they stand in RUN
_LAST = 5  # and in spans.NEW


@dataclass(frozen=True, slots=True)
class Step:
    """A claim as columns: *run* of ``NEW_RUN``, *passed* and *span* of ``spans.NEW``."""

    job: str
    node: str
    expected: int | None
    hash: str
    mark: int
    passed: Row | None
    span: Row | None
    run: Row | None
    not_before: int | None
    in_turn: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a step: *state* is mark, hash and since; *run*, *displaced* and *cancel* are rows of
    ``RUN``, *span* one of ``spans.SPAN``."""

    kind: ClaimKind
    state: Row | None
    run: Row | None = None
    span: Row | None = None
    displaced: Row | None = None
    cancel: Row | None = None


def step_of(claim: Claim) -> Step:
    run = claim.run
    return Step(
        job=clean_text(claim.key.job),
        node=clean_text(claim.key.node),
        expected=optional_micros(claim.expected),
        hash=clean_text(claim.hash),
        mark=to_micros(claim.mark),
        passed=None if claim.passed is None else spans.values_of(claim.passed),
        span=None if claim.span is None else spans.values_of(claim.span),
        run=None if run is None else new_run_values(run, claim.overlap, claim.tick),
        not_before=None if run is None else optional_micros(run.not_before),
        in_turn=claim.in_turn,
    )


# -- states -----------------------------------------------------------------------------------------


def register(
    connection: sqlite3.Connection, jobs: Sequence[tuple[str, str, int, str, str | None]], now: Now
) -> list[Row | None]:
    """*jobs* are job, node, mark, hash and the expected hash; for each its mark, hash and since."""
    at, states = to_micros(now()), []
    for job, node, mark, hash, expected in jobs:
        state = _state(connection, job, node)
        if (None if state is None else state[1]) == expected and hash != expected:
            values = {"job": job, "node": node, "mark": mark, "hash": hash, "at": at}
            connection.execute(_REGISTER, values)
            state = (mark, hash, at, None)
        states.append(None if state is None else state[:3])
    return states


def states(connection: sqlite3.Connection, keys: Sequence[tuple[str, str]] | None) -> list[Row]:
    """Rows of ``STATE``."""
    if not there(connection):
        return []
    if keys is None:
        return connection.execute(f"SELECT {STATE} FROM job_states").fetchall()
    one = f"SELECT {STATE} FROM job_states WHERE job = ? AND node = ?"
    found = [connection.execute(one, key).fetchone() for key in keys]
    return [row for row in found if row is not None]


def pull_back(connection: sqlite3.Connection, job: str, node: str, expected: int, to: int) -> bool:
    return connection.execute(_PULL_BACK, (to, job, node, expected)).rowcount > 0


def _state(connection: sqlite3.Connection, job: str, node: str) -> Row | None:
    """Mark, hash, since, and the span that ends at the mark."""
    row: Row | None = connection.execute(_STATE, (job, node)).fetchone()
    return row


# -- claims -----------------------------------------------------------------------------------------


def claim(connection: sqlite3.Connection, steps: Sequence[Step], now: Now) -> list[Answer]:
    """Carry out *steps*, each whole. StoreError if an id of a run is another's."""
    at = to_micros(now())
    return [_claim(connection, step, at) for step in steps]


def _claim(connection: sqlite3.Connection, step: Step, at: int) -> Answer:
    state = _state(connection, step.job, step.node)
    if state is None or state[1] != step.hash:
        return Answer("hash", None if state is None else state[:3])
    if not _as_expected(state, step):
        own = None if step.run is None else _own(connection, step)
        return Answer("moved" if own is None else "run", state[:3], run=own)
    if _early(step, at):
        return Answer("early", state[:3])
    if step.run is None:
        return _skip(connection, step, state, at, step.span)
    if step.in_turn and _busy(connection, step, step.run):
        return Answer("busy", state[:3])
    return _run(connection, step, state, at, step.run)


def _as_expected(state: Row, step: Step) -> bool:
    return bool(state[0] == step.expected)


def _early(step: Step, at: int) -> bool:
    return step.mark > at + _EARLIEST


def _busy(connection: sqlite3.Connection, step: Step, run: Row) -> bool:
    found = overlaps.open_runs(connection, step.job, step.node)
    return out_of_turn(Trigger(run[_TRIGGER]), found) and not _taken(connection, step, run)


def _run(connection: sqlite3.Connection, step: Step, state: Row, at: int, run: Row) -> Answer:
    verdict = overlaps.verdict(connection, run[_OVERLAP], job=step.job, home=step.node)
    if verdict.blocked is not None:
        if _taken(connection, step, run):
            return _pass_by(connection, step, state, at)
        return _skip(connection, step, state, at, overlapped(step, run, verdict.blocked.number))
    number = runs.insert(connection, run, step.not_before, at)
    if number is None:
        _taken(connection, step, run)
        return _pass_by(connection, step, state, at)
    if step.passed is not None:
        spans.add(connection, step.passed, state[3], at)
    displaced, cancel = overlaps.give_way(connection, number, verdict, at)
    moved = _move(connection, step, state, None)
    return Answer("run", moved, run=queued_run(number, run, at), displaced=displaced, cancel=cancel)


def _taken(connection: sqlite3.Connection, step: Step, run: Row) -> bool:
    """Whether the tick has its run, perhaps this one. StoreError if the id is another run's."""
    same = connection.execute(_SAME, (run[_ID],)).fetchone()
    if same is not None and not _of_this_tick(same, step, run):
        raise id_taken(run[_ID], same[_NUMBER])
    return connection.execute(_OF_TICK, (step.job, step.node, run[_TICK])).fetchone() is not None


def _pass_by(connection: sqlite3.Connection, step: Step, state: Row, at: int) -> Answer:
    """Pulled back, the mark goes over ticks that have their runs."""
    if step.passed is not None:
        spans.add(connection, step.passed, state[3], at)
    own = _own(connection, step)
    moved = _move(connection, step, state, None)
    return Answer("moved" if own is None else "run", moved, run=own)


def _own(connection: sqlite3.Connection, step: Step) -> Row | None:
    """The row of ``RUN`` of this claim, if it was carried out before."""
    assert step.run is not None, "asked of claims with a run"
    same = connection.execute(_SAME, (step.run[_ID],)).fetchone()
    return same[:-2] if same is not None and _of_this_tick(same, step, step.run) else None


def _of_this_tick(same: Row, step: Step, run: Row) -> bool:
    return (same[_JOB], *same[-2:]) == (step.job, step.node, run[_TICK])


def _skip(connection: sqlite3.Connection, step: Step, state: Row, at: int, span: Row | None) -> Answer:
    assert span is not None, "a claim has a run or a span"
    ending = state[3]
    if step.passed is not None:
        ending = spans.add(connection, step.passed, ending, at)[0]
    kept = spans.add(connection, span, ending, at)
    return Answer("span", _move(connection, step, state, kept[0]), span=kept)


def _move(connection: sqlite3.Connection, step: Step, state: Row, span: int | None) -> Row:
    connection.execute(_MOVE, (step.mark, span, step.job, step.node))
    return step.mark, *state[1:3]


def overlapped(step: Step, run: Row, number: int) -> Row:
    """The span of the ticks that *run* would have covered, which run *number* is in the way of.

    Ticks that are passed over have theirs; then there is the run's own left.
    """
    covers: list[Any] = [run[_TICK], run[_TICK], 1] if run[_COVERS] is None else json.loads(run[_COVERS])
    if step.passed is not None and covers[0] <= step.passed[_LAST]:
        covers = [run[_TICK], run[_TICK], 1]
    return step.job, step.node, "overlap", f"run {number}", *covers
