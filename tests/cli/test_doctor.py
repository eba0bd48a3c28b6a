"""``doctor``: it finds what is wrong, each fix that it offers works, and it writes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from jobkit.cli.doctor.finding import Finding, State, fail, ok, warn
from jobkit.cli.verbs.doctor import screen
from tests.cli.golden import FORMS, check_screen, each_form
from tests.cli.harness import CommandLine, Ended
from tests.cli.shapes import checked


def findings(ended: Ended, check: str, status: str) -> list[str]:
    """The messages of one check that stand so."""
    return [each.message for each in checked(ended).data if (each.check, each.status) == (check, status)]


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """Path → time and size of whatever lies below *root*, but for what Python keeps of its own."""
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in root.rglob("*")
        if path.is_file() and "-shm" not in path.name and "__pycache__" not in path.parts
    }


def test_a_sound_project(sound_shop: CommandLine) -> None:
    """Exit code 0, every check is there, nothing fails; and nothing was written."""
    before = everything(sound_shop.root)
    ended = sound_shop("doctor", "--json")
    assert ended.code == 0
    assert everything(sound_shop.root) == before
    answer = checked(ended)
    assert {each.check for each in answer.data} == {
        "python", "packages", "zone data", "terminal", "pytest", "configuration", "permissions", "plugins",
        "jobs", "store", "clock",
    }  # fmt: skip
    assert not [each for each in answer.data if each.status == "fail"]
    [jobs] = findings(ended, "jobs", "ok")
    assert jobs == "5 jobs in 2 extensions, 0 broken"
    assert any("WAL" in message for message in findings(ended, "store", "ok"))


def test_layers_are_named(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files in the order of the layers, the environment, and how many variables speak."""
    sound_shop.file("services/scheduler/config.toml", "[logs]\nlevel = 'info'\n")
    sound_shop.file("services/scheduler/config.production.toml", "[logs]\nlevel = 'warning'\n")
    monkeypatch.setenv("JOBKIT__LOGS__LEVEL", "error")
    [said] = findings(sound_shop("doctor", "--env", "production", "--json"), "configuration", "ok")
    assert said.endswith(
        "environment production: jobkit.toml, services/scheduler/config.toml,"
        " services/scheduler/config.production.toml, 1 JOBKIT__ variable"
    )


def test_outside_a_project(anywhere: CommandLine) -> None:
    """No project is a failure, the machine is looked at all the same, and the fix works."""
    ended = anywhere("doctor")
    assert ended.code == 1
    assert "fail  configuration" in ended.out
    assert "jobkit init" in ended.out
    assert ended.err == ""
    assert anywhere("init").code == 0
    assert anywhere("doctor").code == 0


def test_the_error_outside_a_project_offers_init(anywhere: CommandLine) -> None:
    """JK202 says how to begin, and that works."""
    ended = anywhere("list")
    assert ended.code == 6
    assert "JK202" in ended.err
    assert "`jobkit init` makes one here" in ended.err
    assert anywhere("init").code == 0
    assert anywhere("list").code == 0


def test_a_broken_configuration(cli: CommandLine) -> None:
    """Every mistake of the file is a line with its place; exit code 1, not a crash."""
    cli.file("jobkit.toml", "[projet]\nname = 'x'\n[scheduler]\nlease = 5.5\ntimezon = 'UTC'\n")
    ended = cli("doctor", "--json")
    assert ended.code == 1
    said = findings(ended, "configuration", "fail")
    assert len(said) == len(checked(ended).errors) >= 2
    assert all(message.startswith("jobkit.toml:") for message in said)
    cli.file("jobkit.toml", "[scheduler]\ntimezone = 'UTC'\n")
    assert cli("doctor").code == 0


def test_broken_job_files(shop: CommandLine) -> None:
    """Each is a failure with file, line and code; mended, all is well."""
    ended = shop("doctor", "--json")
    assert ended.code == 1
    assert sorted(message.partition(": ")[0] for message in findings(ended, "jobs", "fail")) == [
        "extensions/billing/jobs/export.py:7",
        "extensions/web/jobs/sitemap.py:3",
    ]
    (shop.root / "extensions/billing/jobs/export.py").unlink()
    (shop.root / "extensions/web/jobs/sitemap.py").unlink()
    assert shop("doctor").code == 0


def test_a_project_without_runs(cli: CommandLine) -> None:
    """A store that is not there yet is fine, and stays away."""
    ended = cli("doctor", "--json")
    assert ended.code == 0
    assert findings(ended, "store", "ok") == ["sqlite:///.jobkit/jobkit.db, made by the first run"]
    assert not (cli.root / ".jobkit").exists()


def test_a_store_that_cannot_be_made(cli: CommandLine) -> None:
    """Where the store would lie must be writable; made so, all is well."""
    cli.root.chmod(0o555)
    try:
        ended = cli.process("doctor", "--json", unprivileged=True)
        assert ended.code == 1
        assert "is read-only for this user" in findings(ended, "store", "fail")[0]
    finally:
        cli.root.chmod(0o755)
    assert cli.process("doctor", unprivileged=True).code == 0


def test_a_store_that_can_only_be_read(sound_shop: CommandLine) -> None:
    """History can be read there, and nothing run: a warning, which --strict takes for a failure."""
    folder = sound_shop.root / ".jobkit"
    folder.chmod(0o555)
    try:
        ended = sound_shop.process("doctor", "--json", unprivileged=True)
        assert ended.code == 0, ended.out
        assert "cannot be written to" in findings(ended, "store", "warn")[0]
        assert sound_shop.process("doctor", "--strict", unprivileged=True).code == 1
    finally:
        folder.chmod(0o700)


def test_a_damaged_store(sound_shop: CommandLine) -> None:
    """Its error is the finding; a backup in its place mends it."""
    file = sound_shop.root / ".jobkit/jobkit.db"
    backup = file.read_bytes()
    file.write_bytes(b"no database" * 100)
    ended = sound_shop("doctor", "--json")
    assert ended.code == 1
    assert findings(ended, "store", "fail")
    assert checked(ended).errors[0].code.startswith("JK6")
    file.write_bytes(backup)
    assert sound_shop("doctor").code == 0


def test_a_journal_in_the_wrong_mode(sound_shop: CommandLine) -> None:
    """A store that something took out of WAL mode is pointed out; the next run puts it back."""
    with sqlite3.connect(sound_shop.root / ".jobkit/jobkit.db") as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    connection.close()
    [said] = findings(sound_shop("doctor", "--json"), "store", "warn")
    assert "'delete'" in said
    assert sound_shop("run", "cleanup_old_records", fixed=False).code == 0
    assert findings(sound_shop("doctor", "--json", fixed=False), "store", "warn") == []


def test_a_clock_that_went_back(cli: CommandLine) -> None:
    """Runs from the future say that a clock was wrong."""
    cli.file("extensions/web/jobs/x.py", "from jobkit import submit_job\n@submit_job\ndef x(ctx): ...\n")
    assert cli("run", "x").code == 0
    database = sqlite3.connect(cli.root / ".jobkit/jobkit.db")
    with database:
        database.execute("UPDATE runs SET queued_at = queued_at + 3600 * 24 * 365 * 1000000")
    database.close()
    ended = cli("doctor", "--json", fixed=False)
    assert ended.code == 1
    assert "a clock went back" in findings(ended, "clock", "fail")[0]


def test_trusting_everybody_is_pointed_out(cli: CommandLine) -> None:
    """The switch that accepts files which every user may change is named with its line."""
    cli.file("jobkit.toml", "[project]\ntrust_permissions = true\n")
    ended = cli("doctor", "--json")
    [finding] = [each for each in checked(ended).data if each.check == "permissions"]
    assert finding.status == "warn"
    assert "jobkit.toml:2" in (finding.help or "")


def test_a_terminal_without_unicode(cli: CommandLine) -> None:
    """An encoding that has no line-drawing signs is a warning with a fix."""
    ended = cli("doctor", encoding="ascii")
    assert "warn  terminal" in ended.out
    assert "LANG=C.UTF-8" in ended.out
    assert "warn  terminal" not in cli("doctor", encoding="utf-8").out


REPORT: list[Finding] = [
    ok("python", "3.11.7 on Linux (/usr/bin/python3)"),
    warn("terminal", "no colour, ASCII only", "export LANG=C.UTF-8, or PYTHONIOENCODING=utf-8"),
    fail(
        "configuration",
        "services/scheduler/config.toml:12: `timezon` is no key of [scheduler], and a long message like this"
        " one has to be wrapped on most terminals",
        "did you mean `timezone`?",
    ),
]


@each_form
def test_screen(form: str) -> None:
    """The report in every form of terminal; what is long is wrapped below itself."""
    lines = screen(REPORT, FORMS[form])
    check_screen("doctor", form, "\n".join(lines) + "\n")
    assert [finding.state for finding in REPORT] == [State.OK, State.WARN, State.FAIL]
