"""Claims: one step of a job's mark, and what accounts for the ticks in between.

Many are carried out together, in a dozen statements however many they are: lock the rows of the jobs, look
at the clock, the marks, the runs and ticks that there are, judge, and then write.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jobkit.plugin.rows import RUN, new_run_values, queued_run
from jobkit.plugin.stores import (
    EARLIEST,
    Claim,
    ClaimKind,
    OpenRun,
    Trigger,
    Verdict,
    clean_text,
    duration_micros,
    id_taken,
    judge,
    optional_micros,
    out_of_turn,
    to_micros,
)
from jobkit_postgres import jobs, overlaps, runs, spans
from jobkit_postgres.connection import Row
from jobkit_postgres.jobs import Key
from jobkit_postgres.transaction import Transaction

_EARLIEST: Final = duration_micros(EARLIEST)
_ID, _TRIGGER, _COVERS, _OVERLAP, _TICK = 0, 3, 9, 14, 15  # where they stand in NEW_RUN
_NUMBER, _JOB = 0, 2  # where they stand in RUN
_LAST = 5  # and in spans.NEW

Given = tuple[str, str, int, str, str | None]
"""Job, node, mark, hash and the expected hash of a registration."""

STATE: Final = "job, node, mark, hash, since"

_STATES: Final = f"""
SELECT {STATE} FROM jobkit.job_states WHERE mark IS NOT NULL AND (%(jobs)b::text[] IS NULL
    OR (job, node) IN (SELECT * FROM unnest(%(jobs)b::text[], %(nodes)b::text[])))
"""

_REGISTER: Final = """
UPDATE jobkit.job_states AS states SET mark = given.mark, hash = given.hash, since = %s, span = NULL
FROM unnest(%b::text[], %b::text[], %s::bigint[], %b::text[]) AS given (job, node, mark, hash)
WHERE states.job = given.job AND states.node = given.node
"""

_PULL_BACK: Final = """
UPDATE jobkit.job_states SET mark = %s, span = NULL WHERE job = %s AND node = %s AND mark = %s
"""

_MOVE: Final = """
UPDATE jobkit.job_states AS states SET mark = given.mark, span = given.span
FROM unnest(%b::text[], %b::text[], %s::bigint[], %s::bigint[]) AS given (job, node, mark, span)
WHERE states.job = given.job AND states.node = given.node
"""

_SAME: Final = f"SELECT {RUN}, home, tick FROM jobkit.runs WHERE id = ANY(%b::text[])"

_TAKEN: Final = """
SELECT job, home, tick FROM jobkit.runs
    JOIN unnest(%b::text[], %b::text[], %s::bigint[]) AS given (job, home, tick) USING (job, home, tick)
"""


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

    @property
    def key(self) -> Key:
        return self.job, self.node


@dataclass(slots=True)
class Answer:
    """What became of a step: *state* is mark, hash and since; *run*, *displaced* and *cancel* are rows of
    ``RUN``, *span* is as it is kept."""

    kind: ClaimKind
    state: Row | None
    run: Row | None = None
    span: spans.Kept | None = None
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


async def register(tx: Transaction, given: Sequence[Given]) -> tuple[list[Row | None], bool]:
    """*given* are job, node, mark, hash and the expected hash; for each its mark, hash and since, and then
    whether anything has changed."""
    found = await jobs.lock(tx, [(job, node) for job, node, *_ in given])
    at = await tx.clock()
    now: dict[Key, Row] = {key: row[:3] for key, row in found.items()}
    changed: dict[Key, Row] = {}
    states: list[Row | None] = []
    for job, node, mark, hash, expected in given:
        there = now[job, node]
        if there[1] == expected and hash != expected:
            now[job, node] = changed[job, node] = there = (mark, hash, at)
        states.append(None if there[0] is None else there)
    if changed:
        rows = [(*key, *row[:2]) for key, row in changed.items()]
        await tx.run(_REGISTER, (at, *map(list, zip(*rows, strict=True))))
    return states, bool(changed)


async def states(tx: Transaction, keys: Sequence[Key] | None) -> list[Row]:
    """Rows of ``STATE``."""
    jobs_ = None if keys is None else [job for job, _ in keys]
    nodes = None if keys is None else [node for _, node in keys]
    return await tx.all(_STATES, {"jobs": jobs_, "nodes": nodes})


async def pull_back(tx: Transaction, job: str, node: str, expected: int, to: int) -> bool:
    return await tx.run(_PULL_BACK, (to, job, node, expected)) > 0


# -- claims -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Work:
    """What is known of a batch of steps, each of another job, and what is to be written of it."""

    book: spans.Book
    same: dict[str, Row]
    taken: set[tuple[str, str, int]]
    open: dict[Key, list[OpenRun]]
    new: list[tuple[Step, Answer, Verdict]] = field(default_factory=list)
    moves: list[tuple[Step, spans.Kept | None]] = field(default_factory=list)

    def has_run(self, step: Step) -> bool:
        """Whether the tick has its run, perhaps this one. StoreError if the id is another run's."""
        assert step.run is not None, "asked of claims with a run"
        same = self.same.get(step.run[_ID])
        if same is not None and not _of_this_tick(same, step, step.run):
            raise id_taken(step.run[_ID], same[_NUMBER])
        return (step.job, step.node, step.run[_TICK]) in self.taken

    def own(self, step: Step) -> Row | None:
        """The row of ``RUN`` of this claim, if it was carried out before."""
        same = None if step.run is None else self.same.get(step.run[_ID])
        if same is None or step.run is None or not _of_this_tick(same, step, step.run):
            return None
        return same[:-2]


async def claim(tx: Transaction, steps: Sequence[Step]) -> list[Answer]:
    """Carry out *steps*, each of another job and with another run. StoreError if an id is another run's."""
    found = await jobs.lock(tx, [step.key for step in steps], make=False)
    at = await tx.clock()
    work = await _look(tx, steps, found)
    answers = [_judge(work, step, found.get(step.key), at) for step in steps]
    await _write(tx, work)
    return answers


async def _look(tx: Transaction, steps: Sequence[Step], found: dict[Key, Row]) -> _Work:
    """By statements after the one that locked: they see what was committed until then."""
    concerned = [step for step in steps if step.key in found and found[step.key][1] == step.hash]
    inserting = [(step, step.run) for step in concerned if step.run is not None]
    same = await tx.all(_SAME, ([run[_ID] for _, run in inserting],)) if inserting else []
    work = _Work(spans.Book(()), {row[1]: row for row in same}, set(), {})
    current = [(step, run) for step, run in inserting if found[step.key][0] == step.expected]
    if current:
        ticks = [(step.job, step.node, run[_TICK]) for step, run in current]
        work.taken = set(await tx.all(_TAKEN, list(map(list, zip(*ticks, strict=True)))))
    judged = [step.key for step, run in current if run[_OVERLAP] != "allow" or step.in_turn]
    if judged:
        await overlaps.hold(tx, judged)
        work.open = await overlaps.open_runs(tx, judged)
    adding = [step.key for step in concerned if found[step.key][0] == step.expected]
    work.book = await spans.Book.read(tx, [found[key][3] for key in adding if found[key][3] is not None])
    return work


def _judge(work: _Work, step: Step, found: Row | None, at: int) -> Answer:
    state = None if found is None or found[0] is None else found[:3]
    if found is None or state is None or found[1] != step.hash:
        return Answer("hash", state)
    if found[0] != step.expected:
        own = work.own(step)
        return Answer("moved" if own is None else "run", state, run=own)
    if step.mark > at + _EARLIEST:
        return Answer("early", state)
    ending = None if found[3] is None else work.book.ending.get(found[3])
    if step.run is None:
        return _skip(work, step, state, ending, step.span)
    beside = work.open.get(step.key, [])
    if step.in_turn and out_of_turn(Trigger(step.run[_TRIGGER]), beside) and not work.has_run(step):
        return Answer("busy", state)
    return _run(work, step, state, ending, step.run, beside)


def _run(
    work: _Work, step: Step, state: Row, ending: spans.Kept | None, run: Row, beside: list[OpenRun]
) -> Answer:
    if work.has_run(step):
        return _pass_by(work, step, state, ending)
    if run[_ID] in work.same:
        raise id_taken(run[_ID], work.same[run[_ID]][_NUMBER])
    verdict = judge(run[_OVERLAP], beside)
    if verdict.blocked is not None:
        return _skip(work, step, state, ending, overlapped(step, run, verdict.blocked.number))
    if step.passed is not None:
        work.book.add(step.passed, ending)
    work.moves.append((step, None))
    answer = Answer("run", (step.mark, *state[1:]))
    work.new.append((step, answer, verdict))
    return answer


def _pass_by(work: _Work, step: Step, state: Row, ending: spans.Kept | None) -> Answer:
    """Pulled back, the mark goes over ticks that have their runs."""
    if step.passed is not None:
        work.book.add(step.passed, ending)
    own = work.own(step)
    work.moves.append((step, None))
    return Answer("moved" if own is None else "run", (step.mark, *state[1:]), run=own)


def _skip(work: _Work, step: Step, state: Row, ending: spans.Kept | None, span: Row | None) -> Answer:
    assert span is not None, "a claim has a run or a span"
    if step.passed is not None:
        ending = work.book.add(step.passed, ending)
    kept = work.book.add(span, ending)
    work.moves.append((step, kept))
    return Answer("span", (step.mark, *state[1:]), span=kept)


def _of_this_tick(same: Row, step: Step, run: Row) -> bool:
    return (same[_JOB], *same[-2:]) == (step.job, step.node, run[_TICK])


def overlapped(step: Step, run: Row, number: int) -> Row:
    """The span of the ticks that *run* would have covered, which run *number* is in the way of.

    Ticks that are passed over have theirs; then there is the run's own left.
    """
    covers: list[Any] = [run[_TICK], run[_TICK], 1] if run[_COVERS] is None else json.loads(run[_COVERS])
    if step.passed is not None and covers[0] <= step.passed[_LAST]:
        covers = [run[_TICK], run[_TICK], 1]
    return step.job, step.node, "overlap", f"run {number}", *covers


async def _write(tx: Transaction, work: _Work) -> None:
    await work.book.write(tx)
    if work.moves:
        rows = [(*step.key, step.mark, None if kept is None else kept.id) for step, kept in work.moves]
        await tx.run(_MOVE, list(map(list, zip(*rows, strict=True))))
    new = [(*step.run, step.not_before) for step, _, _ in work.new if step.run is not None]
    numbers = await runs.insert(tx, new)
    said = []
    for step, answer, verdict in work.new:
        assert step.run is not None, "only claims with a run insert one"
        number = numbers[step.run[_ID]]
        answer.run = queued_run(number, step.run, tx.at)
        if verdict.displaced or verdict.cancelled:
            said.append((number, verdict))
    if not said:
        return
    concerned = await overlaps.give_way(tx, said, tx.at)
    for _, answer, verdict in work.new:
        if verdict.displaced:
            answer.displaced = concerned[verdict.displaced[0].number]
        if verdict.cancelled:
            answer.cancel = concerned[verdict.cancelled[0].number]
