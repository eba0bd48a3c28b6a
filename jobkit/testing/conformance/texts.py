"""Values that databases and JSON readers choke on."""

from __future__ import annotations

import enum
import math
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest

from jobkit.records import LogLine, Progress, RunFailure
from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from jobkit.testing.conformance.kit import START, Cases, new_run, outcome, request, started


class _Colour(enum.Enum):
    RED = "red"


class _Trap:
    """Says everywhere that it was asked."""

    def __str__(self) -> str:
        raise RuntimeError("asked for its text")

    __repr__ = __str__


class _TextOfItsOwn(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


_ITSELF: dict[str, Any] = {}
_ITSELF["again"] = _ITSELF

_TEXTS = [
    ("plain", "plain"),
    ("", ""),
    ("ünïcödé 日本 🎉 \u202e", "ünïcödé 日本 🎉 \u202e"),
    ("a\0b\0", "a\ufffdb\ufffd"),
    ("\ud800", "\ufffd"),
    ("\ud83d\ude00", "\ufffd\ufffd"),
    ("line\r\nline\x1b[31m\t", "line\r\nline\x1b[31m\t"),
    ("'; DROP TABLE runs; --", "'; DROP TABLE runs; --"),
]

_VALUES = [
    (math.nan, None),
    (math.inf, None),
    (-math.inf, None),
    (0.1, 0.1),
    (10**30, 10**30),
    (True, True),
    ((1, (2,)), [1, [2]]),
    ({1: "a", None: "b", False: "c", 2.5: "d"}, {"1": "a", "null": "b", "false": "c", "2.5": "d"}),
    (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
    (date(2026, 1, 1), "2026-01-01"),
    (PurePosixPath("a/b"), "a/b"),
    (Decimal("1.10"), "1.10"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (_Colour.RED, "red"),
    (_TextOfItsOwn("text"), "text"),
    ({"a\0": "\ud800"}, {"a\ufffd": "\ufffd"}),
    (_Trap(), f"<{_Trap.__module__}._Trap>"),
    ({1, 2}, "<builtins.set>"),
    (b"bytes", "<builtins.bytes>"),
    (_ITSELF, {"again": "<builtins.dict>"}),
]


class TextCases(Cases):
    """No text, number or value loses a run."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.parametrize(("text", "kept"), _TEXTS)
    async def test_text_comes_back(self, store: Store, text: str, kept: str) -> None:
        """As it was given, but for what cannot be encoded."""
        run = new_run(
            f"job{text}", extension=text, actor=text, parent=text, retry_of=text, parameters={text: text}
        )
        record, lease = await store.add_and_start(run, request())
        await store.set_progress(lease, Progress(1, message=text))
        await store.add_log_lines(record.id, [LogLine(1, START, text, text, 1, text, {text: text})])
        failure = RunFailure(text, text, text)
        await store.finish(
            lease,
            outcome(message=text, reason=text, data={"t": text}, error=failure, cleanup_errors=(failure,)),
        )
        found = await store.run(record.id)
        assert found.job == f"job{kept}"
        assert {found.extension, found.actor, found.parent, found.retry_of, found.message, found.reason} == {
            kept
        }
        assert (found.parameters, found.data) == ({kept: kept}, {"t": kept})
        assert found.progress == Progress(1, message=kept)
        assert found.error == RunFailure(kept, kept, kept)
        assert found.cleanup_errors == (found.error,)
        assert await store.log_lines(record.id) == [LogLine(1, START, kept, kept, 1, kept, {kept: kept})]
        assert [attempt.message for attempt in await store.attempts(record.id)] == [kept]
        assert set(await store.last_runs([f"job{text}"])) == {f"job{kept}"}

    @pytest.mark.parametrize(("value", "kept"), _VALUES)
    async def test_values_become_json(self, store: Store, value: Any, kept: Any) -> None:
        """The nearest that JSON has; no code of the value's class is asked for its text."""
        record, lease = await started(store, parameters={"value": value})
        await store.add_log_lines(record.id, [LogLine(1, START, "info", "x", 1, fields={"value": value})])
        finished = await store.finish(lease, outcome(data={"value": value}))
        assert finished is not None
        [line] = await store.log_lines(record.id)
        for found in (finished.data, finished.parameters, line.fields):
            assert found == {"value": kept}
            assert type(found["value"]) is type(kept)

    async def test_deep_values_are_cut(self, store: Store) -> None:
        """What is nested without end comes back, down to a depth."""
        deep: list[Any] = []
        for _ in range(5000):
            deep = [deep]
        record = await store.add_run(new_run(parameters={"deep": deep}))
        found, depth = (await store.run(record.id)).parameters["deep"], 0
        while isinstance(found, list):
            found, depth = found[0], depth + 1
        assert found == "<builtins.list>"
        assert depth > 20

    async def test_endless_values_are_cut(self, store: Store) -> None:
        """A few lists that hold each other are more text than there is room for."""
        laughing: list[Any] = ["ha"]
        for _ in range(40):
            laughing = [laughing, laughing]
        record = await store.add_run(new_run(parameters={"laughing": laughing, "after": 1}))
        found = await store.run(record.id)
        assert set(found.parameters) == {"laughing", "after"}

    async def test_large_text_is_kept_whole(self, store: Store) -> None:
        """Twenty megabytes of message: bounding it is not the store's business."""
        large = "ä" * (10 * 1024 * 1024)
        _, lease = await started(store)
        finished = await store.finish(lease, outcome(RunStatus.FAILED, message=large))
        assert finished is not None
        assert finished.message == large

    async def test_counts_beyond_any_database(self, store: Store) -> None:
        """They are cut to the largest that is kept."""
        _, lease = await started(store)
        finished = await store.finish(lease, outcome(processed=10**30, errors=2**63, duration_ms=2**63 - 1))
        assert finished is not None
        largest = 2**63 - 1
        assert (finished.processed, finished.errors, finished.duration_ms) == (largest,) * 3
        assert (await store.add_run(new_run(attempts=10**30))).attempts == largest

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (Progress(math.nan, math.inf), Progress(0, None)),
            (Progress(math.inf, 5, "x"), Progress(0, 5, "x")),
            (Progress(0.25, 1), Progress(0.25, 1)),
            (Progress(10**30, 10**400), Progress(10**30, None)),
        ],
    )
    async def test_progress_that_is_not_finite(self, store: Store, given: Progress, kept: Progress) -> None:
        """It is unknown."""
        record, lease = await started(store)
        await store.set_progress(lease, given)
        assert (await store.run(record.id)).progress == kept

    async def test_instants_are_exact_and_utc(self, store: Store) -> None:
        """To the microsecond, in whatever zone they were given, centuries away."""
        berlin = timezone(timedelta(hours=1))
        instants = [
            datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=berlin),
            datetime(1, 1, 2, tzinfo=UTC),
            datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
        ]
        for instant in instants:
            record = await store.add_run(new_run(scheduled_at=instant, window=(instant, instant)))
            found = await store.run(record.id)
            assert found.scheduled_at == instant
            assert found.window == (instant, instant)
            assert found.scheduled_at.utcoffset() == timedelta(0)
