"""What a correct store is, as tests that any store can be put through.

Derive from :class:`StoreConformance`, name the class ``Test…``, and say how the store is opened::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def open_store(self, clock: StoreClock, tmp_path: Path) -> OpenStore:
            def open_store(*, project: str = "conformance") -> Store:
                return MyStore(tmp_path / "runs", project=project, now=clock.now)

            return open_store

Each call of what the fixture returns gives another store object on the same runs, which are none when
a test begins. A store that has a clock of its own overrides the fixture ``clock`` too. Every case runs
on each event loop that anyio's pytest plugin is set to (by default asyncio and trio). Nothing but the
promise in :mod:`jobkit.stores.base` is used.
"""

# ruff: noqa: E402 -- asserts are rewritten, to show what they compared, in what is imported after this
from __future__ import annotations

import pytest

_MODULES = (
    "cancelling",
    "claims",
    "control",
    "dead_letters",
    "history",
    "leases",
    "lifetime",
    "lines",
    "migrations",
    "outbox",
    "overlap",
    "pinned",
    "punctuality",
    "queueing",
    "replicas",
    "runs",
    "settling",
    "sink",
    "sinks",
    "spans",
    "texts",
    "turns",
    "verdicts",
    "wakes",
)
for _module in _MODULES:
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from jobkit.testing.conformance.cancelling import CancelCases
from jobkit.testing.conformance.claims import ClaimCases, StateCases
from jobkit.testing.conformance.control import PauseCases
from jobkit.testing.conformance.dead_letters import DeadLetterCases
from jobkit.testing.conformance.history import HistoryCases
from jobkit.testing.conformance.kit import HeldClock, OpenStore, StoreClock
from jobkit.testing.conformance.leases import LeaseCases
from jobkit.testing.conformance.lifetime import LifetimeCases
from jobkit.testing.conformance.lines import LineCases
from jobkit.testing.conformance.migrations import MigrationConformance, Ship
from jobkit.testing.conformance.outbox import OutboxCases
from jobkit.testing.conformance.overlap import OverlapCases
from jobkit.testing.conformance.pinned import PinnedCases
from jobkit.testing.conformance.punctuality import PunctualityCases
from jobkit.testing.conformance.queueing import AbandonedCases, LimitCases, QueueCases
from jobkit.testing.conformance.replicas import EventCases, ReplicaCases
from jobkit.testing.conformance.runs import RunCases
from jobkit.testing.conformance.settling import SettlingCases
from jobkit.testing.conformance.sinks import SinkCases
from jobkit.testing.conformance.spans import SpanCases, TickRunCases
from jobkit.testing.conformance.texts import TextCases
from jobkit.testing.conformance.turns import TurnCases
from jobkit.testing.conformance.verdicts import VerdictCases
from jobkit.testing.conformance.wakes import WakeCases

__all__ = ["HeldClock", "MigrationConformance", "OpenStore", "Ship", "StoreClock", "StoreConformance"]


class StoreConformance(
    LifetimeCases,
    RunCases,
    LeaseCases,
    PinnedCases,
    SettlingCases,
    HistoryCases,
    LineCases,
    TextCases,
    StateCases,
    ClaimCases,
    SpanCases,
    TickRunCases,
    OverlapCases,
    TurnCases,
    PunctualityCases,
    QueueCases,
    LimitCases,
    AbandonedCases,
    CancelCases,
    PauseCases,
    ReplicaCases,
    EventCases,
    WakeCases,
    OutboxCases,
    SinkCases,
    VerdictCases,
    DeadLetterCases,
):
    """All cases. A store that passes keeps the promise of :class:`jobkit.stores.base.Store`."""
