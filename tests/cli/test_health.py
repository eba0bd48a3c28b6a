"""``health``: what is unhealthy, what only deserves a look, and the exit codes that supervisors rely on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import NewRun
from jobkit.stores.outbox import OutboxVerdict, SinkRegistration
from jobkit.stores.replicas import Event
from tests.cli.deployment import DAY, HOUR, MINUTE, Deployment
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import NOW, CommandLine, Ended
from tests.cli.shapes import checked
from tests.cli.shop import utc

JOB = "cleanup_old_records"
#: The tick of today's 03:00 in Berlin.
TODAY = utc("2026-11-22T02:00")


@pytest.fixture
def deployment(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A project with nothing wrong, at a time that stands still."""
    return Deployment.of(sound_shop, monkeypatch)


@pytest.fixture
def served(deployment: Deployment) -> Deployment:
    """The same, with a scheduler, and a job that succeeded when it was due."""
    deployment.register(JOB, ago=10 * DAY)
    deployment.tick(JOB, TODAY)
    deployment.replica()
    return deployment


def health(deployment: Deployment, *options: str, code: int = 0) -> dict[str, list[Any]]:
    """The findings that are no ok ones, by code."""
    ended = deployment.cli("health", "--json", *options)
    assert ended.code == code, ended.out + ended.err
    answer = checked(ended).data
    assert answer.healthy is (code == 0)
    found: dict[str, list[Any]] = {}
    for each in answer.findings:
        if each.level != "ok":
            found.setdefault(each.code, []).append(each)
    return found


def only(found: dict[str, list[Any]], code: str) -> Any:
    """The one finding there is."""
    assert [*found] == [code], found
    [finding] = found[code]
    return finding


# -- schedulers ---------------------------------------------------------------------------------------


def test_a_served_project_is_healthy(served: Deployment) -> None:
    """Who serves it is told: node, process, since when, when it was heard of, version."""
    assert health(served) == {}
    [replica] = checked(served.cli("health", "--json")).data.replicas
    assert (replica.kind, replica.node, replica.pid) == ("scheduler", "host-b", 4242)
    assert (replica.since, replica.heartbeat_at) == ("2026-11-21T13:04:08Z", "2026-11-22T13:04:04Z")
    assert "scheduler host-b (pid 4242), for 1d, heard of 4s ago, jobkit 1.2.3" in told(served.cli("health"))


def told(ended: Ended) -> str:
    """What the screen says, without line breaks."""
    return " ".join(ended.out.split())


def test_without_a_scheduler_ever_nothing_is_late(deployment: Deployment) -> None:
    """That is said instead."""
    finding = only(health(deployment, code=1), "scheduler.none")
    assert finding.level == "error"
    assert "no scheduler has ever run" in finding.message
    assert "jobkit start" in finding.help


def test_a_scheduler_that_stopped_is_missed(served: Deployment) -> None:
    """With when it did."""
    served.stop("host-b-4242", ago=2 * HOUR)
    message = only(health(served, code=1), "scheduler.none").message
    assert message == (
        "no scheduler is running: the last one, host-b (pid 4242), stopped 2h ago (2026-11-22 12:04:08 CET)"
    )


def test_a_scheduler_that_vanished_is_missed(deployment: Deployment) -> None:
    """Three heartbeats are missed: when it was last heard of."""
    deployment.replica(heard=30 * timedelta(seconds=1))
    message = only(health(deployment, code=1), "scheduler.none").message
    assert "host-b (pid 4242), vanished; it was last heard of 30s ago" in message


def test_a_dead_process_of_this_host_is_no_scheduler(deployment: Deployment) -> None:
    """Whatever its heartbeat says; a worker is none either."""
    here = ProcessIdentity.current()
    dead = ProcessIdentity(here.host, here.boot, here.namespace, 2**22 + 1, "1")
    deployment.replica("here", owner=dead)
    deployment.replica("host-c", kind="worker")
    message = only(health(deployment, code=1), "scheduler.none").message
    assert "here (pid 4194305), vanished; it was last heard of 4s ago" in message


def test_a_scheduler_that_is_off_is_no_fault(deployment: Deployment) -> None:
    """Nobody is missed where nothing is to be scheduled; the line that says so is named."""
    deployment.register(JOB)
    deployment.cli.file("services/scheduler/config.toml", "[scheduler]\nenabled = false\n")
    finding = only(health(deployment), "scheduler.off")
    assert (finding.level, "services/scheduler/config.toml:2" in finding.message) == ("warning", True)


# -- late ---------------------------------------------------------------------------------------------


def test_a_late_job_is_unhealthy(deployment: Deployment) -> None:
    """Daily, grace is a day: yesterday's tick should have succeeded, and only one before has."""
    deployment.register(JOB, ago=10 * DAY)
    deployment.tick(JOB, TODAY - 2 * DAY)
    deployment.tick(JOB, TODAY - DAY, RunStatus.FAILED)
    deployment.replica()
    finding = only(health(deployment, code=1), "job.late")
    assert (finding.level, finding.jobs) == ("error", [JOB])
    assert finding.message == (
        f"{JOB} is late: 2026-11-21 03:00:00 CET should have succeeded, and has not; "
        "the last that did: 2026-11-20 03:00:00 CET"
    )
    [late] = checked(deployment.cli("health", "--json")).data.late
    assert (late.tick, late.since) == ("2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z")
    deployment.tick(JOB, TODAY)
    assert health(deployment) == {}


@pytest.mark.parametrize(("jobs", "more"), [(11, "1 more job is late"), (12, "2 more jobs are late")])
def test_of_many_late_jobs_some_are_named(
    sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch, jobs: int, more: str
) -> None:
    """Ten; the others are counted."""
    names = [f"job_{number:02}" for number in range(jobs)]
    text = "".join(f'@submit_job(schedule="0 0 3 * * *")\ndef {name}(ctx): ...\n' for name in names)
    sound_shop.file("extensions/web/jobs/many.py", f"from jobkit import submit_job\n{text}")
    deployment = Deployment.of(sound_shop, monkeypatch)
    deployment.register(*names, ago=10 * DAY)
    for name in names:
        deployment.tick(name, TODAY - DAY, RunStatus.FAILED)
    deployment.replica()
    messages = [finding.message for finding in health(deployment, code=1)["job.late"]]
    assert len(messages) == 11
    assert messages[-1] == more


def test_list_and_show_mark_it(deployment: Deployment) -> None:
    """And no other job."""
    deployment.register(JOB, "ingest_content", ago=10 * DAY)
    deployment.tick(JOB, TODAY - 2 * DAY)
    deployment.tick("ingest_content", NOW.replace(minute=0, second=0))
    jobs = {job.name: job.late for job in checked(deployment.cli("list", "--json")).data}
    assert [name for name, late in jobs.items() if late] == [JOB]
    assert "late, " in deployment.cli("list").out
    assert f"late {JOB}: Sat 03:00 should have succeeded 11h ago; the last that has: Fri 03:00" in told(
        deployment.cli("list")
    )
    shown = checked(deployment.cli("show", JOB, "--json")).data
    assert (shown.late, shown.lateness.tick) == (True, "2026-11-21T02:00:00Z")
    assert "late Sat 03:00 should have succeeded" in told(deployment.cli("show", JOB))
    assert checked(deployment.cli("show", "ingest_content", "--json")).data.lateness is None


@pytest.mark.parametrize(
    "prevented",
    ["disabled", "superseded", "never registered", "paused", "paused and resumed", "scheduler off"],
)
def test_a_job_that_is_not_to_run_is_not_late(deployment: Deployment, prevented: str) -> None:
    """Nor one whose ticks were paused, by hand or all of them; the same without that is."""
    if prevented != "never registered":
        deployment.register(JOB, ago=3 * DAY, hash="another" if prevented == "superseded" else None)
    if prevented.startswith("paused"):
        deployment.at(
            NOW - 2 * DAY, lambda store: store.pause(JOB if prevented == "paused" else None, by="x")
        )
        deployment.tick(JOB, TODAY - 2 * DAY)
    if prevented.endswith("resumed"):
        deployment.at(NOW - MINUTE, lambda store: store.resume(None, by="x"))
    if prevented == "disabled":
        assert deployment.cli("disable", JOB).code == 0
    if prevented == "scheduler off":
        deployment.cli.file("services/scheduler/config.toml", "[scheduler]\nenabled = false\n")
    [job] = checked(deployment.cli("list", JOB, "--json")).data
    assert job.late is False


def test_a_job_that_is_to_run_and_does_not_is_late(deployment: Deployment) -> None:
    """The control of the above; before its first time is over it is not."""
    deployment.register(JOB, ago=2 * DAY)
    [job] = checked(deployment.cli("list", JOB, "--json")).data
    assert job.late is True


def test_what_was_pruned_is_not_held_against_a_job(deployment: Deployment) -> None:
    """Beyond the retention nobody knows whether a tick has succeeded: monthly, and 20 days of history."""
    deployment.register("close_month", ago=60 * DAY)
    [job] = checked(deployment.cli("list", "close_month", "--json")).data
    assert job.late is True
    deployment.cli.file("services/scheduler/config.toml", "[scheduler]\nretention = '20d'\n")
    [job] = checked(deployment.cli("list", "close_month", "--json")).data
    assert job.late is False


# -- replicas that differ -----------------------------------------------------------------------------


def test_replicas_that_differ_are_told(served: Deployment) -> None:
    """By health as a warning, by list below the table; a worker counts, one that is gone does not."""
    served.replica("host-c", jobs={JOB: "x"}, without=("close_month",))
    served.replica("host-d", jobs={"ingest_content": "y"}, heard=DAY)
    findings = health(served).pop("config.differs")
    assert {each.level for each in findings} == {"warning"}
    assert [each.message for each in findings] == [
        f"{JOB} is not the same everywhere: host-b (pid 4242) differs from host-c (pid 4242)",
        "close_month is not the same everywhere: not on host-c (pid 4242)",
    ]
    listed = {job.name: job.differs for job in checked(served.cli("list", "--json")).data}
    assert [name for name, differs in listed.items() if differs] == [JOB, "close_month"]
    assert f"config.differs {JOB}: host-b (pid 4242) differs from host-c" in told(served.cli("list"))
    assert "differs not on host-c (pid 4242)" in told(served.cli("show", "close_month"))
    assert health(served, "--strict", code=1)


def test_a_worker_may_have_fewer_jobs(served: Deployment) -> None:
    """And not others."""
    served.replica("host-c", kind="worker", without=("close_month",))
    assert health(served) == {}
    served.replica("host-d", kind="worker", jobs={JOB: "x"})
    assert only(health(served), "config.differs").jobs == [JOB]


def test_a_node_that_two_share_is_told(served: Deployment) -> None:
    """A warning; an error where there is a job of the node, which each of them would run."""
    served.replica("host-c", details={"node_shared_with": ["another"]})
    finding = only(health(served), "node.shared")
    assert (finding.nodes, finding.level) == (["host-c"], "warning")
    served.replica("host-d", details={"node_shared_with": ["another"]}, schedules={f"{JOB}@host-d": "x"})
    assert {(*each.nodes, each.level) for each in health(served, code=1)["node.shared"]} == {
        ("host-c", "warning"), ("host-d", "error"),
    }  # fmt: skip


def test_a_schedule_that_is_not_in_force_is_told(served: Deployment) -> None:
    """The replica that has it makes no ticks."""
    served.replica("host-c", schedules={JOB: "another", "unknown": "x"})
    finding = only(health(served), "job.superseded")
    assert (finding.jobs, "on host-c (pid 4242)" in finding.message) == ([JOB], True)


def test_zone_data_that_differs_is_told(served: Deployment) -> None:
    """With who has which."""
    served.replica("host-c", details={"tzdata": "2025.2"})
    message = only(health(served), "tzdata.differs").message
    assert message.endswith("2025.2 on host-c (pid 4242); 2026.1 on host-b (pid 4242)")


@pytest.mark.parametrize(("threads", "level", "code"), [(1, "warning", 0), (10, "error", 1)])
def test_abandoned_threads_are_told(served: Deployment, threads: int, level: str, code: int) -> None:
    """From ten on no further ones start in that process: that is an error."""
    served.replica("host-c", details={"abandoned_threads": threads})
    finding = only(health(served, code=code), "threads.abandoned")
    assert (finding.level, finding.nodes) == (level, ["host-c"])


def test_what_a_scheduler_cannot_do_is_told(served: Deployment) -> None:
    """As it says itself; without help, its log is named."""
    failure: dict[str, object] = {"since": "2026-03-02T08:59:00Z", "error": "denied", "more": 0}
    ticks = {"what": "make ticks", "code": "JK601", "help": "grant it", "jobs": ["a", "b"], "more": 1234}
    part: dict[str, object] = {"what": "keep 'sinks' going", "code": None, "help": None, "jobs": []}
    served.replica("host-c", details={"failing": [{**failure, **ticks}, {**failure, **part}]})
    found = health(served, code=1)["scheduler.failing"]
    assert [(each.level, each.help, each.jobs) for each in found] == [
        ("error", "grant it", ["a", "b"]),
        ("error", "its log says more", []),
    ]
    assert found[0].message.startswith(
        "host-c (pid 4242) cannot make ticks of a, b and 1,234 more since 2026-03-02 "
    )
    assert found[0].message.endswith(": denied (JK601)")
    assert found[1].message.endswith(": denied")


def test_a_stepped_clock_is_unhealthy_for_a_day(served: Deployment) -> None:
    """Longer ago it is history."""
    old = Event("clock.stepped", NOW - DAY - MINUTE, JOB)
    served.at(NOW, lambda store: store.add_events([old]))
    assert health(served) == {}
    served.at(NOW, lambda store: store.add_events([Event("clock.stepped", NOW - 2 * HOUR, JOB)]))
    finding = only(health(served, code=1), "clock.stepped")
    assert "stepped 2h ago" in finding.message


# -- files, runs, sinks, pauses -----------------------------------------------------------------------


def test_broken_files_and_jobs_deserve_a_look(shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is served: no error."""
    shop.file("services/scheduler/config.toml", "[jobs.ingest_content]\nschedule = '* * *'\n")
    deployment = Deployment.of(shop, monkeypatch)
    deployment.replica()
    found = health(deployment)
    assert {code: [each.level for each in each_of] for code, each_of in found.items()} == {
        "files.broken": ["warning"], "jobs.error": ["warning"],
    }  # fmt: skip
    assert found["files.broken"][0].message.startswith("2 files could not be loaded: ")
    assert found["jobs.error"][0].jobs == ["ingest_content"]


def _queue(deployment: Deployment, job: str, ago: timedelta, **options: Any) -> None:
    run = NewRun(id=new_run_id(NOW - ago), job=job, extension="web", trigger=Trigger.API, **options)
    deployment.at(NOW - ago, lambda store: store.add_run(run))


def test_runs_that_wait_for_long_are_told(served: Deployment) -> None:
    """Of jobs that nobody has, and of others that nothing keeps; not those whose time has not come."""
    _queue(served, JOB, 4 * MINUTE)
    _queue(served, JOB, HOUR, not_before=NOW + HOUR)
    assert health(served) == {}
    _queue(served, "gone", 6 * MINUTE)
    _queue(served, "ingest_content", 7 * MINUTE)
    unknown, free = health(served)["runs.waiting"]
    assert (unknown.jobs, free.jobs) == (["gone"], ["ingest_content"])
    assert unknown.message == "1 run of gone has waited for up to 6m and no live replica has their jobs"


def test_sinks_in_trouble_are_told(served: Deployment) -> None:
    """Suspended, behind, and with results that were given up."""
    served.at(NOW - 3 * HOUR, lambda store: store.register_sinks([SinkRegistration("hook", 7 * DAY)]))
    served.register("ingest_content", ago=3 * HOUR)
    for minute in (0, 15):
        served.tick("ingest_content", utc("2026-11-22T11:00") + minute * MINUTE)

    async def deliver(store: Any) -> None:
        first, _ = await store.outbox("hook")
        lease = await store.take_sink("hook", ProcessIdentity.current(), MINUTE)
        dead = OutboxVerdict(first.id, "dead", error="no", reason="rejected")
        await store.settle_outbox(
            lease, [dead], failures=3, suspended_until=NOW + MINUTE, error="connection refused"
        )

    served.at(NOW - MINUTE, deliver)
    found = health(served, code=1)
    assert {code: [each.level for each in each_of] for code, each_of in found.items() if "sink" in code} == {
        "sink.suspended": ["warning"], "sink.dead_letters": ["warning"],
    }  # fmt: skip
    assert "connection refused" in found["sink.suspended"][0].message
    assert "sink.waiting" in {*health_at_rest(served)}


def health_at_rest(served: Deployment) -> dict[str, list[Any]]:
    """The same once the sink is tried again, and is behind."""

    async def resume(store: Any) -> None:
        lease = await store.take_sink("hook", ProcessIdentity.current(), MINUTE)
        await store.settle_outbox(lease, [], failures=0, suspended_until=None, error=None)

    served.at(NOW - MINUTE / 2, resume)
    return health(served, code=1)


def test_a_pause_is_told(served: Deployment) -> None:
    """Of one job it is as it should be, of everything it deserves a look."""
    served.at(NOW - HOUR, lambda store: store.pause("close_month", by="ada@host-a", reason="audit"))
    assert health(served) == {}
    assert "close_month is paused, by ada@host-a 1h ago: audit" in told(served.cli("health"))
    served.at(NOW - MINUTE, lambda store: store.pause(None, by="ada@host-a"))
    assert only(health(served), "paused").message == "everything is paused, by ada@host-a 1m ago"


# -- as a probe ---------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_used_is_another_matter(served: Deployment) -> None:
    """Exit code 6, with what is wrong with it."""
    path = served.cli.root / ".jobkit/jobkit.db"
    path.write_bytes(b"no database at all" * 1000)
    ended = served.cli("health", "--json")
    assert (ended.code, ended.data) == (6, None)
    assert [error["code"] for error in ended.json["errors"]] == ["JK605"]


def test_a_wrong_configuration_is_another_matter(served: Deployment) -> None:
    """As for every verb."""
    served.cli.file("services/scheduler/config.toml", "[schedular]\n")
    assert served.cli("health").code == 6


def test_quietly_it_says_what_is_wrong(served: Deployment) -> None:
    """And nothing where nothing is."""
    assert served.cli("health", "-q").out == ""
    served.stop("host-b-4242", ago=MINUTE)
    assert served.cli("health", "-q").out.startswith("FAIL  scheduler.none  no scheduler is running")


@each_form
def test_screen(form: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment with about everything that can be wrong."""
    deployment.register(JOB, ago=10 * DAY)
    deployment.tick(JOB, TODAY - 2 * DAY)
    deployment.replica()
    deployment.replica("host-c", pid=7, ago=2 * HOUR, jobs={JOB: "x"}, details={"abandoned_threads": 2})
    _queue(deployment, "gone", 6 * MINUTE)
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    for name, code in (("list", 0), ("health", 1)):
        if name == "health":
            deployment.at(
                NOW - HOUR, lambda store: store.pause("close_month", by="ada@host-a", reason="audit")
            )
        ended = deployment.cli(name, encoding=encoding)
        assert (ended.code, ended.err) == (code, "")
        check_screen(f"{name}-late", form, ended.out)
