"""``jobkit run --queue``: a run is left to whoever comes, and the answer says who that is."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from textwrap import dedent
from typing import Any

import anyio
import anyio.to_thread
import pytest

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, new_run_id
from jobkit.statuses import Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Store
from tests.cli.harness import CommandLine
from tests.cli.queues import queued, serve, with_store
from tests.cli.shapes import checked

JOBS = """\
from jobkit import JobResult, Secret, submit_job


@submit_job
async def report(ctx, *, days: int = 1, token: Secret | None = None) -> JobResult:
    return JobResult.success(f"{days} days")


@submit_job(scope="node")
async def local(ctx): ...


@submit_job(overlap="allow")
async def any_number(ctx): ...
"""


@pytest.fixture(autouse=True)
def jobs(cli: CommandLine) -> None:
    """Three of them."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)


def test_a_run_is_queued_and_not_run(cli: CommandLine) -> None:
    """With its parameters, its actor and its consent; the answer is the record."""
    ended = cli("--json", "run", "report", "--queue", "-p", "days=3", "--as", "ada", "--enforce")
    assert ended.code == 0
    [shown] = checked(ended).data
    assert (shown.status, shown.trigger, shown.number) == ("queued", "manual", 1)
    [run] = queued(cli)
    assert (run.job, run.parameters["days"], run.actor, run.enforce) == ("report", 3, "ada", True)
    assert run.id == shown.id


def test_nobody_is_there(cli: CommandLine) -> None:
    """It is queued all the same, and somebody says what it waits for."""
    ended = cli("run", "report", "--queue")
    assert (ended.code, ended.out) == (0, "queued  #1 report  days=1 token=***\n")
    assert "warning: no scheduler is running: it waits until one is (jobkit start)" in ended.err


def test_who_is_there_is_named(cli: CommandLine) -> None:
    """The scheduler that will take it."""
    serve(cli, "report")
    ended = cli("run", "report", "--queue")
    pid = ProcessIdentity.current().pid
    assert ended.out == f"queued  #1 report  days=1 token=***  for scheduler on host-a (pid {pid})\n"
    assert "warning" not in ended.err


def test_a_scheduler_that_does_not_know_the_job_is_no_help(cli: CommandLine) -> None:
    """Nor one whose process is dead."""
    serve(cli, "other")
    ended = cli("run", "report", "--queue")
    assert "warning: no scheduler that is running can execute report" in ended.err
    serve(cli, "any_number", owner=replace(ProcessIdentity.current(), pid=2**22 + 1))
    assert "can execute any_number" in cli("run", "any_number", "--queue").err
    serve(cli, "any_number")
    assert "warning" not in cli("run", "any_number", "--queue").err


def test_a_run_for_one_node_is_for_this_one(cli: CommandLine) -> None:
    """A scheduler elsewhere will not execute it."""
    serve(cli, "local", node="far-away")
    ended = cli("run", "local", "--queue")
    assert (ended.code, "can execute local" in ended.err) == (0, True)
    serve(cli, "local", node=socket.gethostname())
    assert [run.node for run in queued(cli)] == [socket.gethostname()]


def test_what_is_in_the_way_refuses_it(cli: CommandLine) -> None:
    """By the job's overlap: a queued run counts. Others that were asked for are queued."""
    assert cli("run", "report", "--queue").code == 0
    ended = cli("run", "report", "any_number", "--queue")
    assert ended.code == 7
    assert "error[JK533]: run 1 of report is in the way: it is queued, asked for" in ended.err
    assert [run.job for run in queued(cli)] == ["report", "any_number"]
    assert cli("run", "any_number", "--queue").code == 0


def test_jk535_a_secret_is_not_queued(cli: CommandLine) -> None:
    """JK535; configured where it is executed, as its page says, or run here, it works."""
    ended = cli("run", "report", "--queue", "-p", "token=sesame-open", fixed=False)
    assert ended.code == 4
    assert "error[JK535]" in ended.err
    assert "sesame" not in ended.err
    assert "`jobkit run report -p token=…`" in ended.err
    assert cli("run", "report", "-p", "token=sesame-open", fixed=False).code == 0
    cli.file("services/scheduler/config.toml", '[jobs.report]\nparameters = { token = "sesame-open" }\n')
    assert cli("run", "report", "--queue", fixed=False).code == 0
    assert len(queued(cli)) == 1


def test_jk538_a_store_in_memory_keeps_no_queued_run(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JK538; with a store that is kept, as its page says, it is queued."""
    monkeypatch.setenv("JOBKIT__SCHEDULER__STORE", "memory://")
    ended = cli("run", "report", "--queue")
    assert (ended.code, "error[JK538]" in ended.err) == (7, True)
    monkeypatch.delenv("JOBKIT__SCHEDULER__STORE")
    assert cli("run", "report", "--queue").code == 0


@pytest.mark.parametrize("option", [["-x"], ["-j", "2"], ["--pdb"], ["--timeout", "5s"]])
def test_options_for_runs_here_make_no_sense(cli: CommandLine, option: list[str]) -> None:
    """Who executes it decides how."""
    ended = cli("run", "report", "--queue", *option)
    assert (ended.code, f"--queue and {option[0]} exclude each other" in ended.err) == (4, True)


def test_a_run_here_is_refused_beside_one_elsewhere(cli: CommandLine) -> None:
    """`jobkit run` ends with 7, and says which run, since when, by whom, and what to do."""

    async def begin(store: Store) -> None:
        new = NewRun(
            id=new_run_id(datetime.now(UTC)),
            job="report",
            extension="web",
            trigger=Trigger.SCHEDULE,
            actor="ops@example.com",
        )
        await store.add_and_start(new, LeaseRequest(ProcessIdentity.current(), "here"))

    with_store(cli, begin)
    ended = cli("run", "report")
    assert ended.code == 7
    assert "run 1 of report is in the way: it is running, begun 20" in ended.err
    assert "by ops@example.com" in ended.err
    assert "`jobkit cancel 1`" in ended.err
    assert cli("run", "any_number").code == 0


# -- Project.enqueue -----------------------------------------------------------------------------


def test_a_program_queues_a_run(cli: CommandLine) -> None:
    """From anywhere: at once, in a thread, and inside a running event loop."""
    from jobkit import Project

    records: list[RunRecord] = []
    with Project.load(cli.root) as project:
        records.append(project.enqueue("report", {"days": 7}, actor="ada", enforce=True))

        async def inside() -> None:
            records.append(project.enqueue("any_number"))
            records.append(await anyio.to_thread.run_sync(project.enqueue, "any_number"))

        anyio.run(inside)
    assert [run.number for run in records] == [1, 2, 3]
    assert {(run.trigger, run.status) for run in records} == {("api", "queued")}
    assert (records[0].parameters["days"], records[0].actor, records[0].enforce) == (7, "ada", True)
    assert [run.id for run in queued(cli)] == [run.id for run in records]


@pytest.mark.parametrize(
    ("name", "parameters", "error", "code"),
    [
        ("reprot", {}, "UsageError", "JK523"),
        ("report", {"days": "x"}, "ParameterError", "JK502"),
        ("report", {"token": "sesame-open"}, "ParameterError", "JK535"),
        ("any_number", {"what": 1}, "ParameterError", "JK511"),
    ],
)
def test_what_a_program_cannot_queue(
    cli: CommandLine, name: str, parameters: Mapping[str, Any], error: str, code: str
) -> None:
    """It raises what the scheduler raises, and queues nothing."""
    from jobkit import JobkitError, Project

    with Project.load(cli.root) as project, pytest.raises(JobkitError) as refused:
        project.enqueue(name, parameters)
    assert (type(refused.value).__name__, refused.value.code) == (error, code)
    assert queued(cli) == []


def test_a_plugin_is_asked_before_a_run_is_queued(cli: CommandLine) -> None:
    """One that objects keeps it out; one that defers it says when it may start."""
    from jobkit import Project, RunRefused

    cli.file(
        "hooks/freeze.py",
        dedent("""
        from datetime import UTC, datetime
        from jobkit import hookimpl
        from jobkit.plugin import Defer, Skip

        @hookimpl
        def jobkit_run_admit(request):
            if request.spec.name == "report":
                return Skip("month-end freeze")
            if request.spec.name == "any_number":
                return Defer(datetime(2100, 1, 1, tzinfo=UTC), "later")
        """),
    )
    with Project.load(cli.root) as project:
        with pytest.raises(RunRefused, match="plugin freeze does not let job report run: month-end freeze"):
            project.enqueue("report")
        project.enqueue("any_number")
    assert queued(cli) == []
    next_one = with_store(cli, lambda store: store.next_queued())
    assert next_one == datetime(2100, 1, 1, tzinfo=UTC)
