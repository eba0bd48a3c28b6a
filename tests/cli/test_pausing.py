"""``pause`` and ``resume``: what they write, what they answer, who obeys, and what the other verbs show."""

from __future__ import annotations

import signal
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobkit.exceptions import StoreUnavailable
from jobkit.processes import ProcessIdentity
from jobkit.stores.sqlite.store import SqliteStore
from tests.cli.deployment import DAY, HOUR, MINUTE, Deployment
from tests.cli.harness import NOW, CommandLine, Ended
from tests.cli.queues import with_store
from tests.cli.shapes import checked
from tests.cli.test_process import wait_for_file
from tests.cli.test_start import QUICK, started

JOB = "cleanup_old_records"


@pytest.fixture
def deployment(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A project with nothing wrong, at a time that stands still, and no scheduler."""
    return Deployment.of(sound_shop, monkeypatch)


def in_force(cli: CommandLine) -> dict[str | None, Any]:
    """The pauses that go on, by the job."""
    return {pause.job: pause for pause in with_store(cli, lambda store: store.pauses())}


def told(ended: Ended) -> str:
    """What the screen says, without line breaks."""
    return " ".join(ended.out.split())


# -- pause --------------------------------------------------------------------------------------------


def test_a_job_is_paused(deployment: Deployment) -> None:
    """Until when, by whom and why; what it means, who obeys, and how it ends."""
    ended = deployment.cli("pause", JOB, "--for", "2h", "--reason", "mail server moves", "--as", "ada@host-a")
    assert ended.code == 0, ended.err
    assert told(ended) == (
        f"{JOB} is paused until 16:04 Europe/Berlin (+01:00), for 2h "
        "by ada@host-a: mail server moves "
        f"ticks meanwhile have no run, and are not made up for; `jobkit run {JOB}` still runs by hand "
        "no scheduler is running now; the next one that starts obeys it "
        f"`jobkit resume {JOB}` ends it"
    )
    pause = in_force(deployment.cli)[JOB]
    assert (pause.since, pause.until) == (NOW, NOW + 2 * HOUR)
    assert (pause.by, pause.reason) == ("ada@host-a", "mail server moves")


def test_the_answer_as_data(deployment: Deployment) -> None:
    """What was written, and the schedulers that are there; without --as it is whoever gives the command."""
    answer = checked(deployment.cli("pause", JOB, "close_month", "--json")).data
    assert [(pause.job, pause.until, pause.reason) for pause in answer.paused] == [
        (JOB, None, None),
        ("close_month", None, None),
    ]
    assert "@" in answer.paused[0].by
    assert answer.schedulers == []


def test_several_are_paused_once_each(deployment: Deployment) -> None:
    """However often one is named."""
    ended = deployment.cli("pause", JOB, "close_month", JOB)
    assert ended.out.count("is paused until somebody resumes") == 2
    assert in_force(deployment.cli).keys() == {JOB, "close_month"}


def test_all_jobs_are_paused(deployment: Deployment) -> None:
    """Where none is named; it is said how many those are, and how it is undone."""
    ended = deployment.cli("pause", "--reason", "freeze")
    words = told(ended)
    assert words.startswith("all jobs are paused until somebody resumes by ")
    assert "that is 5 jobs now, and every one that is added" in words
    assert words.endswith("`jobkit resume` ends it")
    assert [*in_force(deployment.cli)] == [None]


def test_a_pause_takes_the_place_of_another(deployment: Deployment) -> None:
    """And says which one is gone."""
    deployment.at(NOW - HOUR, lambda store: store.pause(JOB, until=NOW + DAY, by="ada", reason="old"))
    words = told(deployment.cli("pause", JOB, "--for", "30m"))
    assert "instead of the pause until Mon 14:04, by ada, 1h ago: old" in words
    assert in_force(deployment.cli)[JOB].until == NOW + 30 * MINUTE


def test_a_pause_of_minutes_ends_at_a_second(deployment: Deployment) -> None:
    """To the minute it would seem to be over before it is."""
    assert told(deployment.cli("pause", JOB, "--for", "90s")).startswith(f"{JOB} is paused until 14:05:38")
    assert "PAUSED until 14:05:38" in deployment.cli("list").out


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_unknown_job_changes_nothing(deployment: Deployment, verb: str) -> None:
    """JK802 with the closest name, exit code 4, although another name is right."""
    deployment.at(NOW, lambda store: store.pause("close_month", by="ada"))
    before = in_force(deployment.cli)
    ended = deployment.cli(verb, "close_month", "cleanup_old_record")
    assert ended.code == 4
    assert "error[JK802]" in ended.err
    assert f"did you mean '{JOB}'?" in ended.err
    assert in_force(deployment.cli) == before


@pytest.mark.parametrize("span", ["0", "0s", "soon", "-5m"])
def test_a_pause_is_longer_than_nothing(deployment: Deployment, span: str) -> None:
    """Exit code 4, and nothing is written."""
    assert deployment.cli("pause", JOB, "--for", span).code == 4
    assert in_force(deployment.cli) == {}


def test_a_job_without_ticks_is_paused_all_the_same(deployment: Deployment) -> None:
    """It may have some later; that it has none now is said."""
    assert "it has no ticks now in any case: disabled (project jobkit.toml:8)" in told(
        deployment.cli("pause", "send_invoices")
    )
    assert [*in_force(deployment.cli)] == ["send_invoices"]


def test_who_obeys_is_named(deployment: Deployment) -> None:
    """Live schedulers; neither workers, nor one that vanished, nor a dead process of this host."""
    here = ProcessIdentity.current()
    dead = ProcessIdentity(here.host, here.boot, here.namespace, 2**22 + 1, "1")
    deployment.replica("here", owner=dead)
    deployment.replica("host-c", kind="worker")
    deployment.replica("host-d", heard=DAY)
    assert "no scheduler is running now" in told(deployment.cli("pause", JOB))
    deployment.replica("host-b", pid=4242)
    assert "obeyed by host-b (process 4242) `" in told(deployment.cli("pause", JOB))
    [scheduler] = checked(deployment.cli("pause", JOB, "--json")).data.schedulers
    assert (scheduler.node, scheduler.pid) == ("host-b", 4242)
    for number in range(6):
        deployment.replica(f"host-{number}", pid=number + 1)
    assert "and 2 more" not in told(deployment.cli("pause", JOB))
    assert ", 2 more `" in told(deployment.cli("pause", JOB))
    assert "obeyed by " in told(deployment.cli("resume", JOB))


# -- resume -------------------------------------------------------------------------------------------


def test_a_job_goes_on(deployment: Deployment) -> None:
    """Whose pause it was, and when the job is due."""
    deployment.at(NOW - HOUR, lambda store: store.pause(JOB, by="ada", reason="move"))
    ended = deployment.cli("resume", JOB)
    assert ended.code == 0
    words = told(ended)
    assert words.startswith(f"{JOB} goes on it was paused by ada, 1h ago: move next: 03:00, in 12h")
    assert in_force(deployment.cli) == {}


def test_what_was_not_paused_is_no_error(deployment: Deployment) -> None:
    """It is said, by name, and for all jobs."""
    ended = deployment.cli("resume", JOB)
    assert (ended.code, ended.out.startswith(f"{JOB} is not paused\n")) == (0, True)
    ended = deployment.cli("resume")
    assert (ended.code, ended.out) == (0, "there is no pause of all jobs\n")
    answer = checked(deployment.cli("resume", JOB, "--json")).data
    assert (answer.resumed, answer.not_paused, answer.still) == ([], [JOB], [])


def test_the_pause_of_all_is_another(deployment: Deployment) -> None:
    """A job stays held by it, and one that was paused by name by its own; each is said."""
    deployment.at(NOW - HOUR, lambda store: store.pause(JOB, by="ada"))
    deployment.at(NOW - HOUR, lambda store: store.pause(None, by="bob", reason="freeze"))
    words = told(deployment.cli("resume", JOB))
    assert words.startswith(f"{JOB} stays paused with all jobs")
    assert "until somebody resumes, by bob, 1h ago: freeze" in words
    assert "next:" not in words
    assert [*in_force(deployment.cli)] == [None]
    deployment.at(NOW, lambda store: store.pause("close_month", by="ada"))
    words = told(deployment.cli("resume"))
    assert words.startswith("all jobs go on paused by bob, 1h ago: freeze")
    assert "still paused on their own: close_month (`jobkit resume close_month`)" in words
    answer = checked(deployment.cli("resume", "close_month", "--json")).data
    assert [pause.job for pause in answer.resumed] == ["close_month"]
    assert answer.still == []


def test_a_pause_of_a_job_that_is_gone_can_be_ended(deployment: Deployment) -> None:
    """Its name is taken as long as there is a pause of it."""
    deployment.at(NOW - HOUR, lambda store: store.pause("gone", by="ada"))
    assert "no job has this name any more" in told(deployment.cli("resume", "gone"))
    assert deployment.cli("resume", "gone").code == 4


# -- what the other verbs show ------------------------------------------------------------------------


def test_list_shows_it(deployment: Deployment) -> None:
    """When the job is due after the pause, as data; on the screen that it is paused."""
    deployment.cli("pause", JOB, "--for", "2d", "--reason", "move", "--as", "ada")
    listed = {job.name: job for job in checked(deployment.cli("list", "--json")).data}
    assert listed[JOB].paused.reason == "move"
    assert listed[JOB].next_run_at == "2026-11-25T02:00:00Z"
    assert listed["close_month"].paused is None
    screen = deployment.cli("list").out
    assert "PAUSED until " in screen
    assert f"paused {JOB}: until Tue 14:04, by ada, 0s ago: move" in screen


def test_show_skips_the_ticks_that_have_no_run(deployment: Deployment) -> None:
    """Its next ones are those after the pause, as `list` says."""
    deployment.cli("pause", JOB, "--for", "2d")
    words = told(deployment.cli("show", JOB))
    assert "PAUSED until Tue 14:04, by " in words
    assert "next Wed 2026-11-25 03:00:00 +01:00 in 2d Thu 2026-11-26 03:00:00" in words
    assert "2026-11-23 03:00:00" not in words
    shown = checked(deployment.cli("show", JOB, "--json")).data
    assert shown.next_run_at == "2026-11-25T02:00:00Z"


def test_show_of_a_job_that_nobody_knows_the_end_of(deployment: Deployment) -> None:
    """What would be next is told, and that it will not be."""
    deployment.cli("pause")
    words = told(deployment.cli("show", JOB))
    assert "next - (paused); would be Mon 2026-11-23 03:00:00 +01:00" in words
    assert checked(deployment.cli("show", JOB, "--json")).data.next_run_at is None


def test_a_run_by_hand_says_it(cli: CommandLine) -> None:
    """And runs; of several, which ones are paused."""
    cli.file(
        "extensions/a/jobs/quick.py",
        "from jobkit import submit_job\n\n\ndef quick(ctx): ...\n\n\n"
        "submit_job(quick)\nsubmit_job(quick, name='other')\n",
    )
    assert "note" not in cli("run", "quick").err
    cli("pause", "quick", "--reason", "move", "--as", "ada")
    ended = cli("run", "quick", "other")
    assert ended.code == 0
    assert "note: quick is paused by ada: move; it runs because it was asked for" in ended.err
    cli("pause", "other")
    assert (
        "note: quick, other are paused; they run because they were asked for"
        in cli("run", "quick", "other").err
    )
    cli("pause", "--as", "bob")
    assert "note: all jobs are paused by bob; what is asked for runs all the same" in cli("run", "quick").err


def test_a_store_that_does_not_say_keeps_nothing_from_running(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a note only: without an answer it is left out."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    cli("pause", "quick")
    asked = []

    async def away(self: SqliteStore, *, since: datetime | None = None) -> list[Any]:
        asked.append(since)
        raise StoreUnavailable("the disk is full", code="JK601")

    monkeypatch.setattr(SqliteStore, "pauses", away)
    ended = cli("run", "quick")
    assert (ended.code, ended.out.startswith("ok ")) == (0, True)
    assert "paused" not in ended.err
    assert asked


# -- a protected environment --------------------------------------------------------------------------


def test_a_protected_environment_asks_before_everything_stops(cli: CommandLine) -> None:
    """JK808, exit code 7, without -y; one job by its name is paused without, and resuming is never asked."""
    cli.file("jobkit.toml", '[project]\nname = "shop"\nprotected = true\n')
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    ended = cli("pause")
    assert (ended.code, "error[JK808]" in ended.err) == (7, True)
    assert "-y pauses all jobs without asking" in ended.err
    assert in_force(cli) == {}
    assert cli("pause", "quick").code == 0
    assert cli("pause", "-y").code == 0
    assert in_force(cli).keys() == {None, "quick"}
    assert cli("resume").code == 0


# -- a scheduler that runs ----------------------------------------------------------------------------


def test_a_scheduler_sees_it_within_a_second(cli: CommandLine) -> None:
    """Ticks in the pause have no run, those after it do, and the history says why."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli) as service:
        wait_for_file(cli.root / "quick")
        answer = checked(cli.process("pause", "quick", "--reason", "move", "--as", "ada", "--json")).data
        assert [scheduler.pid for scheduler in answer.schedulers] == [service.process.pid]
        time.sleep(3.2)
        resumed = cli.process("resume", "quick")
        assert f"obeyed by {answer.schedulers[0].node} (process {service.process.pid})" in told(resumed)
        (cli.root / "quick").unlink()
        wait_for_file(cli.root / "quick")
        assert service.end(signal.SIGTERM).code == 0
    [since] = [datetime.fromisoformat(pause.since) for pause in answer.paused]
    history = checked(cli("history", "--limit", "100", "--json")).data
    runs = [datetime.fromisoformat(run.scheduled_at) for run in history if run.ticks is None]
    moment = timedelta(seconds=1)
    [end] = [pause.end for pause in with_store(cli, lambda store: store.pauses(since=since - moment))]
    assert [tick for tick in runs if since + moment < tick < end] == []
    [span] = [run for run in history if run.ticks is not None and run.reason == "paused"]
    assert span.ticks.count >= 2
    assert max(runs) >= end > datetime.now(UTC) - timedelta(minutes=1)
    assert span.message is not None
    assert "ada" in span.message
