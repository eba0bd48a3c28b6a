"""The conformance suite finds what is wrong with a store on PostgreSQL, at the cases that are about it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_tests.server import GIVEN, Server

from jobkit.testing.conformance import StoreConformance

_SUITE = """
from collections import Counter
from dataclasses import replace
import pytest
from jobkit_postgres import claims, jobs, leases, outbox, overlaps, pauses, renewals, schema, spans, upkeep
from jobkit.testing.conformance import StoreConformance
from postgres_tests.test_conformance import OnServer

def changed(module, name, right, wrong):
    text = getattr(module, name)
    assert right in text, text
    setattr(module, name, text.replace(right, wrong))

{wrong}

class TestWrong(OnServer, *[cases for cases in StoreConformance.__bases__ if cases.__name__ in {cases}]):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"
"""


@dataclass(frozen=True)
class Wrong:
    """What is changed, and the cases that notice it."""

    code: str
    noticed: frozenset[str]


def _wrong(code: str, *noticed: str) -> Wrong:
    return Wrong(code, frozenset(noticed))


WRONG = {
    "a finish needs no lease": _wrong(
        'changed(leases, "_FINISH", "AND fence = g_fence AND lease_owner IS NOT NULL", "")',
        "test_a_fenced_owner_changes_nothing",
        "test_a_fenced_finish_is_kept_as_late_outcome",
        "test_the_same_finish_again_is_the_same_finish",
        "test_a_lease_that_was_let_go_ends_nothing",
    ),
    "leases that live are settled": _wrong(
        'changed(leases, "_TO_SETTLE", "OR lease_expires_at <= %s", "OR lease_expires_at > %s - 1e15")',
        "test_a_living_lease_is_left_alone",
    ),
    "an expired lease cannot be renewed": _wrong(
        'changed(renewals, "_RENEW", "runs.fence = given.fence",'
        ' "runs.fence = given.fence AND lease_expires_at > jobkit.instant()")',
        "test_an_expired_lease_can_still_be_renewed",
    ),
    "a tick has no key": _wrong(
        """
changed(claims, "_TAKEN", "USING (job, home, tick)", "USING (job, home, tick) WHERE false")
known = schema.known
schema.known = lambda: tuple(
    replace(step, sql=step.sql.replace("CREATE UNIQUE INDEX", "CREATE INDEX")) for step in known()
)
""",
        "test_a_tick_that_has_a_run_gets_no_second",
    ),
    "the mark is not compared": _wrong(
        """
claim = claims.claim

async def wrong(tx, steps):
    found = await jobs.lock(tx, [step.key for step in steps], make=False)
    return await claim(tx, [
        replace(step, expected=found[step.key][0]) if step.key in found else step for step in steps
    ])

claims.claim = wrong
""",
        "test_answers_come_in_the_order_of_the_claims",
        "test_the_mark_has_to_be_the_expected_one",
        "test_the_same_claim_again_finds_its_run",
    ),
    "whoever is early gets the tick": _wrong(
        "claims._EARLIEST = 10**18",
        "test_a_tick_that_is_not_due_is_refused",
    ),
    "what belongs together is kept apart": _wrong(
        """
add = spans.Book.add
spans.Book.add = lambda self, span, ending: add(self, span, None)
""",
        "test_what_belongs_together_is_one_span",
    ),
    "limits are not counted": _wrong(
        """
async def taken(tx):
    return Counter()

overlaps.taken = taken
""",
        "test_a_limit_holds_for_all_replicas",
        "test_a_run_by_hand_waits_for_its_limit",
        "test_a_run_waits_for_its_limit",
        "test_all_of_its_limits_must_have_room",
        "test_every_end_frees_its_place",
    ),
    "abandoned threads count for nothing": _wrong(
        """
overlaps._OPEN, union, _ = overlaps._OPEN.partition("UNION ALL")
assert union
""",
        "test_it_counts_for_overlap",
    ),
    "what waits has no order": _wrong(
        'changed(outbox, "_WAITING", "ORDER BY found.id", "ORDER BY found.id DESC")',
        "test_a_lost_run_waits_too",
        "test_a_sink_that_nobody_registers_is_forgotten",
        "test_an_entry_says_what_is_needed_to_deliver_it",
        "test_the_order_is_that_of_the_finishes",
        "test_the_same_finish_again_waits_once",
        "test_what_waits_is_read_in_pages",
    ),
    "a pause never ends by itself": _wrong(
        'changed(pauses, "_PAUSES", "(until IS NULL OR until > %(at)s)", "true")',
        "test_a_pause_can_end_by_itself",
        "test_pauses_of_the_past_can_be_asked_for",
    ),
    "marks are pruned": _wrong(
        """
prune = upkeep.prune_ledger

async def wrong(tx, before):
    await tx.run("DELETE FROM jobkit.job_states")
    return await prune(tx, before)

upkeep.prune_ledger = wrong
""",
        "test_pruning_leaves_marks",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found(server: Server, tmp_path: Path, name: str) -> None:
    """By exactly the cases that are about it, of all those in their classes."""
    wrong = WRONG[name]
    missing = [case for case in wrong.noticed if not hasattr(StoreConformance, case)]
    assert not missing, "there are no such cases"
    classes = StoreConformance.__bases__
    cases = [each.__name__ for each in classes if any(hasattr(each, case) for case in wrong.noticed)]
    (tmp_path / "test_wrong.py").write_text(_SUITE.format(wrong=wrong.code, cases=cases), encoding="utf-8")
    options = "-q -rf --import-mode=importlib -p no:cacheprovider -p postgres_tests.conftest"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), "."],
        cwd=tmp_path,
        env=os.environ
        | {
            GIVEN: server.url,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONDONTWRITEBYTECODE": "",  # what pytest has compiled is kept for the next one
        },
        capture_output=True,
        text=True,
        check=False,
    )
    failed = {
        line.rpartition("::")[2].split(" - ")[0].partition("[")[0]
        for line in ended.stdout.splitlines()
        if line.startswith("FAILED ")
    }
    assert failed == wrong.noticed, ended.stdout
    assert " error" not in ended.stdout.splitlines()[-1], ended.stdout
