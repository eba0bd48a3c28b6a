"""docs/how-to/configure-plugins.md: what stands there is a project that works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "configure-plugins.md"
FILES = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """The command line in the project that the guide describes."""
    for name, text in FILES.findall(GUIDE.read_text(encoding="utf-8")):
        cli.file(name, text)
    return cli


def test_its_plugin_gets_its_settings(cli: CommandLine) -> None:
    """Table, variable, job settings from code and configuration, and the option."""
    environ = {"CHAT_TOKEN": "canary-token", "JOBKIT__PLUGINS__CHAT__QUIET": "1h"}
    assert cli.process("check", "--strict", environ=environ).code == 0
    ended = cli.process("run", "cleanup", environ=environ)
    assert ended.code == 0, ended.err
    assert "cleanup: shop at https://chat.example.com/hook, quiet for 1:00:00" in ended.err
    ended = cli.process("run", "cleanup", "--chat-silent", environ=environ)
    assert ended.code == 0, ended.err
    assert "chat.example.com" not in ended.err
    ended = cli.process("config", "show", "plugins.chat", environ=environ)
    assert "***" in ended.out
    assert "canary" not in ended.out
