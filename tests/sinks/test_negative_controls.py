"""The tests of deliveries find deliveries that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

_SUITE = """
from datetime import timedelta
import anyio, pytest
from tests.sinks.conftest import *
from jobkit.sinks import backoff, leasing, local, round, settling, worker
from jobkit.stores.outbox import OutboxVerdict
{tests}

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture(autouse=True)
def wrong(monkeypatch):
    set = monkeypatch.setattr
    from tests.sinks import conftest
    set(conftest, "PATIENCE", 1.0)
{wrong}
"""

# Which rule is broken → how → the tests that have to see it.
_CONTROLS = {
    "every failure counts": (
        """
    set(round.Round, "_failed", lambda self, entry, given: self._count(entry, "no"))
""",
        ["test_delivery.test_down_for_a_while_loses_nothing"],
    ),
    "no failure counts": (
        """
    set(round.Round, "_count", lambda self, entry, error: None)
""",
        ["test_delivery.test_a_run_that_always_fails_is_given_up"],
    ),
    "nothing holds up later runs": (
        """
    tried = round.Round._try
    async def attempt(self, entry):
        await tried(self, entry)
        return True
    set(round.Round, "_try", attempt)
""",
        ["test_delivery.test_a_bad_run_holds_up_only_its_job"],
    ),
    "settled before it was taken": (
        """
    tried = round.Round._try
    async def attempt(self, entry):
        self._settlement.add(OutboxVerdict(entry.id, "delivered"))
        await self._settlement.flush()
        return await tried(self, entry)
    set(round.Round, "_try", attempt)
""",
        [
            "test_delivery.test_stopped_in_the_middle_it_repeats_only_what_was_under_way",
            "test_delivery.test_down_for_a_while_loses_nothing",
        ],
    ),
    "nothing is settled at the end": (
        """
    async def let_go(self, lease):
        pass
    set(worker.OutboxWorker, "_let_go", let_go)
""",
        ["test_delivery.test_stopped_in_the_middle_it_repeats_only_what_was_under_way"],
    ),
    "settled only at the end": (
        """
    set(settling, "MOST_UNSETTLED", 10**6)
""",
        ["test_delivery.test_settled_as_it_goes"],
    ),
    "whoever has the lease is dead": (
        """
    set(leasing, "_is_dead", lambda owner: True)
""",
        ["test_once.test_another_process_delivers"],
    ),
    "whoever has the lease lives": (
        """
    set(leasing, "_is_dead", lambda owner: False)
""",
        ["test_delivery.test_the_lease_of_a_dead_process_ends_at_once"],
    ),
    "leases are not renewed": (
        """
    async def keep(self, lease, lost):
        await anyio.sleep_forever()
    set(leasing.Leaseholder, "keep", keep)
""",
        ["test_delivery.test_a_long_emit_keeps_the_lease", "test_delivery.test_fenced_it_stops"],
    ),
    "no delays": (
        """
    set(backoff.Backoff, "seconds", lambda self, failures: 0.0)
""",
        ["test_delivery.test_suspended_it_is_not_asked_for_every_run"],
    ),
    "suspended means suspended": (
        """
    set(round, "MOST_IN_A_ROW", 1)
""",
        ["test_delivery.test_a_new_job_is_not_held_up_by_a_bad_run"],
    ),
    "nothing grows old": (
        """
    set(round.Round, "_is_too_old", lambda self, entry: False)
""",
        ["test_delivery.test_what_is_too_old_is_given_up"],
    ),
    "a rejection is a failure": (
        """
    from jobkit.sinks import giving
    set(giving, "is_rejection", lambda error: False)
""",
        ["test_delivery.test_rejected_is_given_up_at_once"],
    ),
    "one attempt takes as long as it takes": (
        """
    set(round.Round, "_seconds_left", lambda self: self._parts.sink.timeout)
""",
        ["test_once.test_its_time_is_limited"],
    ),
    "sinks share their records": (
        """
    set(local.copy, "deepcopy", lambda run: run)
""",
        ["test_local.test_sinks_do_not_see_what_others_do_to_a_run"],
    ),
}


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.syspathinsert(Path(__file__).parents[2])
    return pytester


@pytest.mark.parametrize("what", _CONTROLS)
def test_a_wrong_delivery_is_found(suite: pytest.Pytester, what: str) -> None:
    """Each of the tests that are about that rule fails."""
    wrong, tests = _CONTROLS[what]
    _, failed = _run(suite, wrong, tests)
    assert {name.partition("[")[0] for name in failed} == {test.partition(".")[2] for test in tests}


def test_the_right_one_passes_them_all(suite: pytest.Pytester) -> None:
    """They fail because of what was changed."""
    tests = sorted({test for _, tests in _CONTROLS.values() for test in tests})
    passed, failed = _run(suite, '    set(conftest, "PATIENCE", 30.0)\n', tests)
    assert not failed
    assert len(passed) >= len(tests)


def _run(suite: pytest.Pytester, wrong: str, tests: list[str]) -> tuple[set[str], set[str]]:
    parts = [test.partition(".") for test in tests]
    imports = "\n".join(f"from tests.sinks.{module} import {name}" for module, _, name in parts)
    text = _SUITE.replace("{tests}", imports).replace("{wrong}", wrong)

    suite.makepyfile(test_wrong=text)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "-o", "anyio_mode=auto", "-k", "not sqlite")
    reports = result.reprec.getreports("pytest_runtest_logreport")  # type: ignore[attr-defined]
    names = {
        outcome: {report.nodeid.rpartition("::")[2] for report in reports if report.outcome == outcome}
        for outcome in ("passed", "failed")
    }
    return names["passed"], names["failed"]
