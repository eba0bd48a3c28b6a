"""Loading plugins as the command line does it: what is shown, what is written, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.plugins.distributions import SitePackages
from tests.plugins.projects import SOUND

JOB = "from jobkit import submit_job\n\n\n@submit_job\ndef work(ctx): ...\n"


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A project with one job; what is installed in the folder site/ beside it is on its pythonpath."""
    site = SitePackages(tmp_path / "shop/site")
    site.install("acme-notify", "1.2", {"webhook": "notify"}, {"notify.py": SOUND})
    line = CommandLine(tmp_path / "shop", monkeypatch)
    line.file("jobkit.toml", '[project]\nname = "shop"\npythonpath = [".", "site"]\n')
    line.file("extensions/web/jobs/work.py", JOB)
    return line


def test_a_broken_plugin_is_told_beside_the_answer(cli: CommandLine) -> None:
    """stdout is the answer, whatever plugins print or raise; the warning is on stderr, the exit code 0."""
    cli.file("hooks/bad.py", "print('I was here')\nraise ValueError('no luck')\n")
    cli.file("site/notify.py", f"import os\nprint('me too')\nos.write(1, b'and me')\n{SOUND}")
    ended = cli.process("list", "--json")
    assert ended.code == 0, ended.err
    assert [job["name"] for job in ended.data] == ["work"]
    shown = cli.process("list")
    assert "warning[JK709]: hooks/bad.py:2: plugin bad is left out: ValueError: no luck" in shown.err
    assert "work" in shown.out
    assert "JK709" not in shown.out
    assert "was here" not in shown.out


def test_check_lists_it_and_writes_nothing(cli: CommandLine) -> None:
    """With --strict it fails; neither way leaves a trace in the project."""
    cli.file("hooks/bad.py", "1 / 0\n")
    assert (cli.process("check").code, cli.process("check", "--strict").code) == (0, 2)
    assert not (cli.root / ".jobkit").exists()


def test_what_is_installed_is_remembered_by_others(cli: CommandLine) -> None:
    """`list` may write, and keeps what it has found out."""
    assert cli.process("list").code == 0
    assert (cli.root / ".jobkit/installed.json").stat().st_mode & 0o777 == 0o600


def test_a_project_that_is_only_read_has_its_plugins(cli: CommandLine) -> None:
    """And nothing is complained about."""
    for path in [*cli.root.rglob("*"), cli.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    ended = cli.process("plugins", "--json", unprivileged=True)
    for path in [cli.root, *cli.root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert ended.code == 0, ended.err
    assert "webhook" in [plugin["name"] for plugin in ended.data]
    assert not (cli.root / ".jobkit").exists()


def test_names_from_options_and_variables(cli: CommandLine) -> None:
    """--plugin no:NAME, JOBKIT_PLUGINS and JOBKIT_DISABLE_PLUGIN_AUTOLOAD reach the loading."""

    def statuses(*options: str, **environ: str) -> dict[str, str]:
        ended = cli.process(*options, "plugins", "--json", environ=environ)
        assert ended.code == 0, ended.err
        return {item["name"]: item["status"] for item in ended.data if item["source"] != "built-in"}

    cli.file("site/audit.py", SOUND)
    assert statuses() == {"webhook": "active"}
    assert statuses("--plugin", "no:acme-notify") == {"webhook": "blocked"}
    assert statuses("--disable-plugin-autoload") == {}
    assert statuses(JOBKIT_DISABLE_PLUGIN_AUTOLOAD="1", JOBKIT_PLUGINS="audit") == {"audit": "active"}
    assert statuses("--plugin", "audit") == {"audit": "active", "webhook": "active"}


def test_what_is_asked_for_and_not_there_has_its_exit_code(cli: CommandLine) -> None:
    """An option is a wrong use (4), a required plugin a wrong configuration (6)."""
    assert cli.process("--plugin", "nobody", "list").code == 4
    cli.file("jobkit.toml", '[project]\nname = "shop"\nrequired_plugins = ["jobkit-postgres"]\n')
    ended = cli.process("list", "--json")
    assert ended.code == 6
    [error] = json.loads(ended.out)["errors"]
    assert (error["code"], error["path"], error["line"]) == ("JK710", "jobkit.toml", 3)
