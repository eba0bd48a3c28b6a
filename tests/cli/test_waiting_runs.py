"""``jobkit run`` beside another one: what waits says so, can be interrupted, and is let in by the other."""

from __future__ import annotations

import signal

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_process import going, wait_for_file
from tests.cli.test_reporter import JOB, Scene, a_run

JOBS = """\
from pathlib import Path

import anyio
from jobkit import submit_job


async def work(ctx):
    Path(f"begun-{ctx.run_number}").touch()
    while not Path("go").exists():
        await anyio.sleep(0.01)


submit_job(work, name="holds", limits=["db"])
submit_job(work, name="waits", limits=["db"])
submit_job(work, name="newest", overlap="cancel")
"""


@pytest.fixture(autouse=True)
def jobs(cli: CommandLine) -> None:
    """Jobs that go on until there is a file `go`."""
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[scheduler]\nlimits = { db = 1 }\n')


def test_a_run_waits_for_another_process(cli: CommandLine) -> None:
    """Until that has ended its run; both succeed."""
    with going(cli, "run", "holds") as first:
        wait_for_file(cli.root / "begun-1")
        with going(cli, "run", "waits") as second:
            second.wait_for('"waiting_for":"limit db (1 of 1)"')
            [queued, _] = checked(cli("--json", "history")).data
            assert (queued.job, queued.status, queued.attempt) == ("waits", "queued", 0)
            cli.file("go", "")
            assert (first.end().code, second.end().code) == (0, 0)


def test_ctrl_c_ends_the_waiting(cli: CommandLine) -> None:
    """Exit code 2; it is recorded as cancelled, and the other run does not notice."""
    with going(cli, "run", "holds") as first:
        wait_for_file(cli.root / "begun-1")
        with going(cli, "run", "waits") as second:
            second.wait_for("waiting_for")
            second.process.send_signal(signal.SIGINT)
            ended = second.end()
        assert ended.code == 2
        [cancelled, running] = checked(cli("--json", "history")).data
        assert (cancelled.status, cancelled.reason, cancelled.attempt) == ("cancelled", "interrupted", 0)
        assert running.status == "running"
        cli.file("go", "")
        assert first.end().code == 0
    assert not (cli.root / "begun-2").exists()


def test_a_newer_run_takes_the_place_of_one_elsewhere(cli: CommandLine) -> None:
    """`overlap = "cancel"`: the other process stops its run, and this one begins."""
    with going(cli, "run", "newest") as first:
        wait_for_file(cli.root / "begun-1")
        with going(cli, "run", "newest") as second:
            assert first.end().code == 1
            wait_for_file(cli.root / "begun-2")
            cli.file("go", "")
            assert second.end().code == 0
    [newest, oldest] = checked(cli("--json", "history")).data
    assert (oldest.status, oldest.message) == ("cancelled", "run 2 of the same job took its place")
    assert newest.status == "succeeded"


def test_a_person_is_told_what_for() -> None:
    """One line, with the run where there is one already."""
    scene = Scene()
    job = type("Spec", (), {"name": "cleanup"})
    scene.reporter.run_waiting(job, a_run(7, "cleanup"), "limit db (2 of 2)")  # type: ignore[arg-type]
    scene.reporter.run_waiting(job, None, "run 5")  # type: ignore[arg-type]
    assert scene.screen.text == (
        "run #7 cleanup: waiting for limit db (2 of 2)\ncleanup: waiting for run 5\n"
    )
    quiet = Scene(quiet=True)
    quiet.reporter.run_waiting(JOB, a_run(7, "cleanup"), "run 5")
    assert quiet.screen.text == ""
