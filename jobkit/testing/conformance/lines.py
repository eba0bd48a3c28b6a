"""Log lines of runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobkit.exceptions import RunNotFound
from jobkit.records import LogLine
from jobkit.stores.base import Store
from jobkit.testing.conformance.kit import START, Cases, new_run


def _line(sequence: int, event: str = "event") -> LogLine:
    at = START + timedelta(microseconds=sequence)
    return LogLine(sequence, at, "info", event, attempt=1, source="log", fields={"n": sequence})


class LineCases(Cases):
    """Kept in order, replaced by sequence, read from a place on."""

    pytestmark = pytest.mark.anyio

    async def test_lines_come_back_in_order(self, store: Store) -> None:
        """Each as it was, whatever order they arrived in."""
        record = await store.add_run(new_run())
        lines = [
            LogLine(1, START, "info", "started", 1),
            LogLine(2, START, "warning", "printed", 2, source="stdout", fields={"a": [1], "b": None}),
            LogLine(3, START + timedelta(microseconds=1), "error", "", 2, source="logging"),
        ]
        await store.add_log_lines(record.id, lines[1:])
        await store.add_log_lines(record.id, lines[:1])
        await store.add_log_lines(record.id, [])
        assert await store.log_lines(record.id) == lines

    async def test_lines_are_read_from_a_place_on(self, store: Store) -> None:
        """As many as were asked for, after the one that was seen last."""
        record = await store.add_run(new_run())
        await store.add_log_lines(record.id, [_line(number) for number in range(1, 11)])
        found = await store.log_lines(record.id, after=3, limit=4)
        assert [line.sequence for line in found] == [4, 5, 6, 7]
        assert await store.log_lines(record.id, after=10) == []

    async def test_a_line_with_a_known_sequence_replaces_it(self, store: Store) -> None:
        """Sent again it is not doubled, and a later text counts."""
        record = await store.add_run(new_run())
        await store.add_log_lines(record.id, [_line(1), _line(2)])
        await store.add_log_lines(record.id, [_line(2, "… 5 lines dropped"), _line(3)])
        assert [line.event for line in await store.log_lines(record.id)] == [
            "event",
            "… 5 lines dropped",
            "event",
        ]

    async def test_lines_belong_to_their_run(self, store: Store) -> None:
        """Two runs may use the same sequences; a run that does not exist has none."""
        one, other = await store.add_run(new_run()), await store.add_run(new_run())
        await store.add_log_lines(one.id, [_line(1, "one")])
        await store.add_log_lines(other.id, [_line(1, "other")])
        assert [line.event for line in await store.log_lines(one.id)] == ["one"]
        with pytest.raises(RunNotFound):
            await store.add_log_lines("no-such-run", [_line(1)])
        with pytest.raises(RunNotFound):
            await store.log_lines("no-such-run")
