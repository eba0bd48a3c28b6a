"""Several `jobkit start` on one database, killed and restarted, and the server with them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from postgres_tests.deployments import Deployment, deployed
from postgres_tests.pooler import pooled
from postgres_tests.server import Server, thaw

pytestmark = pytest.mark.waits

#: Seconds that the server is away once: ticks are missed that are claimed more than two seconds late.
AWAY, LONG_AWAY = 5.0, 25.0
#: Seconds that it stands still in the long run: longer than a lease.
STILL = 15.0

# However a test ends, its processes end with it: hence by a signal, and not by ending everything.
SHORT = [pytest.mark.timeout(240, method="signal")]
LONG = [pytest.mark.faults, pytest.mark.timeout(1200, method="signal")]


@pytest.mark.parametrize(
    ("seconds", "clocks"),
    [
        pytest.param(30.0, (0, 0, 0, 0), id="half a minute", marks=SHORT),
        pytest.param(600.0, (0, 0, 0, 0), id="ten minutes", marks=LONG),
        pytest.param(120.0, (0, -2, 2, 300), id="clocks that differ", marks=LONG),
    ],
)
def test_no_tick_twice_and_none_missing(
    own_server: Server, tmp_path: Path, seconds: float, clocks: tuple[float, ...]
) -> None:
    """Whatever is killed and restarted meanwhile: schedulers without a word, and the server three times; then
    it is away for a while, or stands still. What runs meanwhile ends and is recorded, what was missed follows
    each job's policy."""
    with deployed(tmp_path, own_server, clocks=clocks) as deployment:
        in_flight: set[str] = set()
        begun = time.monotonic()
        for turn in range(3):
            time.sleep(max(1.0, begun + seconds * (turn + 1) / 4 - time.monotonic()))
            since = deployment.restart(turn, ahead=clocks[turn])
            in_flight |= _running(deployment, since)
            own_server.restart("immediate")
            deployment.until(f"SELECT 1 FROM jobkit.runs WHERE node = 'node-{turn}' AND started_at > {since}")
        time.sleep(max(1.0, begun + seconds - time.monotonic()))
        in_flight |= _running(deployment, since)
        if seconds > 60:
            _stand_still(own_server)
            deployment.until_caught_up()
            in_flight |= _running(deployment, since)
        own_server.away(LONG_AWAY if seconds > 60 else AWAY)
        deployment.until_caught_up()
        assert len(deployment.living) == len(clocks), deployment.said()
        assert deployment.stop() == [0] * len(clocks), deployment.said()

        deployment.check_ledger()
        deployment.check_recorded()
        deployment.check_misfires()
        deployment.check_shares()
        missed = "SELECT 1 FROM jobkit.runs WHERE trigger = 'catchup' LIMIT 1"
        assert deployment.rows(missed), "the server was away for long enough"
        ended = dict(deployment.rows("SELECT id, status FROM jobkit.runs WHERE job = 'slow'"))
        assert {ended[run] for run in in_flight} == {"succeeded"}


def _stand_still(server: Server) -> None:
    frozen = server.freeze()
    try:
        time.sleep(STILL)
    finally:
        thaw(frozen)


def _running(deployment: Deployment, since: int) -> set[str]:
    """Runs that go on, and began when all who were killed were dead; there are some."""
    slow = f"SELECT id FROM jobkit.runs WHERE job = 'slow' AND status = 'running' AND started_at > {since}"
    deployment.until(slow)
    return {run for (run,) in deployment.rows(slow)}


def test_what_is_asked_on_one_host_is_heard_on_the_others(own_server: Server, tmp_path: Path) -> None:
    """A pause stops all of them within a second, a run that is queued begins at once, and a cancellation
    reaches the one that executes it: without LISTEN they would look again after five seconds or more."""
    with deployed(tmp_path, own_server, jobs=5, clocks=(0, 0, 0)) as deployment:
        deployment.jobkit("pause", "-y")
        since = deployment.value("SELECT max(since) FROM jobkit.pauses")
        deployment.until(f"SELECT 1 WHERE jobkit.instant() > {since} + 4000000")
        late = f"SELECT job, tick - {since} FROM jobkit.runs WHERE tick > {since} + 1000000"
        assert deployment.rows(late) == []

        for _ in range(2):
            _queue_and_cancel(deployment)
        slowest_start, slowest_end = deployment.rows(_SLOWEST)[0]
        assert slowest_start < 4_000_000, deployment.said()
        assert slowest_end < 4_000_000, deployment.said()
        assert deployment.stop() == [0] * 3


def test_behind_a_pooler_they_look_every_second(own_server: Server, tmp_path: Path, socket: Path) -> None:
    """Nobody can listen: what is asked on one host is seen on the others soon, and no tick is lost."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(pooled(own_server.url, socket, 6)) as (url, _),
        deployed(tmp_path, own_server, jobs=5, clocks=(0, 0), url=url) as deployment,
    ):
        _queue_and_cancel(deployment)
        deployment.jobkit("pause", "-y")
        since = deployment.value("SELECT max(since) FROM jobkit.pauses")
        deployment.until(f"SELECT 1 WHERE jobkit.instant() > {since} + 6000000")
        late = f"SELECT job, tick - {since} FROM jobkit.runs WHERE tick > {since} + 4000000"
        assert deployment.rows(late) == []
        listening = "SELECT query FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        assert deployment.rows(listening) == []
        assert deployment.stop() == [0, 0]
        deployment.check_ledger()


# How long the slowest run waited that was queued by hand, and the slowest one that was asked to end.
_SLOWEST = """
SELECT max(started_at - queued_at), max(finished_at - cancel_requests.at)
FROM jobkit.runs JOIN jobkit.cancel_requests ON run = number WHERE job = 'endless'
"""


def _queue_and_cancel(deployment: Deployment) -> None:
    deployment.jobkit("run", "endless", "--queue")
    deployment.until("SELECT 1 FROM jobkit.runs WHERE job = 'endless' AND status = 'running'")
    number = deployment.value("SELECT max(number) FROM jobkit.runs WHERE job = 'endless'")
    deployment.jobkit("cancel", str(number))
    deployment.until(f"SELECT 1 FROM jobkit.runs WHERE number = {number} AND status = 'cancelled'")


@pytest.fixture
def socket() -> Iterator[Path]:
    """A folder with a short name: names of sockets are."""
    with tempfile.TemporaryDirectory(prefix="jk") as name:
        yield Path(name)
