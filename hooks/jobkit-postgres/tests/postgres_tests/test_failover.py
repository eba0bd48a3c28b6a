"""Another server takes the place of the one that there was."""

from __future__ import annotations

from pathlib import Path

import anyio
import psycopg
import pytest
from jobkit_postgres.store import PostgresStore
from postgres_tests.deployments import deployed
from postgres_tests.kit import made, sooner_or_later
from postgres_tests.server import Server
from postgres_tests.standby import followed

from jobkit.exceptions import RunNotFound
from jobkit.statuses import RunStatus
from jobkit.testing.conformance.kit import new_run, outcome, started


@pytest.mark.anyio
async def test_a_primary_that_may_only_be_read_is_left(own_server: Server) -> None:
    """Its connections are of no use any more, although they live: writes, renewals and finishes go to the one
    that took its place."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    with followed(own_server) as standby:
        async with PostgresStore(standby.shared_url, project="conformance") as store:
            record, lease = await started(store)
            assert store.renew([lease]) == {record.id}
            standby.until_caught_up()
            standby.take_over(primary_is="read-only")
            renewed = await sooner_or_later(lambda: anyio.to_thread.run_sync(store.renew, [lease]))
            assert renewed == {record.id}
            assert (await sooner_or_later(lambda: store.finish(lease, outcome()))).number == record.number
            added = await sooner_or_later(lambda: store.add_run(new_run()))
        with psycopg.connect(standby.url) as connection:
            [(status,)] = connection.execute("SELECT status FROM jobkit.runs WHERE number = 1").fetchall()
            assert (status, added.number) == ("succeeded", 2)


@pytest.mark.anyio
async def test_commits_that_a_failover_has_lost(own_server: Server) -> None:
    """What the new primary has not heard of is as if it had never been: its leases are fenced, nothing is
    renewed, and numbers go on from what is there."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    with followed(own_server) as standby:
        async with PostgresStore(standby.shared_url, project="conformance") as store:
            kept, kept_lease = await started(store)
            standby.until_caught_up()
            standby.fall_behind()
            lost, lost_lease = await started(store, "other")
            standby.take_over()
            renewed = await sooner_or_later(
                lambda: anyio.to_thread.run_sync(store.renew, [kept_lease, lost_lease])
            )
            assert renewed == {kept.id}
            assert await sooner_or_later(lambda: store.finish(lost_lease, outcome())) is None
            with pytest.raises(RunNotFound):
                await store.run(lost.id)
            finished = await store.finish(kept_lease, outcome())
            assert finished is not None
            assert finished.status is RunStatus.SUCCEEDED
            assert (await store.add_run(new_run())).number == lost.number


@pytest.mark.faults
@pytest.mark.timeout(180, method="signal")
def test_schedulers_go_on_after_a_failover_that_lost_commits(own_server: Server, tmp_path: Path) -> None:
    """No process dies, also not one whose run is not known any more; from the state that survived no tick is
    missing."""
    with (
        followed(own_server) as standby,
        deployed(tmp_path, own_server, jobs=5, clocks=(0, 0), url=standby.shared_url) as deployment,
    ):
        standby.until_caught_up()
        standby.fall_behind()
        before = deployment.value("SELECT max(number) FROM jobkit.runs")
        deployment.until(
            "SELECT 1 FROM jobkit.runs WHERE job = 'slow' AND status = 'running'"
            f" AND number > {before} HAVING count(DISTINCT node) = 2"
        )
        standby.take_over()
        deployment.database = standby.url
        now = deployment.value("SELECT jobkit.instant()")
        deployment.until(
            f"SELECT 1 FROM jobkit.runs WHERE queued_at > {now} AND job = 'slow' AND status = 'succeeded'"
            " HAVING count(DISTINCT node) = 2"
        )
        # Runs that had ended, only that nobody knows it any more: their leases have to end.
        open_ = f"SELECT 1 FROM jobkit.runs WHERE status = 'running' AND started_at < {now}"
        deployment.until(f"SELECT 1 WHERE NOT EXISTS ({open_})", 90)
        deployment.until_caught_up()
        assert deployment.living == [0, 1], deployment.said()
        assert deployment.stop() == [0, 0], deployment.said()
        deployment.check_accounted()
        deployment.check_recorded(lost=f"started_at < {now}")
