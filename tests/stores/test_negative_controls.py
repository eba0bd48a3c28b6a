"""The conformance suite finds stores that are wrong, and at the right cases."""

from __future__ import annotations

import pytest

_MEMORY = """
import anyio.lowlevel
import pytest
from dataclasses import replace
from jobkit.stores.kept import Kept, given, queued
from jobkit.stores.memory import MemoryStore
from jobkit.stores.plain import clean_text
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
from jobkit.stores.sqlite import leases, outbox, runs, schema, upkeep
from jobkit.stores.sqlite.store import SqliteStore
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
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
        {
            "test_a_fenced_finish_makes_nothing_wait",
            "test_a_fenced_owner_changes_nothing",
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
            "test_a_lost_run_waits_too",
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
    "nothing waits for the lost": (
        """
    async def settle(self, *arguments, **options):
        self._put_out = lambda record: None
        record = await super().settle(*arguments, **options)
        del self._put_out
        return record
""",
        {
            "test_a_fenced_finish_makes_nothing_wait",
            "test_a_lost_run_waits_too",
            "test_a_pinned_run_waits_once",
            "test_a_sink_that_nobody_registers_is_forgotten",
            "test_finishing_and_waiting_are_one_step",
            "test_the_same_finish_again_waits_once",
        },
    ),
    "what waits is written after the finish": (
        """
    def _put_out(self, record):
        pass

    async def finish(self, lease, outcome):
        before = self._same(lease.run_id)
        again = before is None or before.record.status.finished
        record = await super().finish(lease, outcome)
        if record is not None and not again:
            await anyio.lowlevel.checkpoint()
            super()._put_out(record)
        return record

    async def settle(self, *arguments, **options):
        record = await super().settle(*arguments, **options)
        if record is not None and record.status.finished:
            await anyio.lowlevel.checkpoint()
            super()._put_out(record)
        return record
""",
        {"test_finishing_and_waiting_are_one_step"},
    ),
    "a fenced finish makes the run wait": (
        """
    async def finish(self, lease, outcome):
        record = await super().finish(lease, outcome)
        held = self._same(lease.run_id)
        if record is None and held is not None:
            self._put_out(held.record)
        return record
""",
        {"test_a_fenced_finish_makes_nothing_wait", "test_finishing_and_waiting_are_one_step"},
    ),
    "the same finish again makes the run wait again": (
        """
    async def finish(self, lease, outcome):
        held = self._same(lease.run_id)
        again = held is not None and held.record.status.finished and held.fence == lease.fence
        if again:
            self._put_out(held.record)
        return await super().finish(lease, outcome)
""",
        {"test_finishing_and_waiting_are_one_step", "test_the_same_finish_again_waits_once"},
    ),
    "what is newest waits first": (
        """
    async def outbox(self, sink, *, after=0, limit=100):
        found = await super().outbox(sink, after=after, limit=limit)
        return found[::-1]
""",
        {
            "test_a_dead_letter_says_why",
            "test_a_lost_run_waits_too",
            "test_a_removed_sink_is_gone",
            "test_a_sink_that_nobody_registers_is_forgotten",
            "test_an_entry_says_what_is_needed_to_deliver_it",
            "test_some_of_them_can_be_meant",
            "test_the_order_is_that_of_the_finishes",
            "test_the_same_finish_again_waits_once",
            "test_they_are_replayed_behind_what_waits",
            "test_what_failed_stays_in_its_place",
            "test_what_is_delivered_or_refused_is_gone",
            "test_what_waits_is_read_in_pages",
        },
    ),
    "the fence of a sink is not looked at": (
        """
    def _holds_sink(self, lease):
        return self._kept.outbox.registered(clean_text(lease.sink))
""",
        {
            "test_a_fenced_settlement_changes_nothing",
            "test_a_released_sink_is_free",
            "test_a_sink_that_comes_back_begins_anew",
        },
    ),
    "every process gets the sink": (
        """
    async def take_sink(self, name, owner, duration, *, dead=None):
        return await super().take_sink(name, owner, duration, dead=lambda owner: True)
""",
        {
            "test_a_dead_process_has_nothing",
            "test_having_a_sink_counts_as_registering_it",
            "test_one_process_has_a_sink",
            "test_only_one_of_many_gets_a_sink",
            "test_whoever_has_it_gets_it_renewed",
        },
    ),
    "sinks are never forgotten": (
        """
    def _put_out(self, record):
        known = [sink for sink in self._kept.outbox.sinks.values() if sink.seen_at is not None]
        seen_at = [sink.seen_at for sink in known]
        for sink in known:
            sink.seen_at = self._exactly_now()
        super()._put_out(record)
        for sink, at in zip(known, seen_at):
            sink.seen_at = at
""",
        {
            "test_a_sink_that_nobody_registers_is_forgotten",
            "test_having_a_sink_counts_as_registering_it",
        },
    ),
    "a settlement that is repeated counts twice": (
        """
    async def settle_outbox(self, lease, verdicts, **standing):
        verdicts = [
            replace(verdict, not_before=None) if verdict.kind == "failed" else verdict
            for verdict in verdicts
        ]
        return await super().settle_outbox(lease, verdicts, **standing)
""",
        {"test_the_same_settlement_again_is_the_same", "test_what_failed_stays_in_its_place"},
    ),
    "replayed letters keep their failures": (
        """
    async def replay(self, *, sink=None, ids=None):
        letters = list(self._kept.outbox.dead.values())
        count = await super().replay(sink=sink, ids=ids)
        for letter in letters:
            for entry in list(self._kept.outbox.waiting.values()):
                if entry.run_id == letter.run_id:
                    changed = replace(entry, failures=letter.failures)
                    self._kept.outbox.waiting[entry.id] = changed
        return count
""",
        {"test_they_are_replayed_behind_what_waits", "test_they_can_die_again"},
    ),
    "what waits is pruned": (
        """
    async def prune(self, before):
        self._kept.outbox.waiting.clear()
        return await super().prune(before)
""",
        {"test_pruning_leaves_what_waits"},
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
            "test_an_id_that_somebody_else_started_is_refused",
            "test_a_queued_run_can_be_started_by_its_id",
            "test_the_same_id_again_is_the_same_run",
            "test_the_same_start_again_is_the_same_start",
        },
    ),
    "the fence of a sink is not looked at": (
        """
for name in ("_RELEASE", "_STANDING"):
    assert "fence = ? AND lease_owner IS NOT NULL" in getattr(outbox, name)
    changed = getattr(outbox, name).replace("fence = ? AND lease_owner IS NOT NULL", "? IS NOT NULL")
    setattr(outbox, name, changed)
""",
        {
            "test_a_fenced_settlement_changes_nothing",
            "test_a_released_sink_is_free",
            "test_a_sink_that_comes_back_begins_anew",
        },
    ),
    "what waits is written in a transaction of its own": (
        """
from functools import partial

add = outbox.add
outbox.add = lambda connection, run, at: None

class Apart(SqliteStore):
    async def after(self, record, ended):
        if record is not None and ended:
            work = partial(add, run=record.number, at=int(self._now().timestamp() * 1e6))
            await self._database.write(work)
        return record

    async def finish(self, lease, outcome):
        before = await self.runs(RunQuery(statuses=[RunStatus.RUNNING, RunStatus.QUEUED], limit=1000))
        ended = lease.run_id in {record.id for record in before.runs}
        return await self.after(await super().finish(lease, outcome), ended)

    async def settle(self, lease, **options):
        record = await super().settle(lease, **options)
        return await self.after(record, record is not None and record.status.finished)

SqliteStore = Apart
""",
        {"test_finishing_and_waiting_are_one_step"},
    ),
    "a fenced finish makes the run wait": (
        """
finish = leases.finish

def wrong(connection, lease, outcome, late, now):
    row = finish(connection, lease, outcome, late, now)
    found = connection.execute("SELECT number FROM runs WHERE id = ?", (lease.run_id,)).fetchone()
    if row is None and found is not None:
        outbox.add(connection, found[0], leases.to_micros(now()))
    return row

leases.finish = wrong
""",
        {"test_a_fenced_finish_makes_nothing_wait", "test_finishing_and_waiting_are_one_step"},
    ),
    "what waits has no order": (
        """
assert "ORDER BY found.id" in outbox._WAITING
outbox._WAITING = outbox._WAITING.replace("ORDER BY found.id", "ORDER BY found.id DESC")
""",
        {
            "test_a_dead_letter_says_why",
            "test_a_lost_run_waits_too",
            "test_a_removed_sink_is_gone",
            "test_a_sink_that_nobody_registers_is_forgotten",
            "test_an_entry_says_what_is_needed_to_deliver_it",
            "test_some_of_them_can_be_meant",
            "test_the_order_is_that_of_the_finishes",
            "test_the_same_finish_again_waits_once",
            "test_they_are_replayed_behind_what_waits",
            "test_what_failed_stays_in_its_place",
            "test_what_is_delivered_or_refused_is_gone",
        },
    ),
    "ids of entries are given again": (
        """
from dataclasses import replace
first, second, *rest = schema.known()
changed = replace(second, sql=second.sql.replace("AUTOINCREMENT,", ","))
schema.known = lambda: (first, changed, *rest)
""",
        {
            "test_ids_are_never_given_again",
            "test_they_are_replayed_behind_what_waits",
            "test_they_can_die_again",
        },
    ),
    "what waits is pruned": (
        """
assert "NOT EXISTS" in upkeep._DELETE
upkeep._DELETE = upkeep._DELETE.replace("NOT EXISTS", "1 OR EXISTS")
""",
        {"test_pruning_leaves_what_waits"},
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
