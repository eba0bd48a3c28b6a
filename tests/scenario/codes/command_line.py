"""The codes of the command line: what was typed, what `init` and `new` keep, and what nobody foresaw."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from jobkit.project import Project
from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

ELSEWHERE: dict[str, str] = {
    "JK820": "tests/cli/test_start.py::test_windows_is_told_what_works_there",
    "JK890": "tests/virtual_time/test_clock.py::test_a_loop_with_nothing_left_says_so",
    "JK891": "tests/virtual_time/test_clock.py::test_a_thread_that_passes_the_time_for_real_is_named",
}

_JOBS = """
from jobkit import JobContext, submit_job

@submit_job(tags=["nightly"])
def cleanup_old_records(ctx: JobContext) -> None:
    print("clean")

@submit_job(tags=["nightly", "slow"])
def close_month(ctx: JobContext) -> None:
    print("closed")
"""
_TEST = """
def test_cleanup(jobkit_run):
    assert jobkit_run("{name}").status == "succeeded"
"""
_NEW = ("new", "job", "extensions/web/jobs/cleanup.py")


def _jobs(cli: CommandLine) -> None:
    cli.file("extensions/web/jobs/clean.py", _JOBS)


def _said(*arguments: str) -> Callable[[CommandLine], Ended]:
    """Just the command."""
    return lambda cli: cli(*arguments, fixed=False)


def _with_jobs(*arguments: str) -> Callable[[CommandLine], Ended]:
    """The command, in a project with two jobs."""

    def act(cli: CommandLine) -> Ended:
        _jobs(cli)
        return cli(*arguments, fixed=False)

    return act


# -- what is looked at -----------------------------------------------------------------------------------


def _meet_strict(cli: CommandLine) -> Ended:
    _jobs(cli)
    cli.file("extensions/web/jobs/broken.py", "import nothing_of_that_name\n")
    return cli("run", "cleanup_old_records", "--strict", fixed=False)


def _mend_strict(cli: CommandLine) -> Ended:
    (cli.root / "extensions/web/jobs/broken.py").unlink()
    assert cli("check", "--strict").code == 0
    return cli("run", "cleanup_old_records", "--strict", fixed=False)


def _meet_protected(cli: CommandLine) -> Ended:
    _jobs(cli)
    cli.file("services/scheduler/config.production.toml", "[project]\nprotected = true\n")
    return cli("run", "cleanup_old_records", "--env", "production", fixed=False)


def _tests(cli: CommandLine, name: str) -> Ended:
    """A pytest session in the project, with no plugin but the fixture's."""
    cli.file("tests/test_cleanup.py", _TEST.format(name=name))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "jobkit.testing.plugin"],
        cwd=cli.root,
        env=cli.environ(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _meet_unknown_in_test(cli: CommandLine) -> Ended:
    _jobs(cli)
    return _tests(cli, "cleanup_old_record")


# -- what is written -------------------------------------------------------------------------------------


def _meet_existing_file(cli: CommandLine) -> Ended:
    assert cli(*_NEW).code == 0
    return cli(*_NEW)


def _meet_file_for_folder(cli: CommandLine) -> Ended:
    cli.file("demo", "a file")
    return cli("init", "demo")


def _mend_file_for_folder(cli: CommandLine) -> Ended:
    (cli.root / "demo").rename(cli.root / "demo.txt")
    return cli("init", "demo")


def _meet_existing_export(cli: CommandLine) -> Ended:
    cli.file("runs.jsonl", "mine\n")
    return cli("db", "export", "--output", "runs.jsonl")


def _merged(cli: CommandLine) -> Ended:
    _jobs(cli)
    assert cli("schedule", "lock").code == 0
    text = (cli.root / "schedule.lock").read_text(encoding="utf-8")
    cli.file("schedule.lock", f"<<<<<<< HEAD\n{text}")
    return cli("schedule", "diff")


def _locked_anew(cli: CommandLine) -> Ended:
    assert cli("schedule", "lock").code == 0
    return cli("schedule", "diff")


# -- what nobody foresaw ---------------------------------------------------------------------------------


def _with_fault(cli: CommandLine, *arguments: str) -> Ended:
    """The command of a jobkit that stumbles over a file of a certain name."""
    load = Project.load

    def stumbling(*given: object, **options: object) -> Project:
        if (cli.root / "extensions/web/jobs/strange.py").exists():
            raise ZeroDivisionError("as planned")
        return load(*given, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "load", stumbling)
        return cli(*arguments)


def _meet_fault(cli: CommandLine) -> Ended:
    _jobs(cli)
    cli.file("extensions/web/jobs/strange.py", "")
    return _with_fault(cli, "list")


def _mend_fault(cli: CommandLine) -> Ended:
    """`-vv` shows every frame; undoing the last change, as the page says, is the way around."""
    report = _with_fault(cli, "-vv", "list")
    assert report.code == 3
    assert "Traceback" in report.err
    assert "undoing it is a way around" in " ".join(cli("explain", "JK901").out.split())
    (cli.root / "extensions/web/jobs/strange.py").unlink()
    return _with_fault(cli, "list")


WALKS: list[Walk] = [
    Walk("JK801", _with_jobs("lst"), "did you mean `jobkit list`?", _said("list")),
    Walk(
        "JK802",
        _with_jobs("run", "cleanup_old_record"),
        "did you mean 'cleanup_old_records'?",
        _said("run", "cleanup_old_records"),
    ),
    Walk(
        "JK803",
        _with_jobs("run", "--tag", "nightli"),
        "did you mean 'nightly'?",
        _said("run", "--tag", "nightly"),
    ),
    Walk("JK804", _said("help", "selektion"), "did you mean 'selection'?", _said("help", "selection")),
    Walk(
        "JK805",
        _with_jobs("run", "--tag", "nightly slow"),
        "write words joined by `and`, `or`, `not`",
        _said("run", "--tag", "nightly and slow"),
    ),
    Walk(
        "JK806",
        _said("history", "--since", "last week"),
        "write it like 2d, '2h ago', 03:00, 'yesterday 03:00' or 2026-11-20T03:00:00Z",
        _said("history", "--since", "2h ago"),
    ),
    Walk("JK807", _meet_strict, "mend what is shown above, or leave --strict away", _mend_strict),
    Walk(
        "JK808",
        _meet_protected,
        "-y runs it without asking",
        _said("run", "cleanup_old_records", "--env", "production", "-y"),
    ),
    Walk(
        "JK809",
        _meet_unknown_in_test,
        "[JK809] help: did you mean 'cleanup_old_records'?",
        lambda cli: _tests(cli, "cleanup_old_records"),
    ),
    Walk(
        "JK810",
        _said("init"),
        "`jobkit new job extensions/<extension>/jobs/<file>.py` adds a job to it",
        _said(*_NEW),
    ),
    Walk(
        "JK811",
        _meet_existing_file,
        "give the new job another name",
        _said("new", "job", "extensions/web/jobs/cleanup_sessions.py"),
    ),
    Walk(
        "JK812",
        _said("new", "job", "jobs/cleanup.py"),
        "jobkit new job extensions/web/jobs/cleanup.py",
        _said(*_NEW),
    ),
    Walk(
        "JK813",
        _meet_file_for_folder,
        "choose another folder, or make this one writable",
        _mend_file_for_folder,
    ),
    Walk(
        "JK814",
        _said("new", "job", "extensions/web/jobs/import.py"),
        "give the file another name",
        _said("new", "job", "extensions/web/jobs/import_job.py"),
    ),
    Walk(
        "JK815",
        _meet_existing_export,
        "name a file that does not exist yet",
        _said("db", "export", "--output", "runs-2.jsonl"),
    ),
    Walk("JK816", _with_jobs("schedule", "diff"), "`jobkit schedule lock` writes it", _locked_anew),
    Walk("JK817", _merged, "`jobkit schedule lock` writes it anew", _locked_anew),
    Walk(
        "JK818",
        _with_jobs("schedule", "lock", "--output", "locks/schedule.lock"),
        "name a file in a folder that you may write to",
        _said("schedule", "lock", "--output", "schedule.lock"),
    ),
    Walk("JK901", _meet_fault, "`-vv` shows every frame", _mend_fault),
]
