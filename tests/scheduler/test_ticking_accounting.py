"""Whatever happens to replicas, clocks and the store: each due tick has exactly one row."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.config import load_config
from jobkit.job import JobSpec
from jobkit.scheduler.policies import Pause
from jobkit.stores.ledger import JobKey
from jobkit.testing import VirtualClock
from tests.scheduler.ledger import utc
from tests.scheduler.ticking import Kind, Replica, World, due, job

#: Cron text, zone, start, and how far things go.
SCHEDULES = [
    ("* * * * * *", "UTC", utc("2026-05-01T00:00:00.250"), 20.0),
    ("*/20 * * * * *", "UTC", utc("2026-12-31T23:59:30"), 200.0),
    ("0 */15 * * * *", "Europe/Berlin", utc("2026-03-29T00:10:00"), 2000.0),
    ("0 30 2 * * *", "Europe/Berlin", utc("2026-10-24T23:00:00"), 2000.0),
]
#: Sets of the clock back come to less than what would have marks pulled back.
MOST_BACK = 590.0


@dataclass(frozen=True)
class Act:
    """One thing that happens, to *replica* if it is about one."""

    what: Literal["pass", "set", "start", "crash", "pause", "resume", "lose", "lose answers", "find"]
    seconds: float = 0.0
    replica: int = 0


def acts(reach: float) -> st.SearchStrategy[list[Act]]:
    one = st.one_of(
        st.builds(Act, st.just("pass"), seconds=st.floats(0.01, reach)),
        st.builds(Act, st.just("pass"), seconds=st.floats(0.01, 3)),
        st.builds(Act, st.just("set"), seconds=st.floats(-reach / 4, reach)),
        st.builds(Act, st.sampled_from(["start", "crash"]), replica=st.integers(0, 2)),
        st.builds(Act, st.sampled_from(["pause", "resume", "lose", "lose answers", "find"])),
    )
    return st.lists(one, max_size=25)


options = st.fixed_dictionaries(
    {
        "misfire": st.sampled_from(["latest", "all", "none"]),
        "misfire_grace": st.sampled_from(["auto", timedelta(0), timedelta(seconds=5), timedelta(minutes=30)]),
        "overlap": st.sampled_from(["skip", "queue", "cancel", "allow"]),
    }
)


class Story:
    """What happens, and what was due meanwhile."""

    def __init__(self, world: World, spec: JobSpec, seconds: float) -> None:
        self.world = world
        self.spec = spec
        self.seconds = seconds
        self.start = self.latest = world.clock.now()
        self.back = 0.0
        self.living: dict[int, Replica] = {}

    async def tell(self, script: Sequence[Act]) -> list[str]:
        """Let *script* happen, then let one replica work off what is left; what is wrong then."""
        # Registered before anything happens: later ones find the mark.
        await self._start(0)
        for act in script:
            await self._act(act)
            self.latest = max(self.latest, self.world.clock.now())
        await self._act(Act("find"))
        await self._act(Act("resume"))
        self.world.clock.step(max(self.latest - self.world.clock.now(), timedelta(0)))
        await self._start(3)
        await self.world.pass_(120)
        return await self._problems()

    async def _start(self, number: int) -> None:
        if number not in self.living:
            self.living[number] = await self.world.replica(
                self.spec, seconds=self.seconds, mark=self.world.clock.now()
            )

    async def _act(self, act: Act) -> None:
        world = self.world
        if act.what == "pass":
            await world.pass_(act.seconds)
        elif act.what == "set" and self.back - act.seconds < MOST_BACK:
            self.back += max(-act.seconds, 0.0)
            world.clock.step(timedelta(seconds=act.seconds))
        elif act.what == "start":
            await self._start(act.replica)
        elif act.what == "crash" and act.replica in self.living:
            self.living.pop(act.replica).scope.cancel()
        elif act.what == "pause" and (not world.pauses or world.pauses[-1].until is not None):
            world.pauses.append(Pause(world.clock.now(), None, "paused by ops"))
        elif act.what == "resume" and world.pauses and world.pauses[-1].until is None:
            since = world.pauses[-1].since
            world.pauses[-1] = Pause(since, max(world.clock.now(), since), "paused by ops")
        elif act.what in ("lose", "lose answers", "find"):
            world.store.away, world.store.commits = act.what != "find", act.what == "lose answers"

    async def _problems(self) -> list[str]:
        store, now = self.world.store.store, self.world.clock.now()
        mark = (await store.job_states())[JobKey("job")].mark
        try:
            rows = await self.world.rows(self.spec)
        except AssertionError as error:
            return [str(error)]  # a span that does not hold together
        expected = due(self.spec, self.start, mark)
        wrong = [f"{tick} has {rows[tick]} rows" for tick in expected if rows[tick] != 1]
        wrong += [f"{tick} was not due" for tick in rows if tick not in expected]
        ran = await self.world.ran()
        wrong += [f"{tick} ran twice" for tick in set(ran) if ran.count(tick) > 1]
        # A backlog of which each has its turn may take a while.
        if self.spec.misfire != "all" and due(self.spec, mark, now - timedelta(seconds=1)):
            wrong.append(f"it ends at {mark}, now is {now}")
        return wrong


def problems(
    kind: Kind, text: str, zone: str, start: datetime, script: Sequence[Act], seconds: float, **given: Any
) -> list[str]:
    """What is wrong after *script*."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "jobkit.toml").touch()
        world = World(VirtualClock(start), kind, folder, load_config(folder))
        spec = job(text=text, zone=zone, **given)
        return world.run(lambda here: Story(here, spec, seconds).tell(script))


@pytest.mark.parametrize(("text", "zone", "start", "reach"), SCHEDULES)
@settings(max_examples=15, deadline=None)
@given(data=st.data(), given_=options, seconds=st.sampled_from([0.0, 1.5]))
def test_every_due_tick_has_exactly_one_row(
    text: str, zone: str, start: datetime, reach: float, data: st.DataObject, given_: Any, seconds: float
) -> None:
    """Crashes at any moment, stores that do not answer, pauses, and clocks that are set."""
    script = data.draw(acts(reach))
    assert problems("memory", text, zone, start, script, seconds, **given_) == []


@settings(max_examples=10, deadline=None)
@given(script=acts(20.0), given_=options)
def test_the_same_in_a_file(script: list[Act], given_: Any) -> None:
    """On SQLite, whose calls can be cut off in other places."""
    text, zone, start, _ = SCHEDULES[0]
    assert problems("sqlite", text, zone, start, script, 0.0, **given_) == []


def test_a_mark_that_is_not_compared_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard the same acts give ticks two rows."""
    from jobkit.stores.memory_ledger import MemoryLedger

    script = [
        Act("start", replica=1),
        Act("start", replica=2),
        Act("pass", 10),
        Act("set", 30),
        Act("pass", 9),
    ]
    text, zone, start, _ = SCHEDULES[0]
    assert problems("memory", text, zone, start, script, 1.5) == []
    monkeypatch.setattr(MemoryLedger, "_as_expected", lambda *_: True)
    assert problems("memory", text, zone, start, script, 1.5) != []
