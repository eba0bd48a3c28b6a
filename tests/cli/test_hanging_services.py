"""Services that hang do not keep the process, and say who they are."""

from __future__ import annotations

import signal

from tests.cli.harness import CommandLine
from tests.cli.test_process import going, wait_for_file

HOOKS = """\
import asyncio, pathlib, time
from jobkit import ServiceSpec, hookimpl

{factory}

@hookimpl
def jobkit_services(config):
    return [ServiceSpec(open_db, name="db")]
"""

OPENS_NEVER = """\
async def open_db():
    {body}
"""

CLOSES_NEVER = """\
def open_db():
    yield "db"
    pathlib.Path("begun").touch()
    time.sleep(60)
"""


def project(cli: CommandLine, factory: str) -> None:
    cli.file("hooks/database.py", HOOKS.format(factory=factory))
    cli.file(
        "extensions/a/jobs/job.py",
        'from jobkit import submit_job\n\n@submit_job(timeout="200ms")\nasync def job(ctx, db): ...\n',
    )


def test_a_service_that_hangs_in_opening_ends_with_the_run(cli: CommandLine) -> None:
    """The run times out, and the process ends: in seconds, not never."""
    project(cli, OPENS_NEVER.format(body="await asyncio.sleep(60)"))
    with going(cli, "run", "job", "--json") as program:
        ended = program.end()
    assert ended.code == 1, ended.err
    assert [run["status"] for run in ended.json["data"]] == ["timed_out"]


def test_signals_are_heard_while_services_close(cli: CommandLine) -> None:
    """A closing that blocks the event loop ends with the second Ctrl-C; the run is recorded as it ended."""
    project(cli, CLOSES_NEVER)
    with going(cli, "run", "job", "--json") as program:
        wait_for_file(cli.root / "begun")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("once more ends it")
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert ended.code == 2, ended.err
    assert [run["status"] for run in ended.json["data"]] == ["succeeded"]


def test_doctor_says_what_to_do_about_a_service_that_does_not_open(cli: CommandLine) -> None:
    """Where its factory is, and whatever is said about the error itself."""
    project(cli, OPENS_NEVER.format(body='raise OSError("no route")'))
    cli.file(
        "hooks/database.py", (cli.root / "hooks/database.py").read_text().replace('"db")', '"db", ping=id)')
    )
    [said] = [item for item in cli("doctor", "--json").json["data"] if item["check"] == "services"]
    assert said["message"] == "hooks/database.py:4: service `db` could not be opened: OSError: no route"
    assert "look at its factory, hooks/database.py:4, and at what it opens" in said["help"]
