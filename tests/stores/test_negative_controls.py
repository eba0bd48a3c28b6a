"""The conformance suite finds stores that are wrong, and at the right cases."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Which rule is broken → how, in each store → the cases that have to see it.
_MEMORY_CONTROLS = {
    "fences are not looked at": (
        """
    def _holds(self, lease):
        held = self._same(lease.run_id)
        return held if held is not None and held.lease is not None else None
""",
        {
            "test_a_fenced_finish_makes_nothing_wait",
            "test_a_fenced_owner_changes_nothing",
            "test_a_retry_waits_for_it",
            "test_a_run_by_hand_waits_for_its_limit",
            "test_the_same_retry_again_is_the_same",
        },
    ),
    "every lease counts as expired": (
        """
    def _expired(self, lease):
        return True
""",
        {
            "test_a_living_lease_is_left_alone",
            "test_a_process_takes_its_threads_along",
            "test_a_renewal_extends_from_now",
            "test_an_expired_lease_can_still_be_renewed",
            "test_it_keeps_its_lease_while_it_waits",
            "test_its_lease_stays_when_its_run_has_ended",
            "test_open_leases_say_what_is_needed_to_settle_them",
        },
    ),
    "no lease ever expires": (
        """
    def _expired(self, lease):
        return False
""",
        {
            "test_a_lost_run_waits_too",
            "test_a_process_takes_its_threads_along",
            "test_an_expired_lease_can_still_be_renewed",
            "test_an_expired_one_is_lost",
            "test_it_keeps_its_lease_while_it_waits",
            "test_open_leases_say_what_is_needed_to_settle_them",
        },
    ),
    "an expired lease cannot be renewed": (
        """
    def _renew(self, lease):
        held = self._holds(lease)
        return held is not None and not self._expired(held.lease) and super()._renew(lease)
""",
        {
            "test_a_retry_waits_for_it",
            "test_an_expired_lease_can_still_be_renewed",
            "test_it_keeps_its_lease_while_it_waits",
            "test_its_lease_stays_when_its_run_has_ended",
        },
    ),
    "numbers are counted, not remembered": (
        """
    def _next_number(self):
        return len(self._kept.runs) + 1
""",
        {
            "test_a_number_is_never_given_again",
            "test_pages_stand_while_runs_are_added_and_deleted",
        },
    ),
    "the same id is inserted again": (
        """
    async def add_run(self, run, *, overlap="allow"):
        with await self._turn():
            terms = terms_of(run, overlap)
            self._admit(run.job, terms)
            self._wake_others()
            return given(self._insert(queued(run), terms, run.not_before).record)
""",
        {
            "test_the_same_id_again_is_not_in_its_own_way",
            "test_the_same_id_again_is_the_same_run",
            "test_the_same_id_again_shows_the_run_as_it_stands",
        },
    ),
    "anybody may start a pinned run that waits": (
        """
    def _may_start(self, held, owner):
        return True
""",
        {
            "test_a_run_by_hand_waits_for_its_limit",
            "test_a_run_by_hand_waits_for_its_turn",
            "test_nobody_else_may_start_it",
        },
    ),
    "another project's runs are shown": (
        """
    async def __aenter__(self):
        self._project = self._kept.project
        return await super().__aenter__()
""",
        {"test_another_project_is_refused"},
    ),
}

_SQLITE_CONTROLS = {
    "fences are not looked at": (
        """
def unfenced(statement):
    assert "fence = ?" in statement
    return statement.replace("fence = ?", "? IS NOT NULL")

for name in "_RENEW _END_ATTEMPT _FINISH _REQUEUE _TO_SETTLE _LOSE _TRY_AGAIN _PROGRESS".split():
    setattr(leases, name, unfenced(getattr(leases, name)))
""",
        {
            "test_a_fenced_finish_makes_nothing_wait",
            "test_a_fenced_owner_changes_nothing",
            "test_a_run_by_hand_waits_for_its_limit",
            "test_the_same_retry_again_is_the_same",
        },
    ),
    "expiry is not looked at": (
        """
leases._TO_SETTLE = leases._TO_SETTLE.replace("lease_expires_at <= ?", "? IS NOT NULL")
""",
        {"test_a_living_lease_is_left_alone", "test_an_expired_lease_can_still_be_renewed"},
    ),
    "numbers are given again": (
        """
from dataclasses import replace
first, *rest = schema.known()
schema.known = lambda: (replace(first, sql=first.sql.replace("AUTOINCREMENT", "")), *rest)
""",
        {"test_a_number_is_never_given_again"},
    ),
    "the same id is inserted again": (
        """
from dataclasses import replace
def changed(step):
    return replace(step, sql=step.sql.replace("NOT NULL UNIQUE", "NOT NULL"))

known = schema.known()
schema.known = lambda: tuple(map(changed, known))
""",
        {
            "test_a_queued_run_can_be_started_by_its_id",
            "test_an_id_of_another_run_is_refused",
            "test_an_id_that_somebody_else_started_is_refused",
            "test_the_same_id_again_is_the_same_run",
            "test_the_same_start_again_is_the_same_start",
        },
    ),
    "an attempt is started whoever has the run": (
        """
condition = "status = 'queued' AND (lease_owner IS NULL OR lease_owner = :owner)"
assert condition in runs._START
runs._START = runs._START.replace(condition, "TRUE")
""",
        {
            "test_a_queued_run_can_end_without_an_attempt",
            "test_a_queued_run_is_cancelled_at_once",
            "test_a_run_by_hand_waits_for_its_limit",
            "test_a_run_by_hand_waits_for_its_turn",
            "test_a_run_that_waits_for_its_retry_gives_way",
            "test_it_is_lost_with_its_process",
            "test_nobody_else_may_start_it",
            "test_only_one_of_many_gets_a_run",
            "test_what_is_not_queued_is_not_started",
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
    """The same with SQL that lacks a condition."""
    wrong, expected = _SQLITE_CONTROLS[rule]
    assert failing_in_a_file(wrong, expected) == expected


def test_a_right_store_passes(failing_in_memory: Callable[[str, set[str]], set[str]]) -> None:
    """The control of the controls: with nothing broken, nothing fails."""
    assert failing_in_memory("    pass", set()) == set()
