"""``jobkit start`` as a process: signals, reload, its supervisor, its end."""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobkit.cli.globals import GlobalOptions
from jobkit.cli.output import Output
from jobkit.cli.session import Session
from jobkit.cli.starting import banner
from jobkit.cli.streams import Streams
from jobkit.project import Project
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine, Ended, FixedClock, Stream
from tests.cli.test_plugin_store import PLUGIN
from tests.cli.test_process import PATIENCE, wait_for_file

pytestmark = pytest.mark.waits

_numbers = itertools.count()

QUICK = """
import pathlib
from jobkit import submit_job

@submit_job(schedule="* * * * * *")
async def quick(ctx):
    pathlib.Path("quick").write_text("{said}")
"""
LONG = """
import anyio, pathlib
from jobkit import submit_job

@submit_job(schedule="* * * * * *")
async def long(ctx):
    pathlib.Path("began").touch()
    await anyio.sleep({seconds})
    return None
"""
STUBBORN = """
import anyio, pathlib, time
from jobkit import submit_job

@submit_job(schedule="* * * * * *")
async def blocking(ctx):
    pathlib.Path("began").touch()
    time.sleep(600)
"""


class Service:
    """``jobkit start`` as it goes on, and what it tells its supervisor and its log."""

    def __init__(self, process: subprocess.Popen[bytes], notified: socket.socket) -> None:
        self.process = process
        self._notified = notified
        self.told: list[str] = []
        self.err = b""

    def wait_until_told(self, wanted: str, count: int = 1) -> None:
        """Until the supervisor was told *wanted* so many times."""
        deadline = time.monotonic() + PATIENCE
        while sum(line == wanted for told in self.told for line in told.split("\n")) < count:
            left = deadline - time.monotonic()
            assert left > 0, (wanted, self.told, self.err.decode())
            self._read(left)
            assert self.process.poll() is None, (wanted, self.told, self.err.decode())

    def wait_for(self, text: str) -> None:
        """Until *text* was written to standard error."""
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.err:
            left = deadline - time.monotonic()
            assert left > 0, (text, self.err.decode())
            self._read(left)
            assert self.process.poll() is None or text.encode() in self.err, (text, self.err.decode())

    def _read(self, seconds: float) -> None:
        assert self.process.stderr is not None
        sources: list[Any] = [self._notified, self.process.stderr]
        ready, _, _ = select.select(sources, [], [], min(seconds, 0.2))
        if self._notified in ready:
            self.told.append(self._notified.recv(4096).decode())
        if self.process.stderr in ready:
            self.err += os.read(self.process.stderr.fileno(), 65536)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int | None = None) -> Ended:
        """Send the signal, and wait for the end."""
        if number is not None:
            self.signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        self.err += err
        return Ended(self.process.returncode, (out or b"").decode(), self.err.decode())

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        lines = [line for line in self.err.decode().splitlines() if line.startswith("{")]
        return [json.loads(line) for line in lines]


@contextmanager
def started(
    cli: CommandLine,
    *arguments: str,
    ready: bool = True,
    lead: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
    **options: Any,
) -> Iterator[Service]:
    """Start it, and wait until it is ready; it is killed if the test leaves it alone."""
    name = f"jobkit-start-{os.getpid()}-{next(_numbers)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(b"\0" + name.encode())
        given: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        }
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [*lead, sys.executable, "-m", "jobkit", "start", *arguments],
            cwd=cli.root,
            env=cli.environ(NOTIFY_SOCKET=f"@{name}", **(environ or {})),
            **given,
        )
        service = Service(process, server)
        try:
            if ready:
                service.wait_until_told("READY=1")
            yield service
        finally:
            process.kill()
            process.communicate()


def until(question: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(cli: CommandLine, *arguments: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = cli("history", "--json", "--limit", "200", *arguments, fixed=False).data
    return data


def text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_jobs_run_until_it_is_asked_to_stop(cli: CommandLine) -> None:
    """SIGTERM ends it with 0; the supervisor and the log hear of each step."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli) as service:
        wait_for_file(cli.root / "quick")
        ended = service.end(signal.SIGTERM)
        told = "\n".join(service.told)
    assert (ended.code, ended.out) == (0, "")
    assert "1 job: 1 scheduled" in told
    events = [event["event"] for event in service.events]
    assert events.index("scheduler.started") < events.index("run.finished")
    assert events[-1] == "scheduler.stopped"
    assert {run["status"] for run in runs(cli, "--status", "succeeded")} == {"succeeded"}
    assert not [run for run in runs(cli) if run["status"] in ("running", "queued")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_job_may_end_within_the_grace(cli: CommandLine, number: int) -> None:
    """It is drained, recorded as succeeded, and the exit code is 0."""
    cli.file("extensions/a/jobs/long.py", LONG.format(seconds=1.5))
    with started(cli) as service:
        wait_for_file(cli.root / "began")
        ended = service.end(number)
    assert ended.code == 0, ended.err
    assert runs(cli)[0]["status"] == "succeeded"


def test_after_the_grace_it_is_cancelled_and_recorded(cli: CommandLine) -> None:
    """Reason ``shutdown``; the exit code is 0 all the same."""
    cli.file("services/scheduler/config.toml", '[scheduler]\nshutdown_grace = "0.3s"\n')
    cli.file("extensions/a/jobs/long.py", LONG.format(seconds=600))
    with started(cli) as service:
        wait_for_file(cli.root / "began")
        ended = service.end(signal.SIGTERM)
    assert ended.code == 0, ended.err
    [run] = [run for run in runs(cli) if run["status"] != "skipped"]
    assert (run["status"], run["reason"]) == ("cancelled", "shutdown")


def test_the_second_signal_ends_the_grace(cli: CommandLine) -> None:
    """What runs is cancelled now, and recorded."""
    cli.file("services/scheduler/config.toml", '[scheduler]\nshutdown_grace = "10m"\n')
    cli.file("extensions/a/jobs/long.py", LONG.format(seconds=600))
    with started(cli) as service:
        wait_for_file(cli.root / "began")
        service.signal(signal.SIGINT)
        service.wait_for("scheduler.stopping")
        ended = service.end(signal.SIGINT)
    assert ended.code == 0, ended.err
    [run] = [run for run in runs(cli) if run["status"] != "skipped"]
    assert (run["status"], run["reason"]) == ("cancelled", "shutdown")


def test_the_third_signal_ends_a_loop_that_stands_still(cli: CommandLine) -> None:
    """What ran is recorded by another thread, and the exit code says so."""
    cli.file("extensions/a/jobs/blocking.py", STUBBORN)
    with started(cli) as service:
        wait_for_file(cli.root / "began")
        for _ in range(2):
            service.signal(signal.SIGTERM)
            time.sleep(0.2)
        ended = service.end(signal.SIGTERM)
    assert ended.code == 0, ended.err
    [run] = [run for run in runs(cli) if run["status"] != "skipped"]
    assert (run["status"], run["reason"]) == ("cancelled", "shutdown")


def test_sighup_takes_up_what_has_changed(cli: CommandLine) -> None:
    """A new file runs within two seconds; the supervisor hears of the reload."""
    cli.file(
        "extensions/a/jobs/other.py", "from jobkit import submit_job\n@submit_job\ndef other(ctx): ...\n"
    )
    with started(cli) as service:
        cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
        service.signal(signal.SIGHUP)
        until(lambda: text_of(cli.root / "quick") == "1", 3.0)
        service.wait_until_told("READY=1", 2)
        assert any(told.startswith("RELOADING=1\nMONOTONIC_USEC=") for told in service.told)
        cli.file("extensions/a/jobs/quick.py", QUICK.format(said=2))
        service.signal(signal.SIGHUP)
        until(lambda: text_of(cli.root / "quick") == "2", 3.0)
        cli.file("extensions/a/jobs/quick.py", "def broken(:\n")
        (cli.root / "quick").unlink()
        service.signal(signal.SIGHUP)
        service.wait_for("reload.broken")
        until(lambda: text_of(cli.root / "quick") == "2", 3.0)
        (cli.root / "extensions/a/jobs/quick.py").unlink()
        service.signal(signal.SIGHUP)
        service.wait_until_told("READY=1", 5)
        assert service.end(signal.SIGTERM).code == 0
    reloaded = [event for event in service.events if event["event"] == "jobs.reloaded"]
    assert [event["added"] for event in reloaded] == [["quick"], [], [], []]
    assert reloaded[2]["kept"] == ["extensions/a/jobs/quick.py"]
    assert reloaded[3]["removed"] == ["quick"]


def test_sighup_while_the_files_are_read_is_heard_afterwards(cli: CommandLine) -> None:
    """It ends nothing: the files are read once more."""
    slow = "import pathlib, time\npathlib.Path('reading').touch()\ntime.sleep(1)\n"
    cli.file("extensions/a/jobs/quick.py", slow + QUICK.format(said=1))
    with started(cli, ready=False) as service:
        wait_for_file(cli.root / "reading")
        service.signal(signal.SIGHUP)
        cli.file("extensions/a/jobs/added.py", QUICK.replace("quick", "added").format(said=1))
        wait_for_file(cli.root / "added")
        assert service.end(signal.SIGTERM).code == 0


def test_disable_is_seen_within_two_seconds(cli: CommandLine) -> None:
    """And enable; a config.toml that is being edited is not read meanwhile."""
    cli.file("services/scheduler/config.toml", "")
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli) as service:
        wait_for_file(cli.root / "quick")
        cli.file("extensions/a/jobs/quick.py", QUICK.format(said=2))
        began = time.monotonic()
        assert cli.process("disable", "quick", "--reason", "tired").code == 0
        service.wait_for("jobs.reloaded")
        assert time.monotonic() - began < 5
        time.sleep(1.1)
        (cli.root / "quick").unlink(missing_ok=True)
        time.sleep(1.5)
        assert not (cli.root / "quick").exists()
        assert cli.process("enable", "quick").code == 0
        until(lambda: text_of(cli.root / "quick") == "1", 3.0)
        assert service.end(signal.SIGTERM).code == 0


def test_with_reload_files_are_taken_up_by_themselves(cli: CommandLine) -> None:
    """Broken edits are shown as ``check`` shows them, and the last good version stays."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli, "--reload") as service:
        wait_for_file(cli.root / "quick")
        cli.file("extensions/a/jobs/quick.py", QUICK.format(said=2))
        until(lambda: text_of(cli.root / "quick") == "2", 4.0)
        cli.file("extensions/a/jobs/quick.py", "def broken(:\n")
        service.wait_for("error[JK102]")
        service.wait_for("still in force as it was before: extensions/a/jobs/quick.py")
        assert service.end(signal.SIGTERM).code == 0


def test_code_outside_of_extensions_restarts_the_process(cli: CommandLine) -> None:
    """The same process id, the new code, and standard output is where it was."""
    cli.file("said.py", "SAID = 'old'\n")
    text = QUICK.format(said="{said.SAID}").replace('write_text("', 'write_text(f"')
    cli.file("extensions/a/jobs/quick.py", f"import said\n{text}")
    with started(cli, "--reload", "--json") as service:
        until(lambda: text_of(cli.root / "quick") == "old")
        cli.file("said.py", "SAID = 'new'\n")
        until(lambda: text_of(cli.root / "quick") == "new")
        service.wait_until_told("READY=1", 2)
        ended = service.end(signal.SIGTERM)
    assert ended.code == 0, ended.err
    assert ended.json["data"] == {"recorded": True, "signal": "SIGTERM"}


def test_broken_job_files_are_said_and_do_not_stop_it(cli: CommandLine) -> None:
    """With --strict they do."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    cli.file("extensions/a/jobs/broken.py", "def broken(:\n")
    with started(cli) as service:
        wait_for_file(cli.root / "quick")
        ended = service.end(signal.SIGTERM)
    assert ended.code == 0
    assert ended.err.count("error[JK102]") == 1
    assert "everything else is served; SIGHUP takes up what is mended" in ended.err
    with started(cli, "--reload") as service:
        service.wait_for("everything else is served; what is mended is taken up")
        assert service.end(signal.SIGTERM).code == 0
    refused = cli.process("start", "--strict")
    assert refused.code == 2
    assert "JK807" in refused.err


def test_probes_that_nobody_serves_are_said(cli: CommandLine) -> None:
    """Who configured them must not wait for an answer."""
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[scheduler]\nprobes = "127.0.0.1:9464"\n')
    with started(cli) as service:
        ended = service.end(signal.SIGTERM)
    assert "note: probes are not served yet (jobkit.toml:4); `jobkit health` answers instead" in ended.err


def test_a_store_that_cannot_be_used_is_exit_code_6(cli: CommandLine) -> None:
    """With the reason."""
    cli.file("services/scheduler/config.toml", '[scheduler]\nstore = "sqlite:///not-a-database"\n')
    cli.file("not-a-database", "x" * 4096)
    ended = cli.process("start", "--wait-store", "1m")
    assert ended.code == 6
    assert "not-a-database" in ended.err


def test_a_store_that_comes_back_is_waited_for(cli: CommandLine) -> None:
    """With --wait-store; without it, and when the time is over, the exit code is 6."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    assert cli.process("run", "quick").code == 0
    database = sqlite3.connect(cli.root / ".jobkit/jobkit.db", isolation_level=None)
    try:
        database.execute("pragma locking_mode = exclusive")
        database.execute("begin exclusive")
        assert cli.process("start").code == 6
        with started(cli, "--wait-store", "1m", ready=False) as service:
            service.wait_for("waiting for the store")
            database.close()
            service.wait_until_told("READY=1")
            assert service.end(signal.SIGTERM).code == 0
    finally:
        database.close()


def test_a_watchdog_is_fed_from_the_loop(cli: CommandLine) -> None:
    """At half of its time; not while a job holds the loop."""
    cli.file(
        "extensions/a/jobs/other.py", "from jobkit import submit_job\n@submit_job\ndef other(ctx): ...\n"
    )
    with started(cli, environ={"WATCHDOG_USEC": "400000"}) as service:
        service.wait_until_told("WATCHDOG=1", 3)
        assert service.end(signal.SIGTERM).code == 0


def test_two_of_one_project_share_the_ticks(cli: CommandLine) -> None:
    """Each tick runs once."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli) as one, started(cli) as other:
        until(lambda: len(runs(cli)) >= 3)
        assert (one.end(signal.SIGTERM).code, other.end(signal.SIGTERM).code) == (0, 0)
    ticks = [run["scheduled_at"] for run in runs(cli)]
    assert len(ticks) == len(set(ticks))


def test_under_nohup_a_hangup_means_nothing(cli: CommandLine) -> None:
    """A signal that is ignored stays ignored."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli, lead=("nohup",)) as service:
        service.signal(signal.SIGHUP)
        (cli.root / "quick").unlink(missing_ok=True)
        wait_for_file(cli.root / "quick")
        ended = service.end(signal.SIGTERM)
    assert ended.code == 0
    assert "jobs.reloaded" not in ended.err


def test_without_standard_streams_it_serves_all_the_same(cli: CommandLine) -> None:
    """Closed descriptors are nobody's business."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli, lead=("bash", "-c", 'exec "$@" 0<&- 1>&-', "bash")) as service:
        wait_for_file(cli.root / "quick")
        assert service.end(signal.SIGTERM).code == 0
    assert runs(cli)[-1]["status"] == "succeeded"


def test_a_scheduler_that_is_off_says_so_and_executes_what_is_queued(cli: CommandLine) -> None:
    """[scheduler] enabled = false."""
    cli.file("services/scheduler/config.toml", "[scheduler]\nenabled = false\n")
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    with started(cli) as service:
        service.wait_for("services/scheduler/config.toml:2")
        assert cli.process("run", "quick", "--queue").code == 0
        wait_for_file(cli.root / "quick")
        assert service.end(signal.SIGTERM).code == 0
    assert [run["trigger"] for run in runs(cli)] == ["manual"]


def test_the_terminal_that_goes_away_ends_it(cli: CommandLine) -> None:
    """SIGHUP of a terminal that is gone is no wish for a reload."""
    cli.file("extensions/a/jobs/quick.py", QUICK.format(said=1))
    ours, theirs = os.openpty()
    with started(cli, stdin=theirs, start_new_session=True) as service:
        os.close(theirs)
        os.close(ours)
        service.signal(signal.SIGHUP)
        assert service.end().code == 0


def test_windows_is_told_what_works_there(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK820, exit code 6, before anything is loaded."""
    monkeypatch.setattr("jobkit.cli.verbs.start._PLATFORM", "win32")
    ended = cli("start", "--json")
    assert ended.code == 6
    assert [error["code"] for error in ended.json["errors"]] == ["JK820"]
    assert "`jobkit list`, `check` and `run` work" in ended.json["errors"][0]["help"]


@each_form
@pytest.mark.parametrize("name", ["start", "start-off"])
def test_what_a_terminal_is_shown_first(
    name: str, form: str, shop: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Project, environment, store, node; how many jobs; what comes next, or why nothing does."""
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    if not FORMS[form].colour:
        monkeypatch.setenv("NO_COLOR", "1")
    enabled = str(name == "start").lower()
    shop.file("services/scheduler/config.toml", f'[scheduler]\nnode = "host-a"\nenabled = {enabled}\n')
    stream = Stream(tty=form != "pipe", encoding="utf-8" if FORMS[form].unicode else "ascii")
    output = Output("start", Streams(stream, stream), json=False)
    session = Session(GlobalOptions(), output, FixedClock())
    with Project.load(shop.root) as project:
        output.aside(*banner(project, session))
    check_screen(name, form, stream.text)


def test_the_banner_shows_no_password(shop: CommandLine) -> None:
    """Neither one before the host nor one among the settings of the address."""
    stream = Stream(tty=True, encoding="utf-8")
    output = Output("start", Streams(stream, stream), json=False)
    session = Session(GlobalOptions(), output, FixedClock())
    for url in ("postgresql://app:CANARY-one@db/shop", "postgresql:///shop?host=db&password=CANARY-two"):
        shop.file("services/scheduler/config.toml", f'[scheduler]\nstore = "{url}"\n')
        with Project.load(shop.root) as project:
            output.aside(*banner(project, session))
    assert "postgresql://" in stream.text
    assert "CANARY" not in stream.text


def test_the_banner_calls_the_store_what_every_screen_calls_it(shop: CommandLine) -> None:
    """Its own name for itself, and not what the setting says."""
    shop.file("hooks/proxy.py", PLUGIN.replace('"proxy:" + self._store.url', '"proxy:the-store"'))
    shop.file("services/scheduler/config.toml", '[scheduler]\nstore = "proxy:sqlite:///data/runs.db"\n')
    stream = Stream(tty=True, encoding="utf-8")
    output = Output("start", Streams(stream, stream), json=False)
    with Project.load(shop.root) as project:
        output.aside(*banner(project, Session(GlobalOptions(), output, FixedClock())))
    assert "proxy:the-store" in stream.text
    assert "proxy:sqlite" not in stream.text
