"""The conformance suite finds stores that are wrong, and at the right cases."""

from __future__ import annotations

import pytest

_MEMORY = """
import pytest
from jobkit.stores.kept import Kept, given, queued
from jobkit.stores.memory import MemoryStore
from jobkit.testing.conformance import StoreConformance

class Wrong(MemoryStore):
{wrong}

class TestWrong(StoreConformance):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def open_store(self, clock):
        kept = Kept("conformance")
        return lambda *, project="conformance": Wrong(project=project, now=clock.now, kept=kept)
"""

_SQLITE = """
import tempfile
from pathlib import Path
import pytest
from jobkit.stores.sqlite import leases, runs, schema
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.testing.conformance import StoreConformance

{wrong}

class TestWrong(StoreConformance):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def open_store(self, clock):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            yield lambda *, project="conformance": SqliteStore(
                folder / "jobkit.db", project=project, root=folder, now=clock.now
            )
"""

# Which rule is broken → how, in each store → the cases that have to see it.
_MEMORY_CONTROLS = {
    "fences are not looked at": (
        """
    def _holds(self, lease):
        held = self._same(lease.run_id)
        return held if held is not None and held.lease is not None else None
""",
        {"test_a_fenced_owner_changes_nothing", "test_the_same_retry_again_is_the_same"},
    ),
    "every lease counts as expired": (
        """
    def _expired(self, lease):
        return True
""",
        {
            "test_a_living_lease_is_left_alone",
            "test_a_renewal_extends_from_now",
            "test_an_expired_lease_can_still_be_renewed",
            "test_it_keeps_its_lease_while_it_waits",
            "test_open_leases_say_what_is_needed_to_settle_them",
        },
    ),
    "no lease ever expires": (
        """
    def _expired(self, lease):
        return False
""",
        {
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
        {"test_an_expired_lease_can_still_be_renewed", "test_it_keeps_its_lease_while_it_waits"},
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
    async def add_run(self, run):
        with await self._turn():
            return given(self._insert(queued(run)).record)
""",
        {
            "test_the_same_id_again_is_the_same_run",
            "test_the_same_id_again_shows_the_run_as_it_stands",
        },
    ),
    "anybody may start a pinned run that waits": (
        """
    def _may_start(self, held, owner):
        return True
""",
        {"test_nobody_else_may_start_it"},
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
        {"test_a_fenced_owner_changes_nothing", "test_the_same_retry_again_is_the_same"},
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
known = schema.known()
schema.known = lambda: tuple(replace(step, sql=step.sql.replace("AUTOINCREMENT", "")) for step in known)
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
            "test_an_id_that_somebody_else_started_is_refused",
            "test_a_queued_run_can_be_started_by_its_id",
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
            "test_only_one_of_many_gets_a_run",
            "test_what_is_not_queued_is_not_started",
            "test_nobody_else_may_start_it",
            "test_it_is_lost_with_its_process",
        },
    ),
}


def _failed(result: pytest.RunResult) -> set[str]:
    """The names of the cases that failed, whatever their parameters."""
    failed = set()
    for line in result.outlines:
        if line.startswith("FAILED "):
            name = line.removeprefix("FAILED ").split(" - ")[0].rpartition("::")[2]
            failed.add(name.partition("[")[0])
    return failed


@pytest.mark.parametrize("rule", _MEMORY_CONTROLS)
def test_a_wrong_store_in_memory_is_found(pytester: pytest.Pytester, rule: str) -> None:
    """Exactly the cases that are about the broken rule fail."""
    wrong, expected = _MEMORY_CONTROLS[rule]
    pytester.makepyfile(_MEMORY.format(wrong=wrong))
    result = pytester.runpytest_inprocess("-q", "-rf", "-p", "no:cacheprovider")
    assert _failed(result) == expected
    assert result.parseoutcomes()["passed"] > 100


@pytest.mark.parametrize("rule", _SQLITE_CONTROLS)
def test_a_wrong_store_in_a_file_is_found(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    child_environment: dict[str, str],
    rule: str,
) -> None:
    """The same with SQL that lacks a condition; in a process of its own, whose SQL is changed."""
    wrong, expected = _SQLITE_CONTROLS[rule]
    for name in ("PYTHONPATH", "TMPDIR"):
        if name in child_environment:
            monkeypatch.setenv(name, child_environment[name])
    pytester.makepyfile(_SQLITE.format(wrong=wrong))
    # What is about values and queries is many cases, and about none of these rules.
    which = "not text and not values and not query and not pages"
    result = pytester.runpytest_subprocess("-q", "-rf", "-k", which, "-p", "no:cacheprovider")
    assert _failed(result) == expected
    assert result.parseoutcomes()["passed"] > 50


def test_a_right_store_passes(pytester: pytest.Pytester) -> None:
    """The control of the controls: with nothing broken, nothing fails."""
    pytester.makepyfile(_MEMORY.format(wrong="    pass"))
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider")
    assert set(result.parseoutcomes()) == {"passed"}
