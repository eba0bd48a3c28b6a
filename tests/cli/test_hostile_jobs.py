"""Jobs that work against the process they run in: each is its own run's fault, and nobody else's."""

from __future__ import annotations

import signal
import time

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_process import going, wait_for_file

HEAD = "import asyncio, pathlib, time\nfrom jobkit import submit_job\n"

STUBBORN = {
    "catches": """\
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
""",
    "blocks": """\
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
""",
    "spins": """\
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
}


def job_file(cli: CommandLine, body: str, *, name: str = "job") -> None:
    text = f"{HEAD}\n@submit_job\nasync def {name}(ctx):\n    pathlib.Path('begun').touch()\n{body}"
    cli.file(f"extensions/a/jobs/{name}.py", text)


@pytest.mark.parametrize("kind", STUBBORN)
def test_a_second_signal_ends_any_job(cli: CommandLine, kind: str) -> None:
    """Whatever a job catches, the second Ctrl-C ends the process within seconds, the run recorded."""
    job_file(cli, STUBBORN[kind])
    with going(cli, "run", "job", "--json") as program:
        wait_for_file(cli.root / "begun")
        program.process.send_signal(signal.SIGINT)
        program.wait_for("once more ends it")
        again = time.monotonic()
        program.process.send_signal(signal.SIGINT)
        ended = program.end()
    assert time.monotonic() - again < 4, "it took the whole of the time that cleaning up has"
    assert ended.code == 2, ended.err
    [run] = checked(ended).data
    assert (run.status, run.reason) == ("cancelled", "interrupted")
    assert "Traceback" not in ended.err
    assert [row.status for row in checked(cli("history", "--json")).data] == ["cancelled"]
