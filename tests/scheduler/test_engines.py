"""Which engine ``[scheduler] engine`` names."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from jobkit import ConfigError, Project, Scheduler
from tests.cli.harness import CommandLine

OPERATORS = "services/scheduler/config.toml"
PLUGIN = """\
from jobkit import hookimpl
from jobkit.engines.local import LocalEngine


class Elsewhere(LocalEngine):
    name = "elsewhere"


@hookimpl
def jobkit_engines(config):
    return [Elsewhere()]
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A project whose operators want an engine that nobody has."""
    found = CommandLine(tmp_path, monkeypatch)
    found.file("jobkit.toml", '[project]\nname = "shop"\n')
    found.file(OPERATORS, '[scheduler]\nengine = "elsewhere"\n')
    return found


def test_a_scheduler_does_not_start_without_its_engine(cli: CommandLine) -> None:
    """JK217 at the line that names it, with those that there are; named rightly, it starts."""

    async def enter() -> str:
        with Project.load(cli.root) as project:
            async with Scheduler(project) as scheduler:
                return scheduler.state

    with pytest.raises(ConfigError) as caught:
        anyio.run(enter)
    error = caught.value
    assert (error.code, error.line, error.path) == ("JK217", 2, cli.root / OPERATORS)
    assert error.help == "there are: local; plugins bring further ones"
    cli.file(OPERATORS, '[scheduler]\nengine = "local"\n')
    assert anyio.run(enter) == "entered"


def test_check_says_so_and_other_verbs_do_not_mind(cli: CommandLine) -> None:
    """Exit code 6 of ``check``; what needs no engine works."""
    ended = cli("check", "--json")
    assert (ended.code, [error["code"] for error in ended.json["errors"]]) == (6, ["JK217"])
    assert cli("list").code == 0


def test_an_engine_of_a_plugin_is_found(cli: CommandLine) -> None:
    """The plugin brings the name that was missing; one that fails in that is named beside it."""
    cli.file("hooks/elsewhere.py", PLUGIN)
    assert cli("check").code == 0
    cli.file("hooks/elsewhere.py", PLUGIN.replace("Elsewhere()", "Elsewhere(1)"))
    ended = cli("check", "--json")
    assert (ended.code, [error["code"] for error in ended.json["errors"]]) == (6, ["JK217"])
    assert "JK721" in [warning["code"] for warning in ended.data["warnings"]]
