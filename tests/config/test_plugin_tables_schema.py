"""The tables of plugins in the JSON Schema for editors: what the plugin accepts, the schema accepts."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest

from jobkit import Secret
from jobkit.config.json_schema import json_schema
from jobkit.config.plugin_schema import keys_of
from jobkit.values.types import fields_of
from tests.config.plugin_project import Plugins
from tests.config.test_json_schema import problems

if TYPE_CHECKING:
    from jobkit.plugins.parser import Parser
    from tests.config.conftest import Tree


class Mail(msgspec.Struct, tag="mail"):
    to: str


class Chat(msgspec.Struct, tag="chat"):
    room: str


class Branch(msgspec.Struct, frozen=True):
    """A branch of branches."""

    label: str = ""
    inner: list[Branch] = []


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Where results are sent.

    Further lines are for readers of the code.
    """

    url: Annotated[str, msgspec.Meta(description="where to", pattern="^https")]
    size: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    every: dt.timedelta = dt.timedelta(minutes=5)
    since: dt.date | None = None
    folder: Path = Path("out")
    token: Secret = Secret("canary")
    events: Annotated[list[Literal["failed", "succeeded"]], msgspec.Meta(max_length=2)] = []
    pair: tuple[int, str] = (1, "a")
    limits: dict[str, int] = {}
    targets: list[Mail | Chat] = []
    tree: Branch = Branch("root")
    anything: Any = None


def _declare(parser: Parser) -> None:
    parser.table(Table)
    parser.job_settings(Branch)


def _schema() -> dict[str, Any]:
    plugins = Plugins()
    plugins.add("hook", _declare)
    plugins.declared()
    return json_schema({name: parser.declared for name, parser in plugins.parsers.items()})


SCHEMA = _schema()
TABLE = SCHEMA["properties"]["plugins"]["properties"]["hook"]


def test_it_is_json_and_describes_the_table() -> None:
    """Closed; with descriptions and defaults; what is secret is not told."""
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert TABLE["description"] == "Where results are sent."
    assert TABLE["additionalProperties"] is False
    properties: Mapping[str, Any] = TABLE["properties"]
    assert list(properties) == [item.encode_name for item in msgspec.structs.fields(Table)]
    assert properties["url"]["description"] == "where to"
    assert properties["size"] == {
        "type": "integer", "minimum": 1, "maximum": 10, "default": 3,
    }  # fmt: skip
    assert properties["share"] == {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    assert properties["every"]["default"] == "5m"
    assert properties["folder"] == {"type": "string", "default": "out"}
    assert properties["pair"]["default"] == [1, "a"]
    assert properties["events"]["maxItems"] == 2
    assert "canary" not in json.dumps(SCHEMA)
    assert SCHEMA["$defs"]["hook.Branch"]["description"] == "A branch of branches."
    assert '"required"' not in json.dumps(SCHEMA), "what one file does not say another may"


GOOD = """\
[plugins.hook]
url = "https://example.com"
size = 10
share = 0.5
every = "1h30m"
since = 2027-01-31
folder = "x"
token = "${TOKEN}"
events = ["failed", "${EVENT}"]
pair = [2, "b"]
limits = { a = 1 }
targets = [{ type = "mail", to = "x" }, { type = "chat", room = "y" }]
tree = { label = "a", inner = [{ label = "b", inner = [{}] }] }
anything = [1, { a = "b" }]

[plugins.other]
whatever = 1

[jobs.cleanup.plugins.hook]
label = "a"

[jobs.cleanup.plugins.other]
whatever = 1
"""
VARIABLES = {"TOKEN": "t", "EVENT": "succeeded"}


def accept(tree: Tree, text: str) -> None:
    """Read *text* as jobkit does. ConfigError."""
    tree.write("jobkit.toml", text)
    plugins = Plugins()
    plugins.add("hook", _declare)
    plugins.add("other", lambda parser: None)
    plugins.accept(tree.load(None, VARIABLES))


def test_what_the_plugin_accepts_is_accepted(tree: Tree) -> None:
    """A file with everything; one that leaves all to others; one with variables where text is taken."""
    accept(tree, GOOD)
    for text in (GOOD, "[plugins.hook]", "[plugins.hook]\nurl = '${URL}'\nevery = '${EVERY}'"):
        assert _problems(text) == []


@pytest.mark.parametrize(
    "line",
    [
        "ulr = 'https://x'",
        "url = 'http://x'",
        "url = 5",
        "size = 11",
        "share = 1.0",
        "share = 'x'",
        "every = 'soon'",
        "folder = 1",
        "events = 'failed'",
        "events = ['fail']",
        "events = ['failed', 'failed', 'failed']",
        "pair = [1]",
        "pair = [1, 2]",
        "limits = { a = 'b' }",
        "targets = [{ type = 'chad', room = 'x' }]",
        "targets = [{ type = 'mail', room = 'x' }]",
        "tree = { inner = [{ labl = 'x' }] }",
    ],
)
def test_what_the_plugin_refuses_is_refused_while_typing(tree: Tree, line: str) -> None:
    """Unknown keys, wrong types, values out of range, at any depth: jobkit and the editor agree."""
    text = f"[plugins.hook]\n{line}\n"
    assert _problems(text)
    with pytest.raises(Exception, match=r"\[plugins\.hook\]"):
        accept(tree, text)


def test_job_settings_are_in_the_options_of_jobs() -> None:
    """Closed, too, for a plugin that declared them; open for others."""
    assert _problems("[jobs.a.plugins.hook]\nlabl = 'x'")
    assert _problems("[jobs.a.plugins.other]\nlabl = 'x'") == []
    assert json_schema({})["$defs"]["job"]["properties"]["plugins"] == {
        "description": "settings for plugins, by plugin", "type": "object",
    }  # fmt: skip


def test_keys_are_told_for_people() -> None:
    """Name, type in the words of errors, default, what it is for, whether it is required."""
    keys = {key.name: key for key in keys_of(fields_of(Table))}
    assert keys["url"] == ("url", "text", None, "where to", True)
    assert keys["every"] == ("every", "duration", "5m", "", False)
    assert keys["token"].default is None
    assert {name: key.type for name, key in keys.items()} == {
        "url": "text",
        "size": "whole number",
        "share": "number",
        "every": "duration",
        "since": "date",
        "folder": "path",
        "token": "text",
        "events": 'list of "failed" or "succeeded"',
        "pair": "list of 2",
        "limits": "table of whole number",
        "targets": "list of table",
        "tree": "table",
        "anything": "anything",
    }


def _problems(text: str) -> list[str]:
    return [*problems(tomllib.loads(text), SCHEMA, whole=SCHEMA)]
