"""``jobkit retry``: a run once more, here or by whoever is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, TickSpan, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, Store
from tests.cli.harness import CommandLine
from tests.cli.queues import queued, serve, with_store
from tests.cli.shapes import checked

JOBS = """\
from jobkit import JobResult, Secret, submit_job


@submit_job
async def report(ctx, *, days: int = 1, label: str = "x") -> JobResult:
    return JobResult.success(f"{days} {label} {ctx.actor} {ctx.enforce} {ctx.scheduled_at} {ctx.window}")


@submit_job
async def secretive(ctx, *, token: Secret) -> JobResult:
    return JobResult.success(str(len(token)))


@submit_job
async def connects(ctx, *, url: str = "") -> JobResult:
    return JobResult.success(str(len(url)))


@submit_job
async def child(ctx, *, days: int = 1) -> JobResult:
    return JobResult.success(f"{days} {ctx.trigger}")


@submit_job
async def parent(ctx):
    await ctx.run_job("child", days=5)
"""
TICK = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def jobs(cli: CommandLine) -> None:
    """What they say tells what they were given."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)


def past(cli: CommandLine, *, ended: bool = True, **terms: Any) -> RunRecord:
    """A scheduled run, failed unless it has not *ended*."""

    async def make(store: Store) -> RunRecord:
        new = NewRun(
            id=new_run_id(datetime.now(UTC)), job="report", extension="web", trigger=Trigger.SCHEDULE, **terms
        )
        record, lease = await store.add_and_start(new, LeaseRequest(ProcessIdentity.current(), "here"))
        if not ended:
            return record
        outcome = Outcome(status=RunStatus.FAILED, finished_at=datetime.now(UTC), duration_ms=1)
        finished = await store.finish(lease, outcome)
        assert finished is not None
        return finished

    record: RunRecord = with_store(cli, make)
    return record


def test_a_run_is_done_once_more(cli: CommandLine) -> None:
    """Its parameters, scheduled time, window and covers are those of the old one; it names it, and is no
    tick."""
    window, covers = (TICK - timedelta(days=1), TICK), TickSpan(TICK, TICK, 1)
    old = past(
        cli,
        actor="ops",
        parameters={"days": 7, "label": "old"},
        scheduled_at=TICK,
        window=window,
        covers=covers,
    )
    ended = cli("--json", "retry", "1", "--as", "ada")
    assert ended.code == 0
    [run] = checked(ended).data
    assert (run.number, run.status, run.trigger, run.retry_of) == (2, "succeeded", "retry", old.id)
    assert (run.scheduled_at, run.actor) == ("2026-11-22T03:00:00Z", "ada")
    assert run.window == ["2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"]
    assert run.covers is not None
    assert run.message.startswith("7 old ada False 2026-11-22 03:00:00+00:00")
    assert cli("retry", "1").code == 0, "the ledger takes it for no tick: it can be done again"
    lines = cli("history").out.splitlines()
    end = next(line for line in lines if line.startswith("RUN")).index("LAG") + len("LAG")
    [row] = [line for line in lines if line.startswith("#2")]
    assert row[:end].endswith(" -"), "it is late for nothing"


def test_parameters_are_replaced_key_by_key(cli: CommandLine) -> None:
    """Those that are given; the others stay."""
    past(cli, parameters={"days": 7, "label": "old"})
    [run] = checked(cli("--json", "retry", "last", "-p", "days=9")).data
    assert run.parameters == {"days": 9, "label": "old"}
    ended = cli("retry", "1", "-p", "dasy=9")
    assert (ended.code, "did you mean `days`?" in ended.err) == (4, True)


def test_consent_is_not_repeated(cli: CommandLine) -> None:
    """Who gave it gave it for that run; a note says so."""
    past(cli, enforce=True)
    ended = cli("--json", "retry", "1")
    assert checked(ended).data[0].enforce is False
    assert "note: run 1 had --enforce; consent is not repeated" in ended.err
    ended = cli("--json", "retry", "1", "--enforce")
    assert checked(ended).data[0].enforce is True
    assert "note" not in ended.err


def test_who_is_there_executes_it(cli: CommandLine) -> None:
    """A live scheduler: it is queued, and the answer says for whom; with --here it is run."""
    old = past(cli, parameters={"days": 7}, scheduled_at=TICK)
    serve(cli, "report")
    ended = cli("retry", "1", "-p", "label=new")
    assert ended.code == 0
    assert ended.out.startswith("queued  #2 report  days=7 label=new  for scheduler on host-a (pid ")
    [run] = queued(cli)
    assert (run.trigger, run.retry_of, run.scheduled_at) == ("retry", old.id, TICK)
    assert cli("cancel", "2").code == 0
    ended = cli("retry", "1", "--here")
    assert (ended.code, ended.out.startswith("ok  #3 report")) == (0, True)


def test_jk537_a_run_that_goes_on_is_not_repeated(cli: CommandLine) -> None:
    """JK537; once it was cancelled, as its page says, it is."""
    past(cli, ended=False)
    ended = cli("retry", "1")
    assert ended.code == 7
    assert "error[JK537]: run 1 of report has not ended: it is running" in ended.err
    assert "`jobkit cancel 1`" in ended.err

    async def end(store: Store) -> None:
        [held] = await store.open_leases()
        outcome = Outcome(status=RunStatus.CANCELLED, finished_at=datetime.now(UTC), duration_ms=1)
        await store.finish(held.lease, outcome)

    with_store(cli, end)
    assert cli("retry", "1").code == 0


def test_jk536_a_secret_that_was_not_kept(cli: CommandLine) -> None:
    """JK536; given again, or configured, as its page says, the run is repeated."""
    assert cli("run", "secretive", "-p", "token=sesame-open").code == 0
    ended = cli("retry", "1")
    assert ended.code == 7
    assert "error[JK536]: run 1 cannot be repeated: job secretive needs `token`" in ended.err
    assert "sesame" not in ended.err
    ended = cli("--json", "retry", "1", "-p", "token=open-sesame-1", "--here")
    assert checked(ended).data[0].message == "13"
    cli.file("services/scheduler/config.toml", '[jobs.secretive]\nparameters = { token = "sesame" }\n')
    ended = cli("--json", "retry", "1")
    assert checked(ended).data[0].message == "6"
    assert "note: token: secrets are not kept" in ended.err


def test_what_was_masked_is_not_made_up(cli: CommandLine) -> None:
    """The password of an address is a secret too; one that was configured is known here."""
    assert cli("run", "connects", "-p", "url=https://ada:sesame-open@host/").code == 0
    ended = cli("retry", "1")
    assert (ended.code, "error[JK536]" in ended.err, "sesame" in ended.err) == (7, True, False)
    config = '[jobs.connects]\nparameters = { url = "https://ada:sesame-open@host/" }\n'
    cli.file("services/scheduler/config.toml", config)
    assert cli("run", "connects").code == 0
    [run] = checked(cli("--json", "retry", "2")).data
    assert run.message == "29"


def test_a_secret_cannot_be_queued(cli: CommandLine) -> None:
    """Where a scheduler would execute it: not stored, so refused; --here runs it."""
    assert cli("run", "secretive", "-p", "token=sesame-open").code == 0
    serve(cli, "secretive")
    ended = cli("retry", "1", "-p", "token=open-sesame-1")
    assert (ended.code, "error[JK535]" in ended.err) == (4, True)
    assert cli("retry", "1", "-p", "token=open-sesame-1", "--here").code == 0


def test_a_child_run_is_repeated_by_itself(cli: CommandLine) -> None:
    """As a run of its own, with what its parent gave it."""
    assert cli("run", "parent").code == 0
    ended = cli("--json", "retry", "2")
    [run] = checked(ended).data
    assert (run.job, run.parent, run.message, run.parameters) == ("child", None, "5 retry", {"days": 5})


@pytest.mark.parametrize("reference", ["99", "nonsense", "01a20563-5dd3-72e8-9166-3b22fa755de0"])
def test_a_run_that_there_is_not(cli: CommandLine, reference: str) -> None:
    """Exit code 4."""
    past(cli)
    ended = cli("retry", reference)
    assert (ended.code, "error[JK603]" in ended.err) == (4, True)


def test_a_job_that_is_gone(cli: CommandLine) -> None:
    """Or broken: said as `jobkit run` says it."""
    past(cli)
    path = cli.root / "extensions/web/jobs/jobs.py"
    path.unlink()
    ended = cli("retry", "1")
    assert (ended.code, "there is no job 'report'" in ended.err) == (4, True)


def test_a_protected_environment_asks(cli: CommandLine) -> None:
    """And is refused where nobody can be asked."""
    cli.file("jobkit.toml", '[project]\nname = "shop"\nprotected = true\n')
    past(cli)
    assert cli("retry", "1").code == 7
    assert cli("retry", "1", "-y").code == 0


def test_the_exit_code_is_that_of_the_run(cli: CommandLine) -> None:
    """As for `jobkit run`."""
    cli.file("extensions/web/jobs/jobs.py", JOBS.replace("success(f", "failure(f"))
    past(cli)
    assert cli("retry", "1").code == 1
