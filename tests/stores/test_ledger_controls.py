"""The conformance suite finds stores that keep the ledger wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Which rule is broken → how, in each store → the cases that have to see it.
_MEMORY_CONTROLS = {
    "the mark is not compared": (
        """
    def _as_expected(self, state, step):
        return True
""",
        {
            "test_a_span_accounts_for_its_ticks",
            "test_answers_come_in_the_order_of_the_claims",
            "test_the_mark_has_to_be_the_expected_one",
            "test_the_same_claim_again_finds_its_run",
        },
    ),
    "a tick may have several runs": (
        """
    def _has_run(self, step):
        return False
""",
        {"test_a_tick_that_has_a_run_gets_no_second", "test_the_same_claim_in_turn_finds_its_run"},
    ),
    "whoever is early gets the tick": (
        """
    def _early(self, step):
        return False
""",
        {"test_a_tick_that_is_not_due_is_refused"},
    ),
    "whoever asks has the turn": (
        """
    def _busy(self, step):
        return False
""",
        {
            "test_a_backlog_run_that_waits_for_its_retry_is_open",
            "test_a_tick_on_time_waits_for_the_backlog_alone",
            "test_an_abandoned_thread_of_the_backlog_is_open",
            "test_one_of_many_has_the_turn",
            "test_the_backlog_is_worked_off_one_at_a_time",
            "test_turns_are_a_jobs_own",
        },
    ),
    "a tick waits for its turn though it has run": (
        """
    def _has_run(self, step):
        return False if self._asking else super()._has_run(step)

    _asking = False

    def _busy(self, step):
        self._asking = True
        try:
            return super()._busy(step)
        finally:
            self._asking = False
""",
        {"test_the_same_claim_in_turn_finds_its_run"},
    ),
    "every schedule makes ticks": (
        """
    def _claim(self, step):
        state = self._kept.ledger.states.get(step.key)
        return super()._claim(step if state is None else replace(step, hash=state.hash))
""",
        {"test_another_schedule_makes_no_ticks"},
    ),
    "what is passed over is forgotten": (
        """
    async def claim(self, claims):
        return await super().claim([replace(claim, passed=None) for claim in claims])
""",
        {
            "test_a_claim_is_one_step",
            "test_the_span_covers_what_the_run_would_have",
            "test_what_is_passed_over_gets_its_span",
            "test_what_is_passed_over_is_in_one_span",
        },
    ),
    "overlap is judged outside of the lock": (
        """
    async def _judged(self, key, overlap):
        with await self._turn():
            blocked = judge(overlap, self._open_runs(key)).blocked
            found = None if blocked is None else self._find(blocked.id).record
        await anyio.lowlevel.checkpoint()
        return found

    async def add_run(self, run, *, overlap="allow"):
        blocked = await self._judged(JobKey(run.job, run.node), overlap)
        if blocked is not None and run.id not in self._kept.runs:
            raise RunInTheWay(blocked)
        return await super().add_run(run, overlap="allow" if overlap == "skip" else overlap)
""",
        {"test_one_of_many_is_inserted"},
    ),
    "a run that waits for its retry is in the way": (
        """
    def _open_runs(self, key):
        found = super()._open_runs(key)
        return [replace(run, attempt=0) if run.queued and not run.held else run for run in found]
""",
        {
            "test_a_run_by_hand_takes_the_place_of_a_retry",
            "test_a_run_that_waits_for_its_retry_gives_way",
        },
    ),
    "abandoned threads count for nothing": (
        """
    def _open_of(self, key):
        return [held for held in super()._open_of(key) if not held.record.status.finished]
""",
        {
            "test_an_abandoned_thread_of_the_backlog_is_open",
            "test_it_counts_for_limits",
            "test_it_counts_for_overlap",
        },
    ),
    "limits are not counted": (
        """
    def _full(self, limits):
        return frozenset()
""",
        {
            "test_a_limit_holds_for_all_replicas",
            "test_a_run_by_hand_waits_for_its_limit",
            "test_a_run_waits_for_its_limit",
            "test_all_of_its_limits_must_have_room",
            "test_every_end_frees_its_place",
            "test_it_counts_for_limits",
        },
    ),
    "a cancelled run is tried again": (
        """
    async def retry_later(self, *arguments):
        self._heed = lambda held: None
        try:
            return await super().retry_later(*arguments)
        finally:
            del self._heed
""",
        {"test_a_cancelled_run_is_not_tried_again"},
    ),
    "marks are pruned": (
        """
    async def prune(self, before):
        self._kept.ledger.states.clear()
        return await super().prune(before)
""",
        {
            "test_pruning_deletes_old_spans",
            "test_pruning_leaves_marks",
        },
    ),
    "whoever has written is woken too": (
        """
    def _wake_others(self):
        for sleeper in self._kept.sleepers:
            sleeper.wake()
""",
        {"test_nobody_wakes_himself"},
    ),
}

_SQLITE_CONTROLS = {
    "whatever has run is done": (
        """
punctuality._TICK = punctuality._TICK.replace("AND status = 'succeeded'", "")
""",
        {"test_a_retry_does_the_tick_that_it_repeats", "test_a_tick_is_done_when_its_run_has_succeeded"},
    ),
    "retries do nothing for their ticks": (
        """
punctuality._RETRIED = punctuality._RETRIED.replace("'retry'", "'api'")
""",
        {
            "test_a_retry_does_the_tick_that_it_repeats",
            "test_each_node_has_its_own_ticks",
            "test_the_first_success_may_be_a_retry",
        },
    ),
    "every run tells how long a job takes": (
        """
punctuality._NEWEST = punctuality._NEWEST.replace("LIMIT ?", "LIMIT max(?, 10000)")
punctuality._durations = lambda connection, job: [took for _, took in connection.execute(
    punctuality._NEWEST, (job, 1)) if took is not None]
""",
        {"test_it_is_known_how_long_runs_take", "test_the_newest_runs_tell_how_long_they_take"},
    ),
    "the mark is not compared": (
        """
claims._as_expected = lambda state, step: True
""",
        {
            "test_a_span_accounts_for_its_ticks",
            "test_answers_come_in_the_order_of_the_claims",
            "test_the_mark_has_to_be_the_expected_one",
            "test_the_same_claim_again_finds_its_run",
        },
    ),
    "a tick may have several runs": (
        """
from dataclasses import replace
def changed(step):
    return replace(step, sql=step.sql.replace("UNIQUE INDEX runs_of_tick", "INDEX runs_of_tick"))

known = schema.known()
assert any("UNIQUE INDEX runs_of_tick" in step.sql for step in known)
schema.known = lambda: tuple(map(changed, known))
""",
        {"test_a_tick_that_has_a_run_gets_no_second", "test_the_same_claim_in_turn_finds_its_run"},
    ),
    "whoever is early gets the tick": (
        """
claims._early = lambda step, at: False
""",
        {"test_a_tick_that_is_not_due_is_refused"},
    ),
    "whoever asks has the turn": (
        """
claims._busy = lambda connection, step, run: False
""",
        {
            "test_a_backlog_run_that_waits_for_its_retry_is_open",
            "test_a_tick_on_time_waits_for_the_backlog_alone",
            "test_an_abandoned_thread_of_the_backlog_is_open",
            "test_one_of_many_has_the_turn",
            "test_the_backlog_is_worked_off_one_at_a_time",
            "test_turns_are_a_jobs_own",
        },
    ),
    "a mark is moved in a transaction of its own": (
        """
from functools import partial
import anyio
move = claims._move
claims._move = lambda connection, step, state, span: (step.mark, *state[1:3])

class Apart(SqliteStore):
    async def claim(self, claims_):
        answers = await super().claim(claims_)
        await anyio.sleep(0.01)
        for claim, answer in zip(claims_, answers):
            if answer.state.mark == claim.mark:
                work = partial(move, step=claims.step_of(claim), state=(0, "", 0), span=None)
                await self._database.write(work)
        return answers

SqliteStore = Apart
""",
        {
            "test_a_claim_is_one_step",
            "test_answers_come_in_the_order_of_the_claims",
            "test_skip_makes_a_span_of_what_is_in_the_way",
            "test_what_belongs_together_is_one_span",
        },
    ),
    "abandoned threads count for nothing": (
        """
before, union, after = overlaps._OPEN.partition("UNION ALL")
overlaps._OPEN = before
assert union
""",
        {"test_an_abandoned_thread_of_the_backlog_is_open", "test_it_counts_for_overlap"},
    ),
    "limits are not counted": (
        """
overlaps.full = lambda connection, limits: frozenset()
""",
        {
            "test_a_limit_holds_for_all_replicas",
            "test_a_run_by_hand_waits_for_its_limit",
            "test_a_run_waits_for_its_limit",
            "test_all_of_its_limits_must_have_room",
            "test_every_end_frees_its_place",
            "test_it_counts_for_limits",
        },
    ),
    "limits of abandoned threads are free": (
        """
before, union, after = overlaps._HOLDING.partition("UNION ALL")
overlaps._HOLDING = before
assert union
""",
        {"test_it_counts_for_limits"},
    ),
    "marks are pruned": (
        """
prune = upkeep.prune_ledger

def wrong(connection, before):
    connection.execute("DELETE FROM job_states")
    return prune(connection, before)

upkeep.prune_ledger = wrong
""",
        {
            "test_pruning_deletes_old_spans",
            "test_pruning_leaves_marks",
        },
    ),
}


@pytest.mark.parametrize("rule", _MEMORY_CONTROLS)
def test_a_wrong_store_in_memory_is_found(
    failing_in_memory: Callable[[str, set[str]], set[str]], rule: str
) -> None:
    """Exactly the cases that are about the broken rule fail."""
    wrong, expected = _MEMORY_CONTROLS[rule]
    assert failing_in_memory(wrong, expected) == expected


@pytest.mark.parametrize("rule", _SQLITE_CONTROLS)
def test_a_wrong_store_in_a_file_is_found(
    failing_in_a_file: Callable[[str, set[str]], set[str]], rule: str
) -> None:
    """The same with a statement or a comparison that is missing."""
    wrong, expected = _SQLITE_CONTROLS[rule]
    assert failing_in_a_file(wrong, expected) == expected
