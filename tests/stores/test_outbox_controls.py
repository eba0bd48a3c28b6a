"""The conformance suite finds stores that keep the outbox wrongly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# Which rule is broken → how, in each store → the cases that have to see it.
_MEMORY_CONTROLS = {
    "nothing waits for the lost": (
        """
    async def settle(self, *arguments, **options):
        self._put_out = lambda record: None
        record = await super().settle(*arguments, **options)
        del self._put_out
        return record
""",
        {
            "test_a_cancelled_run_is_not_tried_again",
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
        {
            "test_a_cancelled_run_is_not_tried_again",
            "test_a_queued_run_can_end_without_an_attempt",
            "test_a_queued_run_is_cancelled_at_once",
            "test_a_run_that_waits_for_its_retry_gives_way",
            "test_cancel_asks_what_runs_to_stop",
            "test_finishing_and_waiting_are_one_step",
        },
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
            "test_a_cancelled_run_is_not_tried_again",
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
        {
            "test_naive_times_of_a_settlement_are_refused",
            "test_the_same_settlement_again_is_the_same",
            "test_what_failed_stays_in_its_place",
        },
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
}

_SQLITE_CONTROLS = {
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
        {
            "test_a_cancelled_run_is_not_tried_again",
            "test_a_queued_run_can_end_without_an_attempt",
            "test_a_queued_run_is_cancelled_at_once",
            "test_a_run_that_waits_for_its_retry_gives_way",
            "test_cancel_asks_what_runs_to_stop",
            "test_finishing_and_waiting_are_one_step",
        },
    ),
    "a fenced finish makes the run wait": (
        """
finish = leases.finish

def wrong(connection, lease, outcome, late, now):
    row, frees = finish(connection, lease, outcome, late, now)
    found = connection.execute("SELECT number FROM runs WHERE id = ?", (lease.run_id,)).fetchone()
    if row is None and found is not None:
        outbox.add(connection, found[0], leases.to_micros(now()))
    return row, frees

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
            "test_a_cancelled_run_is_not_tried_again",
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
        {"test_pruning_leaves_what_still_runs", "test_pruning_leaves_what_waits"},
    ),
}


@pytest.mark.parametrize("rule", _MEMORY_CONTROLS)
def test_a_wrong_store_in_memory_is_found(
    failing_in_memory: Callable[[str, set[str]], set[str]], rule: str
) -> None:
    """Exactly the cases that are about the broken rule fail."""
    wrong, expected = _MEMORY_CONTROLS[rule]
    assert failing_in_memory(wrong, expected) == expected


#: Cases that let processes race may see what is wrong, and may miss it on a busy machine.
_SOMETIMES = {"a fenced finish makes the run wait": {"test_finishing_and_waiting_are_one_step"}}


@pytest.mark.parametrize("rule", _SQLITE_CONTROLS)
def test_a_wrong_store_in_a_file_is_found(
    failing_in_a_file: Callable[[str, set[str]], set[str]], rule: str
) -> None:
    """The same with SQL that lacks a condition."""
    wrong, expected = _SQLITE_CONTROLS[rule]
    assert failing_in_a_file(wrong, expected) | _SOMETIMES.get(rule, set()) == expected
