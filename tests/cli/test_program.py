"""The program itself: help, version, mistakes, and options on either side of the verb."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobkit.cli.main import VERBS
from tests.cli.harness import CommandLine

ALL_VERBS = [verb for verbs in VERBS.values() for verb in verbs]
ROOT = Path(__file__).parents[2]


def test_alone_it_shows_its_verbs(anywhere: CommandLine) -> None:
    """``jobkit`` alone is its help, and a success."""
    alone, asked = anywhere(), anywhere("--help")
    assert alone.code == asked.code == 0
    assert alone.out == asked.out
    assert all(verb in alone.out for verb in ALL_VERBS)


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_every_verb_is_there_and_explains_itself(anywhere: CommandLine, verb: str) -> None:
    """Each verb of the table is a command whose help starts with its usage and needs no project."""
    command = importlib.import_module(f"jobkit.cli.verbs.{verb}").command
    assert isinstance(command, click.Command)
    helped = anywhere(verb, "--help")
    assert helped.code == 0
    assert helped.out.startswith(f"Usage: jobkit {verb}")
    assert helped.out.isascii()  # whatever the terminal's encoding, help can be had
    assert helped.err == ""


def test_help_imports_no_verb_and_nothing_heavy() -> None:
    """``jobkit --help`` imports click and a handful of our own modules, nothing else of jobkit's."""
    probe = (
        "import sys\nfrom jobkit.cli.main import run\nrun(['--help'])\nprint(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    ours = {name for name in loaded if name.split(".")[0] == "jobkit"}
    assert ours == {
        "jobkit",
        "jobkit.cli",
        "jobkit.cli.command",
        "jobkit.cli.completing",
        "jobkit.cli.globals",
        "jobkit.cli.main",
    }
    heavy = {"asyncio", "anyio", "croniter", "json", "msgspec", "pluggy", "sqlite3", "structlog", "tomllib"}
    assert not loaded & heavy


def test_list_imports_nothing_for_plugins_that_are_not_configured(tmp_path: Path) -> None:
    """Where no job has a schedule and no table says anything, neither schedules nor values are imported."""
    (tmp_path / "jobkit.toml").touch()
    file = tmp_path / "extensions" / "web" / "jobs" / "hi.py"
    file.parent.mkdir(parents=True)
    file.write_text("from jobkit import submit_job\n\n\n@submit_job\ndef hi(ctx): ...\n")
    loaded = imported_by_list(tmp_path)
    values = {name for name in loaded if name.startswith(("jobkit.values.", "jobkit.config.plugin_"))}
    assert values == {"jobkit.values.secret", "jobkit.config.plugin_tables", "jobkit.config.plugin_declared"}
    assert not {name for name in loaded if name.startswith(("jobkit.schedules", "jobkit.sinks.settings"))}
    assert not loaded & {
        "croniter",
        "jobkit.plugins.values",
        "jobkit.stores.outbox",
        "jobkit.sqlite.settings",
    }

    (tmp_path / "jobkit.toml").write_text("[plugins.console]\nenabled = true\n")
    file.write_text(file.read_text().replace("@submit_job", '@submit_job(schedule="0 0 3 * * *")'))
    assert {"jobkit.sinks.settings", "jobkit.schedules.cron"} <= imported_by_list(tmp_path)


def imported_by_list(root: Path) -> set[str]:
    """The names of the modules that are imported when ``jobkit list`` has ended in *root*, with one job."""
    probe = (
        "import sys\nfrom jobkit.cli.main import run\n"
        "code = run(['list'])\nprint(*sys.modules, file=sys.stderr)\nsys.exit(code)\n"
    )
    env = {**os.environ, "JOBKIT_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", probe], cwd=root, capture_output=True, text=True, check=True, env=env
    )
    assert "1 job in 1 extension" in done.stdout
    return set(done.stderr.split())


def test_version_is_the_distributions(anywhere: CommandLine) -> None:
    """``--version`` prints what the metadata says."""
    shown = anywhere("--version")
    assert shown.code == 0
    assert shown.out.startswith("jobkit ")


def test_unknown_verb_names_the_closest(anywhere: CommandLine) -> None:
    """JK801: a mistyped verb is a usage error, and following its help works."""
    ended = anywhere("hlep")
    assert ended.code == 4
    assert ended.out == ""
    assert "error[JK801]: there is no verb 'hlep'" in ended.err
    assert "did you mean `jobkit help`?" in ended.err
    assert anywhere("help").code == 0


@pytest.mark.parametrize("line", [["--jsno", "help"], ["help", "--jsno"]])
def test_unknown_option_names_the_closest(anywhere: CommandLine, line: list[str]) -> None:
    """A mistyped option is a usage error on either side of the verb."""
    ended = anywhere(*line)
    assert ended.code == 4
    assert "has no option '--jsno'" in ended.err
    assert "did you mean '--json'?" in ended.err


def test_missing_argument_is_usage(anywhere: CommandLine) -> None:
    """A verb without its argument says which one."""
    ended = anywhere("explain")
    assert ended.code == 4
    assert "missing argument 'CODE'" in ended.err


@pytest.mark.parametrize("line", [["--json", "help"], ["help", "--json"]])
def test_global_options_stand_anywhere(anywhere: CommandLine, line: list[str]) -> None:
    """``--json`` before the verb and after it is the same."""
    ended = anywhere(*line)
    assert ended.json["schema"] == "jobkit.help/1"
    assert ended.err == ""


def test_the_later_place_wins(cli: CommandLine, tmp_path: Path) -> None:
    """Given on both sides, an option has the value that stands behind the verb."""
    ended = cli("-C", str(tmp_path / "nowhere"), "history", "-C", str(cli.root), "--json")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("line", [["--json", "hlep"], ["hlep", "--json"], ["explain", "--jsno", "--json"]])
def test_with_json_even_a_mistake_is_one_object(anywhere: CommandLine, line: list[str]) -> None:
    """A line that does not parse still answers in the form it asked for."""
    ended = anywhere(*line)
    assert ended.code == 4
    assert ended.json["data"] is None
    [error] = ended.json["errors"]
    assert error["code"] == "JK801"
    assert ended.json["schema"] in {"jobkit/1", "jobkit.explain/1"}


def test_json_behind_dashes_is_not_an_option(anywhere: CommandLine) -> None:
    """What stands behind ``--`` is an argument."""
    ended = anywhere("hlep", "--", "--json")
    assert ended.code == 4
    assert ended.out == ""


def test_python_m_is_the_same_program(anywhere: CommandLine) -> None:
    """``python -m jobkit`` behaves like ``jobkit``, exit code included."""
    assert anywhere.process("--help").out == anywhere("--help").out
    wrong = anywhere.process("hlep")
    assert wrong.code == 4
    assert "JK801" in wrong.err


@pytest.mark.parametrize("verb", ["list", "check", "history", "db status", "logs last", "show x", "run x"])
def test_outside_a_project_one_clear_error(anywhere: CommandLine, verb: str) -> None:
    """Without a project a verb that needs one says how to start, with exit code 6."""
    ended = anywhere(*verb.split())
    assert ended.code == 6
    assert ended.err.count("error[") == 1
    assert "jobkit.toml" in ended.err
    assert ended.out == ""
    as_json = anywhere(*verb.split(), "--json")
    assert as_json.code == 6
    assert [error["code"] for error in as_json.json["errors"]] == ["JK202"]
    anywhere.file("jobkit.toml", "")
    assert anywhere("list").code == 0


def test_explain_prints_the_page(anywhere: CommandLine) -> None:
    """``explain`` shows a code's page, in any case of letters, and as data."""
    shown = anywhere("explain", "jk801")
    assert shown.code == 0
    assert shown.out.startswith("JK801: The command line is not understood\n")
    data = anywhere("explain", "JK801", "--json").data
    assert data["code"] == "JK801"
    assert data["title"] == "The command line is not understood"
    assert "## How to mend it" in data["text"]


def test_explain_of_an_unknown_code(anywhere: CommandLine) -> None:
    """JK804: an unknown code is a usage error that names the closest."""
    ended = anywhere("explain", "JK9011")
    assert ended.code == 4
    assert "error[JK804]" in ended.err
    assert "did you mean 'JK901'?" in ended.err


def test_help_of_topics_and_verbs(anywhere: CommandLine) -> None:
    """``help`` knows topics and verbs; JK804 for anything else, with the closest."""
    assert "| 5" not in anywhere("help", "exit-codes").out
    assert "nothing selected" in anywhere("help", "exit-codes").out
    assert anywhere("help", "history").out == anywhere("history", "--help").out
    wrong = anywhere("help", "selektion")
    assert wrong.code == 4
    assert "JK804" in wrong.err
    assert "did you mean 'selection'?" in wrong.err
    assert anywhere("help", "selection").code == 0


def test_an_internal_error_says_where_and_exits_3(
    anywhere: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JK901: what jobkit did not foresee names the place in jobkit; ``-vv`` shows every frame."""

    def broken(code: str) -> str:
        raise ZeroDivisionError("as planned\x1b[31m")

    monkeypatch.setattr("jobkit.cli.verbs.explain.explanation", broken)
    ended = anywhere("explain", "JK801")
    assert ended.code == 3
    assert "error[JK901]: internal error: ZeroDivisionError: as planned\\x1b[31m" in ended.err
    assert "jobkit/cli/verbs/explain.py:" in ended.err
    assert "Traceback" not in ended.err
    assert "-vv" in ended.err
    verbose = anywhere("explain", "JK801", "-vv")
    assert verbose.code == 3
    assert "Traceback" in verbose.err
    assert [error["code"] for error in anywhere("explain", "JK801", "--json").json["errors"]] == ["JK901"]


def test_nobody_reads_the_help() -> None:
    """``jobkit --help | true`` ends quietly."""
    script = f"{sys.executable} -m jobkit --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout == "0\n"


def test_json_is_plain_ascii(anywhere: CommandLine) -> None:
    """Whatever text the object carries, its bytes are ASCII and hold no control character."""
    ended = anywhere("explain", "\x1b[31m\u202eJK\x7f\udc80", "--json")
    assert ended.out.isascii()
    assert not any(sign < " " or sign == "\x7f" for sign in ended.out.rstrip("\n"))
    assert json.loads(ended.out)["errors"][0]["code"] == "JK804"
