"""Which jobs this replica makes ticks for, from when on, and which it leaves to replicas that differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel

from jobkit.logs import get_logger
from jobkit.scheduler import marks
from jobkit.scheduler.changes import changed_jobs
from jobkit.scheduler.marks import UNSCHEDULED, VANISHED_FOR, Holder, Keep, Known
from jobkit.scheduler.resting import rest
from jobkit.scheduler.standing import same_standing
from jobkit.stores.ledger import JobKey, JobRegistration, JobState

if TYPE_CHECKING:
    from jobkit.scheduler.post import Post
    from jobkit.scheduler.roster import Roster
    from jobkit.stores.replicas import ReplicaState

#: So many jobs are registered in one transaction.
_BATCH: Final = 1000
#: And so many events written.
_EVENTS: Final = 500
#: Jobs after which others get their turn.
_SLICE: Final = 1000
#: A replica that was heard of so long ago, and has said no good-bye, does not count any more.
_HEARD: Final = VANISHED_FOR + timedelta(minutes=1)
#: Seconds between two rounds at the least.
_BREATH: Final = 0.5


class Register:
    """Registers the jobs of one replica. Belongs to the event loop.

    ``states`` has the jobs that it makes ticks for and how they stand; whoever moves marks keeps it up to
    date. ``superseded`` names those that another replica schedules differently, with the instant at which
    that can change by itself, None if only a replica's going changes it. ``on_change`` are called when either
    is another.
    """

    def __init__(self, post: Post, roster: Roster) -> None:
        self.states: dict[JobKey, JobState] = {}
        self.superseded: dict[str, datetime | None] = {}
        self.on_change: list[Callable[[], None]] = []
        self._post = post
        self._roster = roster
        self._own: Mapping[JobKey, str] = {}
        #: Jobs that this replica knows, or knew, and does not schedule, and that somebody else does.
        self._foreign = False
        self._options: Mapping[str, str] | None = None
        #: Whether something was heard since all jobs were last read.
        self._stale = True
        self._news = anyio.Event()
        self._turn = anyio.Lock()

    async def enter(self) -> None:
        """Register everything, and write down what is another since the newest replica was heard of."""
        await self.refresh()

    async def refresh(self) -> None:
        """The same after a reload: what is as it was keeps its mark, and costs next to nothing."""
        async with self._turn:
            prints = self._post.fingerprints
            await prints.read()
            if self._options is prints.options and self._own is prints.schedules and not self._doubts():
                return
            self._own = prints.schedules
            try:
                others = await self._others()
                await self._write_changes(others)
                await self._settle(others)
            except BaseException:
                self._stale = True  # all is done again next time
                raise

    async def serve(self) -> None:
        """Look again at jobs that others have, when these go, until cancelled."""
        while True:
            self._news = woken = anyio.Event()
            await self._rest(woken)
            await anyio.sleep(_BREATH)
            if self.superseded or self._foreign:
                async with self._turn:
                    await self._settle(await self._others())

    def news(self) -> None:
        """Replicas came, went or changed."""
        self._stale = True
        self._news.set()

    def superseded_by(self, state: JobState) -> None:
        """The store knows *state.key* by another hash than it has here: no ticks are made for it."""
        if self.states.pop(state.key, None) is not None:
            self.superseded[state.key.job] = None
            self._stale = True
            get_logger().warning("job.superseded", job=state.key.job, node=state.key.node)
            self._tell()
        self._news.set()

    # -- what there is ----------------------------------------------------------------------------------

    def _doubts(self) -> bool:
        """Whether jobs may stand otherwise than they did here when all of them were last read."""
        return self._stale or self._foreign or bool(self.superseded)

    async def _others(self) -> list[ReplicaState]:
        return await self._roster.everyone(since=self._post.time.now() - _HEARD)

    # -- registering ------------------------------------------------------------------------------------

    async def _settle(self, others: Sequence[ReplicaState]) -> None:
        """Register what is to be registered here, and see what is left to others."""
        post = self._post
        doubtful = await self._doubtful()
        known = await post.connection.ask(lambda: post.store.job_states(doubtful), "read how jobs stand")
        holders = await self._holders(others)
        now = post.time.now()
        states = {} if doubtful is None else self._without(doubtful)
        superseded: dict[str, datetime | None] = {}
        anew: list[JobRegistration] = []
        for number, key in enumerate([*(self._own if doubtful is None else doubtful)]):
            if number % _SLICE == _SLICE - 1:
                await anyio.lowlevel.checkpoint()
            own, state = self._own.get(key), known.get(key)
            if own is None:
                continue
            if state is not None and state.hash == own:
                states[key] = self._newer(state)
                continue
            found = marks.registration(
                None if state is None else Known(state.hash), own, holders.of(key), now
            )
            if isinstance(found, marks.Register):
                anew.append(JobRegistration(key, own, found.mark, found.expected))
            elif not isinstance(found, Keep):
                superseded[key.job] = found.until
        for state in await self._registered(anew):
            if state.hash == self._own[state.key]:
                states[state.key] = state
            else:  # somebody was quicker
                superseded[state.key.job] = None
        await self._unschedule(known, holders, now)
        await self._take(states, superseded)

    async def _doubtful(self) -> list[JobKey] | None:
        """The jobs that do not stand here as they should, or are here no more; None for all that there are.

        What stands as it should is not read again: should another replica have registered it otherwise, its
        next claim says so.
        """
        if self._doubts():
            self._stale = False
            return None
        found: list[JobKey] = []
        for number, key in enumerate([*self._own]):
            if number % _SLICE == _SLICE - 1:
                await anyio.lowlevel.checkpoint()
            state = self.states.get(key)
            if state is None or state.hash != self._own[key]:
                found.append(key)
        if len(self._own) - len(found) < len(self.states):
            found += [key for key in self.states if key not in self._own]
        return found

    def _without(self, keys: Iterable[JobKey]) -> dict[JobKey, JobState]:
        states = dict(self.states)
        for key in keys:
            states.pop(key, None)
        return states

    def _newer(self, state: JobState) -> JobState:
        """*state*, or the same as it was moved here since it was read."""
        held = self.states.get(state.key)
        if held is None or held.hash != state.hash or held.since != state.since:
            return state
        if held.mark is None or state.mark is None or held.mark <= state.mark:
            return state
        return held

    async def _registered(self, jobs: Sequence[JobRegistration]) -> list[JobState]:
        found: list[JobState] = []
        for at in range(0, len(jobs), _BATCH):
            batch = jobs[at : at + _BATCH]
            found += await self._post.connection.ask(
                lambda: self._post.store.register_jobs(batch),  # noqa: B023 - asked at once
                "register jobs",
            )
        return found

    async def _unschedule(self, known: Mapping[JobKey, JobState], holders: _Holders, now: datetime) -> None:
        """What nobody schedules any more is to start at "now", should somebody do so again."""
        gone: list[JobRegistration] = []
        foreign = False
        for number, key in enumerate([*known]):
            if number % _SLICE == _SLICE - 1:
                await anyio.lowlevel.checkpoint()
            state = known[key]
            if key in self._own or key.node not in ("", self._post.node) or state.hash == UNSCHEDULED:
                continue
            if marks.unscheduled(Known(state.hash), holders.of(key)):
                gone.append(JobRegistration(key, UNSCHEDULED, now, state.hash))
            else:
                foreign = True
        await self._registered(gone)
        self._foreign = foreign

    async def _holders(self, others: Sequence[ReplicaState]) -> _Holders:
        since = self._post.time.now() - _HEARD
        return _Holders(others, await self._roster.stopped_in_order(since=since))

    async def _take(self, states: dict[JobKey, JobState], superseded: dict[str, datetime | None]) -> None:
        for name in superseded.keys() - self.superseded.keys():
            get_logger().warning("job.superseded", job=name)
        others = await self._others_than(states)
        changed = others or superseded.keys() != self.superseded.keys()
        self.superseded = superseded
        if others:
            self.states.clear()
            self.states.update(states)
        if changed:
            self._tell()

    async def _others_than(self, states: Mapping[JobKey, JobState]) -> bool:
        """Whether *states* are of other jobs, or of other registrations, than those here."""
        if len(states) != len(self.states):
            return True
        for number, key in enumerate([*states]):
            if number % _SLICE == _SLICE - 1:
                await anyio.lowlevel.checkpoint()
            held, state = self.states.get(key), states[key]
            if held is not state and (held is None or (held.hash, held.since) != (state.hash, state.since)):
                return True
        return False

    def _tell(self) -> None:
        for listener in self.on_change:
            listener()

    # -- what is written down -----------------------------------------------------------------------------

    async def _write_changes(self, others: Sequence[ReplicaState]) -> None:
        """The events ``job.changed``, against what this replica was, or the one that was heard of last."""
        post = self._post
        now, before = post.fingerprints.options, self._options
        if before is None:
            earlier = await self._earlier(others)
            newest = max(earlier, key=lambda one: one.heartbeat_at, default=None)
            if newest is not None:
                before = dict(newest.replica.jobs)
                _leave_out_what_is_said(before, now, [one for one in earlier if one.live])
        self._options = now
        events = changed_jobs(
            post.jobs, post.config, now, before, at=post.time.now(), fires=post.fingerprints.fires
        )
        while batch := [*islice(events, _EVENTS)]:
            await post.connection.ask(lambda: post.store.add_events(batch), "write down what has changed")

    async def _earlier(self, others: Sequence[ReplicaState]) -> list[ReplicaState]:
        """*others* without those that came after this one: of several that start together one speaks."""
        ask, store, own = self._post.connection.ask, self._post.store, self._post.replica_id
        came = [
            (one.registered_at, own)
            for one in await ask(lambda: store.replicas([own], hashes=False), "replicas")
        ]
        return [
            one for one in others if not one.live or not came or (one.registered_at, one.replica.id) < came[0]
        ]

    # -- waiting ------------------------------------------------------------------------------------------

    async def _rest(self, woken: anyio.Event) -> None:
        instant = min((until for until in self.superseded.values() if until is not None), default=None)
        if instant is None:
            await woken.wait()
            return
        await rest(woken, partial(self._post.time.sleep_until, instant))


def _leave_out_what_is_said(
    before: dict[str, str], now: Mapping[str, str], live: Sequence[ReplicaState]
) -> None:
    """Make *before* agree with *now* in what one that lives has as it is now: it has said so already."""
    for other in live:
        jobs = other.replica.jobs
        before |= {
            name: hash
            for name, hash in jobs.items()
            if now.get(name) == hash or same_standing(hash, now.get(name))
        }
        for name in [name for name in before if name not in now and name not in jobs]:
            del before[name]


class _Holders:
    """The replicas that have had jobs, and with which schedules."""

    def __init__(self, others: Iterable[ReplicaState], stopped: Collection[str]) -> None:
        self._others: list[tuple[Mapping[str, str], datetime | None, bool]] = []
        for other in others:
            replica = other.replica
            lives = other.live and not replica.owner.dead(expired=False)
            # Of one that vanished, the last sign of life counts, not when the others noticed.
            gone_at = None if lives else other.heartbeat_at
            self._others.append((replica.schedules, gone_at, replica.id in stopped))

    def of(self, key: JobKey) -> list[Holder]:
        """Those that have had the job of *key*."""
        text = str(key)
        return [
            Holder(schedules[text], gone_at, stopped=stopped)
            for schedules, gone_at, stopped in self._others
            if text in schedules
        ]
