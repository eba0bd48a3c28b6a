"""``jobkit run``: what runs, with what, and what is said of it."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOBS = '''\
import anyio
from jobkit import JobContext, JobResult, Retry, submit_job


@submit_job(tags=["good", "quick"])
async def good(ctx: JobContext, *, days: int = 30, label: str = "x") -> JobResult:
    """Goes well."""
    ctx.log.info("working", days=days)
    print("printed by good")
    return JobResult.success(f"{days} {label} {ctx.actor} {ctx.enforce}").with_stats(3, 0)


@submit_job(tags=["bad"])
def bad(ctx):
    """Fails unexpectedly."""
    raise LookupError("nothing there")


@submit_job(tags=["bad"])
def expected(ctx):
    return JobResult.failure("as expected")


@submit_job
def skips(ctx):
    return JobResult.skipped("nothing to do")


@submit_job
def wants(ctx, *, since: str, pages: int): ...


@submit_job(enabled=False, tags=["good"])
def sleeping(ctx): ...


@submit_job(timeout="1h")
async def endless(ctx):
    await anyio.sleep_forever()


@submit_job(retries=Retry(2, delay=0))
def third_time(ctx):
    if ctx.attempt < 3:
        raise OSError(f"attempt {ctx.attempt}")


@submit_job
async def parent(ctx, *, child: str = "good"):
    ctx.progress(1, 2, "half")
    await ctx.run_job(child)
'''


@pytest.fixture
def jobs(cli: CommandLine) -> CommandLine:
    """A project with jobs of all kinds."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    return cli


def test_a_run_that_goes_well(jobs: CommandLine) -> None:
    """Exit code 0, its result on stdout, its record as data."""
    ended = jobs("run", "good")
    assert ended.code == 0
    assert ended.out.startswith("ok  #1 good")
    assert "processed=3 errors=0" in ended.out
    ended = jobs("run", "good", "-p", "days=7", "-p", "label=a=b", "--json")
    [run] = checked(ended).data
    assert (run.number, run.status, run.trigger) == (2, "succeeded", "manual")
    assert run.parameters == {"days": 7, "label": "a=b"}
    assert run.message.startswith("7 a=b ")
    assert (run.processed, run.errors) == (3, 0)


def test_a_run_that_fails(jobs: CommandLine) -> None:
    """Exit code 1, the user's frames, a summary that says how to go on; history has it."""
    ended = jobs("run", "bad")
    assert ended.code == 1
    assert "FAILED  #1 bad" in ended.out
    line = JOBS.splitlines().index('    raise LookupError("nothing there")') + 1
    assert f"extensions/web/jobs/jobs.py:{line}: in bad" in ended.out
    assert '>   raise LookupError("nothing there")' in ended.out
    assert "E   LookupError: nothing there" in ended.out
    assert "jobkit/runner" not in ended.out
    assert "FAILED #1 bad - LookupError: nothing there   jobkit logs 1" in ended.out
    assert "again: jobkit run --failed" in ended.out
    [run] = checked(jobs("run", "bad", "--json")).data
    assert run.status == "failed"
    assert run.error.message == "nothing there"
    assert [row.status for row in checked(jobs("history", "--json")).data] == ["failed", "failed"]


def test_an_expected_failure_has_no_frames(jobs: CommandLine) -> None:
    """The message is enough."""
    ended = jobs("run", "expected")
    assert ended.code == 1
    assert "as expected" in ended.out
    assert "jobs.py" not in ended.out


def test_skipped_is_fine(jobs: CommandLine) -> None:
    """A job that had nothing to do is no failure."""
    assert jobs("run", "skips").code == 0


def test_several_jobs_and_the_first_failure(jobs: CommandLine) -> None:
    """In the order named; with -x nothing more is started after a failure."""
    ended = jobs("run", "bad", "good", "--json")
    assert ended.code == 1
    assert [run.job for run in checked(ended).data] == ["bad", "good"]
    ended = jobs("run", "bad", "good", "-x", "--json")
    assert ended.code == 1
    assert [run.job for run in checked(ended).data] == ["bad"]
    assert "1 not started" in ended.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 4),
        (["-x"], 4),
        (["-p", "days"], 4),
        (["good", "-p", "days"], 4),
        (["good", "-p", "=7"], 4),
        (["good", "-p", "days=soon"], 4),
        (["good", "-p", "dayz=7"], 4),
        (["wants"], 4),
        (["wants", "-p", "since=now", "-p", "pages=x"], 4),
        (["good", "--timeout", "soon"], 4),
        (["good", "--timeout", "0"], 4),
        (["good", "--timeout", "0s"], 4),
        (["good", "-j", "0"], 4),
        (["goood"], 4),
        (["--tag", "no-such-tag"], 5),
        (["--ext", "no-such-extension"], 5),
        (["-k", "nothing"], 5),
        (["nothing*"], 5),
        (["--failed"], 5),
        (["--tag", "good", "-k", "sleeping"], 5),
    ],
)
def test_nothing_runs_if_the_line_is_wrong(jobs: CommandLine, arguments: list[str], code: int) -> None:
    """Usage is 4, nothing selected is 5; one error, no data, no run."""
    ended = jobs("run", *arguments, "--json")
    assert ended.code == code, ended.err
    answer = checked(ended)
    assert answer.data == []
    assert len(answer.errors) == 1
    assert jobs("history", "--json").data == []


def test_a_missing_parameter_shows_the_signature(jobs: CommandLine) -> None:
    """Name, signature, and how to give it."""
    ended = jobs("run", "wants", "-p", "since=now")
    assert "pages" in ended.err
    assert "wants(since: str, pages: int)" in ended.err


def test_parameters_of_several_jobs_must_fit_all(jobs: CommandLine) -> None:
    """One of them does not take it: none is started."""
    ended = jobs("run", "good", "skips", "-p", "days=3")
    assert ended.code == 4
    assert jobs("history", "--json").data == []


def test_who_and_with_what_consent(jobs: CommandLine) -> None:
    """user@host unless --as; observing unless --enforce; both are recorded and reach the job."""
    [run] = checked(jobs("run", "good", "--json")).data
    assert run.actor == f"{getpass.getuser()}@{socket.gethostname()}"
    assert run.enforce is False
    [run] = checked(jobs("run", "good", "--enforce", "--as", "ada", "--json")).data
    assert (run.actor, run.enforce) == ("ada", True)
    assert run.message == "30 x ada True"


def test_a_timeout_from_the_command_line(jobs: CommandLine) -> None:
    """--timeout replaces the job's own: durations, or seconds."""
    for text in ("50ms", "0.05"):
        ended = jobs("run", "endless", "--timeout", text, "--json", fixed=False)
        assert ended.code == 1
        [run] = checked(ended).data
        assert run.status == "timed_out"


def test_attempts_are_counted(jobs: CommandLine) -> None:
    """A job that succeeds in the end is a success; the attempt it took is shown."""
    ended = jobs("run", "third_time", fixed=False)
    assert ended.code == 0
    assert "attempt 3/3" in ended.out


def test_children_are_shown_and_are_not_the_answer(jobs: CommandLine) -> None:
    """Child runs are indented below their parent; data holds the selected runs only."""
    ended = jobs("run", "parent")
    assert ended.code == 0
    assert ended.out.splitlines()[0].startswith("  ok  #2 good")
    assert "ok  #1 parent" in ended.out
    assert "1 succeeded in" in ended.out
    assert "(1 child run: 1 succeeded)" in ended.out
    ended = jobs("run", "parent", "-p", "child=bad", "--json")
    assert ended.code == 1
    [run] = checked(ended).data
    assert run.job == "parent"
    assert [row.job for row in checked(jobs("history", "--json", "--trigger", "child")).data] == [
        "bad",
        "good",
    ]


def test_all_leaves_disabled_jobs_out(cli: CommandLine) -> None:
    """Disabled jobs run when they are named, and only then; both is said."""
    for name, enabled in (("on", True), ("off", False)):
        cli.file(
            f"extensions/a/jobs/{name}.py",
            f"from jobkit import submit_job\n@submit_job(enabled={enabled})\ndef {name}(ctx): ...\n",
        )
    ended = cli("run", "--all")
    assert ended.code == 0
    assert "1 disabled job left out: off" in ended.err
    assert "off" not in ended.out
    named = cli("run", "off", "--json")
    assert "off is disabled" in named.err
    assert [run.status for run in checked(named).data] == ["succeeded"]
    cli.file(
        "extensions/a/jobs/on.py",
        "from jobkit import submit_job\n@submit_job(enabled=False)\ndef on(ctx): ...\n",
    )
    every = cli("run", "--all")
    assert every.code == 5
    assert "JK803" in every.err


def test_broken_files_stop_all_and_nobody_else(jobs: CommandLine) -> None:
    """--all exits 2 before anything runs; any other selection runs, with one line for each broken file."""
    jobs.file("extensions/web/jobs/broken.py", "import nothing_like_this\n")
    ended = jobs("run", "--all", "--json")
    assert ended.code == 2
    assert checked(ended).data == []
    assert jobs("history", "--json").data == []
    for selection in (["good"], ["--tag", "quick"], ["goo*"], ["--ext", "web", "-k", "skips"]):
        ended = jobs("run", *selection)
        assert ended.code == 0, ended.err
        [line] = [line for line in ended.err.splitlines() if "nothing_like_this" in line]
        assert line.startswith("error[JK104]: extensions/web/jobs/broken.py:1: ")


def test_a_job_with_an_error_does_not_run(jobs: CommandLine) -> None:
    """Named, its error is the answer (2); in a selection, the others run and the exit code still tells."""
    jobs.file("jobkit.toml", '[jobs.good]\nschedule = "0 3 * * *"\n')
    named = jobs("run", "good", "skips")
    assert named.code == 2
    assert "jobkit.toml:2" in named.err
    assert jobs("history", "--json").data == []
    chosen = jobs("run", "-k", "good or skips", "--json")
    assert chosen.code == 2
    assert [run.job for run in checked(chosen).data] == ["skips"]
    assert jobs("run", "--all").code == 2


def test_failed_runs_those_that_failed_last(jobs: CommandLine) -> None:
    """--failed: jobs whose last run did not succeed; it narrows what else is selected."""
    jobs("run", "bad", "good", "expected")
    assert [run.job for run in checked(jobs("run", "--failed", "--json")).data] == ["bad", "expected"]
    assert [run.job for run in checked(jobs("run", "--failed", "expected", "--json")).data] == ["expected"]
    jobs.file(
        "extensions/web/jobs/jobs.py", JOBS.replace('raise LookupError("nothing there")', "return None")
    )
    assert jobs("run", "bad").code == 0
    assert [run.job for run in checked(jobs("run", "--failed", "--json")).data] == ["expected"]


def test_dry_run_runs_nothing(jobs: CommandLine) -> None:
    """Everything is checked and shown, nothing recorded, and the parameters are those that would be used."""
    ended = jobs("run", "good", "-p", "days=7", "--dry-run")
    assert ended.code == 0
    assert ended.out == "would run good  days=7 label=x\nnothing was run (--dry-run)\n"
    [run] = checked(jobs("run", "good", "--dry-run", "--enforce", "--json")).data
    assert (run.id, run.number, run.status, run.reason) == (None, None, "skipped", "dry_run")
    assert run.enforce
    assert jobs("run", "good", "-p", "days=x", "--dry-run").code == 4
    assert not list(Path(jobs.root / ".jobkit").glob("*.db"))


def test_dry_run_masks_secret_parameters(cli: CommandLine) -> None:
    """What stands for a secret is three stars, as everywhere."""
    text = "from jobkit import submit_job\n@submit_job\ndef call(ctx, *, token: str): ...\n"
    cli.file("extensions/web/jobs/call.py", text)
    ended = cli("run", "call", "-p", "token=k-given-1", "--dry-run")
    assert ended.out == "would run call  token=***\nnothing was run (--dry-run)\n"


def test_several_at_a_time(cli: CommandLine) -> None:
    """-j 2: two jobs that wait for each other both end; one after the other they could not."""
    cli.file(
        "extensions/a/jobs/meet.py",
        "import threading\nfrom jobkit import submit_job\n"
        "barrier = threading.Barrier(2, timeout=20)\n"
        "@submit_job\ndef one(ctx): barrier.wait()\n"
        "@submit_job\ndef two(ctx): barrier.wait()\n",
    )
    ended = cli("run", "one", "two", "-j", "2", "--json", fixed=False)
    assert ended.code == 0
    assert {run.status for run in checked(ended).data} == {"succeeded"}


@pytest.fixture
def protected(jobs: CommandLine) -> CommandLine:
    jobs.file("jobkit.toml", "[project]\nprotected = true\n")
    return jobs


def test_a_protected_environment_wants_consent(protected: CommandLine) -> None:
    """JK808 and exit code 7 where nobody can be asked; -y runs, --dry-run needs none."""
    ended = protected("run", "good", "--json")
    assert ended.code == 7
    answer = checked(ended)
    assert [error.code for error in answer.errors] == ["JK808"]
    assert answer.data == []
    assert protected("history", "--json").data == []
    assert protected("run", "good", "--dry-run").code == 0
    assert protected("run", "good", "-y").code == 0


def test_on_stderr_every_line_of_a_run_says_whose_it_is(jobs: CommandLine) -> None:
    """In a pipe log lines are JSON, each with run, job, extension and attempt; printed text too."""
    import json

    ended = jobs("run", "good")
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    [working] = [line for line in lines if line["event"] == "working"]
    assert (working["run"], working["job"], working["extension"], working["attempt"]) == (1, "good", "web", 1)
    assert any(line["event"] == "printed by good" for line in lines)
    assert sum(line["event"] == "run.finished" for line in lines) == 1


def test_quiet_says_results_only(jobs: CommandLine) -> None:
    """-q: nothing on stderr, the results on stdout."""
    ended = jobs("-q", "run", "good")
    assert ended.err == ""
    assert ended.out.startswith("ok  #1 good")


def test_with_a_terminal_lines_are_for_people(jobs: CommandLine) -> None:
    """Header and log lines are text, and each is there once."""
    ended = jobs("run", "good", tty=True)
    assert ended.err.count("working") == 1
    assert ended.err.count("run #1") == 1
    assert "run.started" not in ended.err
    assert "run.finished" not in ended.err
    assert "printed by good" in ended.err


def test_logs_of_a_run(jobs: CommandLine) -> None:
    """What a run wrote can be read afterwards."""
    jobs("run", "good")
    ended = jobs("logs", "last")
    assert "working" in ended.out
    assert "days=30" in ended.out
    assert "printed by good" in ended.out
    assert "ok  #1 good" in ended.out


def test_run_imports_only_what_it_needs(cli: CommandLine) -> None:
    """Once the index knows where jobs are, the other files are left alone."""
    cli.file(
        "extensions/a/jobs/wanted.py", "from jobkit import submit_job\n@submit_job\ndef wanted(ctx): ...\n"
    )
    other = cli.file(
        "extensions/a/jobs/other.py",
        "from pathlib import Path\nfrom jobkit import submit_job\n"
        "marker = Path(__file__).parents[3] / 'imported'\nmarker.write_text(marker.read_text() + 'x')\n"
        "@submit_job\ndef other(ctx): ...\n",
    )
    marker = cli.file("imported", "")
    assert other.exists()
    assert cli("list").code == 0
    assert marker.read_text() == "x"
    assert cli("run", "wanted", fixed=False).code == 0
    assert marker.read_text() == "x"
