"""Every error code is met, its hint is read and followed, and the command then succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit.codes import all_codes
from tests.cli.harness import CommandLine
from tests.scenario.codes import (
    collection,
    command_line,
    configuration,
    databases,
    plugged,
    plugin_tables,
    plugins,
    running,
    schedules,
    servers,
    sinks,
    stores,
)
from tests.scenario.codes.walk import Walk, follow

FAMILIES = (
    collection,
    command_line,
    configuration,
    databases,
    plugged,
    plugin_tables,
    plugins,
    running,
    schedules,
    servers,
    sinks,
    stores,
)
WALKS = [walk for family in FAMILIES for walk in family.WALKS]
ELSEWHERE = {code: test for family in FAMILIES for code, test in family.ELSEWHERE.items()}


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty project."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "jobkit.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    return CommandLine(root, monkeypatch)


# Lower case: the folder of a test is called after it, and folders turn up in what is printed.
@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.code.lower())
def test_following_the_hint_mends_it(walk: Walk, cli: CommandLine) -> None:
    """The command prints code and hint; after doing what the hint says it succeeds."""
    follow(walk, cli)


def test_every_code_is_walked() -> None:
    """No code is left out: what no command can show is provoked and mended by a test that is named."""
    assert sorted({walk.code for walk in WALKS} | ELSEWHERE.keys()) == all_codes()


@pytest.mark.parametrize("code", sorted(ELSEWHERE))
def test_what_is_walked_elsewhere_is_there(code: str) -> None:
    """The test that is named exists, and names the code."""
    path, _, name = ELSEWHERE[code].partition("::")
    text = (Path(__file__).parents[3] / path).read_text(encoding="utf-8")
    assert f"def {name}(" in text
    assert code in text
