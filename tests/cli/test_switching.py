"""``enable`` and ``disable``: what they write, and that they say what is in force afterwards."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobkit.processes import ProcessIdentity
from tests.cli.deployment import DAY, Deployment
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

FILE = "services/scheduler/overrides.toml"
PRODUCTION = "services/scheduler/overrides.production.toml"


def entries(cli: CommandLine, file: str = FILE) -> dict[str, Any]:
    jobs: dict[str, Any] = tomllib.loads((cli.root / file).read_text(encoding="utf-8"))["jobs"]
    return jobs


def files(root: Path) -> dict[Path, bytes]:
    kept = (path for path in root.rglob("*") if path.is_file() and ".jobkit" not in path.parts)
    return {path: path.read_bytes() for path in kept if "__pycache__" not in path.parts}


def test_disable_says_what_is_in_force(sound_shop: CommandLine) -> None:
    """The file, who, when and why; and what is seen afterwards by the other verbs."""
    ended = sound_shop("disable", "close_month", "--reason", "audit", "--as", "ada@host-a")
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        "close_month is off",
        f"  overrides {FILE}:4, by ada@host-a, 0s ago: audit",
        "  `jobkit run close_month` still runs it by hand",
    ]
    assert entries(sound_shop)["close_month"]["changed"] == {
        "by": "ada@host-a",
        "at": "2026-11-22T13:04:08Z",
        "reason": "audit",
    }
    [job] = checked(sound_shop("list", "close_month", "--json")).data
    assert (job.enabled, job.scheduled, job.enabled_by) == (False, False, f"overrides {FILE}:4")
    shown = checked(sound_shop("show", "close_month", "--json")).data
    assert (shown.changed.by, shown.changed.reason) == ("ada@host-a", "audit")
    assert shown.why == f"disabled (overrides {FILE}:4, by ada@host-a, 0s ago: audit)"
    assert "by ada@host-a, 0s ago: audit" in " ".join(sound_shop("show", "close_month").out.split())


def test_enable_wins_over_the_files_and_touches_none(sound_shop: CommandLine) -> None:
    """jobkit.toml says off, the overrides now say on; jobkit.toml is as it was."""
    before = files(sound_shop.root)
    answer = checked(sound_shop("enable", "send_invoices", "--json")).data
    assert (answer.enabled, answer.scheduled, answer.overruled) == (True, True, False)
    assert answer.next_run_at == "2026-11-23T06:00:00Z"
    after = files(sound_shop.root)
    assert after.pop(sound_shop.root / FILE)
    assert after == before


def test_a_change_and_its_reverse_leave_what_was_there(sound_shop: CommandLine) -> None:
    """What list says of every job is as before; only the layer that decides about the one is another."""

    def seen() -> list[Any]:
        jobs = checked(sound_shop("list", "--json")).data
        return [(job.name, job.enabled, job.scheduled, job.next_run_at) for job in jobs]

    before = seen()
    assert sound_shop("disable", "close_month").code == 0
    assert seen() != before
    assert sound_shop("enable", "close_month").code == 0
    assert seen() == before


def test_a_variable_above_is_told(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written, but not in force: the answer names the variable that decides."""
    monkeypatch.setenv("JOBKIT__JOBS__CLOSE_MONTH__ENABLED", "true")
    ended = sound_shop("disable", "close_month")
    assert ended.code == 0
    words = " ".join(ended.out.split())
    assert "close_month is still on" in words
    assert "but variable JOBKIT__JOBS__CLOSE_MONTH__ENABLED decides" in words
    answer = checked(sound_shop("disable", "close_month", "--json")).data
    assert (answer.asked, answer.enabled, answer.overruled) == (False, True, True)


def test_an_unknown_job_is_refused_before_anything_is_written(sound_shop: CommandLine) -> None:
    """JK802 with the closest name, exit code 4; no file, no folder."""
    for verb in ("enable", "disable"):
        ended = sound_shop(verb, "close_mont")
        assert ended.code == 4
        assert "error[JK802]" in ended.err
        assert "did you mean 'close_month'?" in ended.err
    assert not (sound_shop.root / "services").exists()


def test_enable_removes_a_stale_entry(sound_shop: CommandLine) -> None:
    """check warns of it with the command that helps; afterwards it is gone, and so is the warning."""
    sound_shop.file(PRODUCTION, "[jobs.gone]\nenabled = false\n\n[jobs.close_month]\nenabled = false\n")
    [warning] = checked(sound_shop("--env", "production", "check", "--json")).data.warnings
    assert (warning.code, warning.path, warning.line) == ("JK210", PRODUCTION, 1)
    assert warning.help.startswith("`jobkit --env production enable gone` removes the entry")
    assert sound_shop("--env", "production", "disable", "gone").code == 4
    ended = sound_shop("--env", "production", "enable", "gone")
    assert ended.out == f"gone: no job has this name; its entry was removed from {PRODUCTION}\n"
    assert list(entries(sound_shop, PRODUCTION)) == ["close_month"]
    assert checked(sound_shop("--env", "production", "check", "--json")).data.warnings == []
    sound_shop.file(FILE, "[jobs.gone]\nenabled = false\n")
    answer = checked(sound_shop("enable", "gone", "--json")).data
    assert (answer.removed, answer.enabled) == (True, None)


def test_each_environment_has_its_own_file(sound_shop: CommandLine) -> None:
    """In one it is off, elsewhere on; and whoever forgets the environment is told."""
    sound_shop.file("services/scheduler/config.production.toml", "")
    assert sound_shop("--env", "production", "disable", "close_month").err == ""
    assert not checked(sound_shop("--env", "production", "list", "close_month", "--json")).data[0].enabled
    assert checked(sound_shop("list", "close_month", "--json")).data[0].enabled
    forgotten = sound_shop("disable", "close_month")
    assert "note: this holds where no environment is chosen; not in production" in forgotten.err


def test_a_misspelt_environment_gets_no_file(sound_shop: CommandLine) -> None:
    """JK211 and exit code 6, before anything is written."""
    sound_shop.file("services/scheduler/config.production.toml", "")
    ended = sound_shop("--env", "producton", "disable", "close_month")
    assert ended.code == 6
    assert "error[JK211]" in ended.err
    assert not (sound_shop.root / "services/scheduler/overrides.producton.toml").exists()


def test_a_read_only_checkout_is_one_clear_error(sound_shop: CommandLine) -> None:
    """JK216 with exit code 6 and what else can be done; made writable, as its page says, it works."""
    sound_shop.file("services/scheduler/config.toml", "")
    folder = sound_shop.root / "services/scheduler"
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        ended = sound_shop.process("disable", "close_month", unprivileged=True)
        assert ended.code == 6
        assert "error[JK216]: overrides.toml cannot be written: permission denied" in ended.err
        assert "JOBKIT__JOBS__NAME__ENABLED" in ended.err
        assert ended.out == ""
    finally:
        folder.chmod(stat.S_IRWXU)
    assert sound_shop.process("disable", "close_month", unprivileged=True).code == 0


def test_a_broken_file_of_overrides_is_not_overwritten(sound_shop: CommandLine) -> None:
    """Exit code 6 with the line; the file is as it was."""
    file = sound_shop.file(FILE, "[jobs.close_month\n")
    ended = sound_shop("disable", "close_month")
    assert ended.code == 6
    assert f"{FILE}:1" in ended.err
    assert file.read_text() == "[jobs.close_month\n"


def test_enable_tells_of_the_start(cli: CommandLine) -> None:
    """The operators' word is the second half of run_on_startup: enable says that it now runs at the start."""
    cli.file(
        "extensions/a/jobs/a.py",
        "from jobkit import submit_job\n@submit_job(run_on_startup=True)\ndef warm(ctx): ...\n",
    )
    shown = checked(cli("show", "warm", "--json")).data
    assert not shown.startup.on
    assert "no operators' file says enabled = true" in shown.startup.why
    assert checked(cli("enable", "warm", "--json")).data.startup
    assert checked(cli("show", "warm", "--json")).data.startup.on
    assert "on startup: the code asks for it" in cli("enable", "warm").out
    assert not checked(cli("disable", "warm", "--json")).data.startup


def test_a_job_with_an_error_can_be_switched_and_says_so(cli: CommandLine) -> None:
    """What was asked is written; the error that keeps the job from running is shown with it."""
    cli.file(
        "extensions/a/jobs/a.py",
        "from jobkit import submit_job\n@submit_job(schedule='@daily')\ndef mail(ctx, smtp): ...\n",
    )
    ended = cli("enable", "mail")
    assert ended.code == 0
    assert "error[JK402]" in ended.out
    answer = checked(cli("enable", "mail", "--json")).data
    assert (answer.enabled, answer.scheduled, answer.next_run_at) == (True, False, None)


def test_schedulers_elsewhere_are_named(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of other hosts, and other checkouts on this one, if they live and have the job."""
    deployment = Deployment.of(sound_shop, monkeypatch)
    here = ProcessIdentity.current()
    deployment.replica("host-b", pid=1)
    deployment.replica("host-c", pid=2, without=("close_month",))
    deployment.replica("host-d", pid=3, heard=DAY)
    deployment.replica("here", owner=here, details={"root": str(sound_shop.root)})
    deployment.replica("worker", pid=4, kind="worker")
    deployment.replica("beside", pid=5, owner=here, details={"root": "/srv/other"})
    ended = sound_shop("disable", "close_month")
    [told] = [line for line in " ".join(ended.out.split()).split("  ") if "will not see it" in line]
    names = f"host-b (pid 1), beside (pid {here.pid})"
    assert f"{names} will not see it: this is about this checkout only; `jobkit pause close_month`" in told
    answer = checked(sound_shop("disable", "close_month", "--json")).data
    assert answer.elsewhere == ["host-b (pid 1)", f"beside (pid {here.pid})"]
    assert checked(sound_shop("enable", "close_month", "--json")).data.elsewhere == []


def test_a_store_that_is_broken_keeps_nobody_from_disabling(sound_shop: CommandLine) -> None:
    """Nobody can be named then."""
    (sound_shop.root / ".jobkit/jobkit.db").write_bytes(b"nothing" * 1000)
    answer = checked(sound_shop("disable", "close_month", "--json")).data
    assert (answer.enabled, answer.elsewhere) == (False, [])
