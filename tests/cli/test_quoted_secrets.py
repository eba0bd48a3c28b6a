"""What errors quote of files: nothing that is, or may be, a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobkit.cli.render.errors import error_block
from jobkit.cli.render.terminal import Terminal
from jobkit.exceptions import ConfigError
from tests.cli.harness import CommandLine

PLUGIN = """\
from __future__ import annotations

import msgspec

from jobkit import Secret, hookimpl


class Room(msgspec.Struct, frozen=True):
    name: str = ""
    pw: Secret = Secret("")


class Chat(msgspec.Struct, frozen=True):
    url: str = ""
    retries: int = 3
    pin: Secret = Secret("")
    rooms: list[Room] = []
    more: dict[str, Secret] = {}


@hookimpl
def jobkit_addoption(parser):
    parser.table(Chat)
    parser.job_settings(Chat)
"""
START = '[project]\nname = "shop"\n[plugins.chat]\n'


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """A project with a plugin that has secrets whose keys do not look like it."""
    cli.file("hooks/chat.py", PLUGIN)
    return cli


def quoted(cli: CommandLine) -> str:
    """All that ``check`` says, for people and as JSON."""
    said = []
    for arguments in (["check"], ["check", "--json"], ["list"], ["-vv", "check"]):
        answer = cli(*arguments)
        said += [answer.out, answer.err]
    return "".join(said)


@pytest.mark.parametrize(
    "lines",
    [
        "pin = 12345678canary",
        "pin = 9990999",
        'pin = ["canary"]',
        "pin = [\n  'canary', 5\n]",
        'rooms = [{nam="x", pw="canary"}]',
        'rooms = [{name=5, pw="canary"}]',
        'rooms = [\n  {name = 5, pw = "canary"},\n]',
        'pinn = "canary"',
        'pin = """\ncanary\n"""\nretries = "x"',
        'pin = "canary',
        'pin = """\ncanary\n',
        'more = {first = "canary", second = 5}',
        'more.first = ["canary"]',
        'more = [{x = "canary"}]',
        "token = 9990999",
        'retries = "x" # password = "canary"',
        'url = 5\n[plugin.chat]\npin = "canary"',
        'url = 5\n[scheduler]\ntimezone = ["x"]\npassword = ["canary"]',
        '[jobs.sell]\nparameters = {pin = "canary"}\nplugins = {chat = {pin = ["canary"]}}',
    ],
)
def test_no_error_in_a_table_quotes_a_secret(cli: CommandLine, lines: str) -> None:
    """Quotes forgotten, lists, inline tables, several lines, misspelt keys, comments, broken files."""
    cli.file("jobkit.toml", START + lines + "\n")
    said = quoted(cli)
    assert "error[" in said
    assert "canary" not in said
    assert "9990999" not in said


@pytest.mark.parametrize(
    "settings",
    [
        '{"chat": {"pin": ["canary"]}}',
        '{"chat": {"urll": "x", "pin": "canary"}}',
        '{"chat": {"url": 5, "token": 9990999, "pin": "canary"}}',
        '{"chat": {"rooms": [{"name": 5, "pw": "canary"}]}}',
        '{"chat": {"url": 5, "pin": f"canary{1}"}}',
        '{"chat": dict(url=5, pin="canary")}',
        '{"chat": {"url": 5,\n    "pin": """\ncanary"""}}',
        '{"chat": {"url": 5}}, parameters={"pin": "canary"}',
    ],
)
def test_no_error_in_a_job_file_quotes_a_secret(cli: CommandLine, settings: str) -> None:
    """Not even where another key of the same call is wrong."""
    cli.file(
        "extensions/web/jobs/sell.py",
        f"from jobkit import submit_job\n\n\n@submit_job(plugins={settings})\ndef sell(ctx): ...\n",
    )
    said = quoted(cli)
    assert "error[" in said
    assert "canary" not in said
    assert "9990999" not in said


def test_what_is_no_secret_is_quoted(cli: CommandLine) -> None:
    """In a plugin's table, in jobkit's own, and in code, beside what is masked."""
    cli.file("jobkit.toml", START + 'retries = "many"\n')
    assert '4 | retries = "many"' in cli("check").err + cli("list").err
    cli.file("jobkit.toml", START + 'rooms = [{name = 5, pw = "canary"}]\n')
    assert '4 | rooms = [{name = 5, pw = "***"}]' in cli("list").err
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[scheduler]\nretention = 30d\n')
    assert "4 | retention = 30d" in cli("list").err


_CANARY = "Canary"
_NAMES = st.sampled_from(["pin", "password", "api_token", "tokn", "pw", "more"])
_SECRETS = st.sampled_from(
    [
        f'"{_CANARY}"',
        f"'{_CANARY}'",
        f'["{_CANARY}", 5]',
        f'[\n "{_CANARY}",\n 5 ]',
        f'{{pin = "{_CANARY}", x = 5}}',
        f'"""\n{_CANARY}\n"""',
        _CANARY,
        f'"{_CANARY}',
    ]
)
_OTHERS = st.sampled_from(
    ['url = "x"', "retries = 3", 'rooms = [{name = "a"}]', "# a comment", "", "url = ", "]"]
)
_TABLES = st.sampled_from(["[plugins.chat]", "[jobs.sell.plugins.chat]", "[plugins.chat.more]", "[plugin]"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(_TABLES, st.lists(st.one_of(st.builds("{} = {}".format, _NAMES, _SECRETS), _OTHERS))),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([None, frozenset(("url", "retries", "rooms", "name"))]),
)
def test_whatever_line_an_error_is_about_no_secret_is_quoted(
    tmp_path: Path, tables: list[tuple[str, list[str]]], shown: frozenset[str] | None
) -> None:
    """Random tables, whole and broken, and an error at each of their lines."""
    text = "\n".join(line for table, lines in tables for line in (table, *lines))
    path = tmp_path / "jobkit.toml"
    path.write_text(text, encoding="utf-8")
    for number in range(1, text.count("\n") + 2):
        error = ConfigError("it is wrong", path=path, line=number)
        error.shown_keys = shown
        block = error_block(error, Terminal())
        assert _CANARY not in "\n".join(block), json.dumps(block)
