"""``[plugins.NAME]`` as the struct that the plugin declared: what it takes, and where mistakes are shown."""

from __future__ import annotations

import datetime as dt
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest

from jobkit import Secret
from jobkit.config.plugin_tables import accept_plugins
from jobkit.exceptions import ConfigError, PluginError
from tests.config.plugin_project import Plugins, accepted, refused

if TYPE_CHECKING:
    from tests.config.conftest import Tree

OPERATORS = "services/scheduler/config.toml"


class Target(msgspec.Struct, frozen=True):
    """One place to send to."""

    url: str
    headers: dict[str, str] = {}
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 3


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Where results are sent."""

    url: str = "http://localhost"
    events: list[Literal["failed", "succeeded"]] = []
    every: dt.timedelta = dt.timedelta(minutes=5)
    since: dt.date | None = None
    begins: dt.datetime | None = None
    folder: Path = Path("outgoing")
    token: Secret = Secret("")
    verify: bool = True
    factor: float = 1.5
    limit: int | Literal["none"] = 10
    targets: list[Target] = []
    default: Target = Target("http://default")
    by_tag: dict[str, Target] = {}
    name: Annotated[str, msgspec.Meta(min_length=2, max_length=8, pattern="^[a-z]+$")] = "web"


ALL = """\
[plugins.webhook]
url = "https://example.com/hook"
events = ["failed"]
every = "1h30m"
since = 2027-01-31
begins = 2027-01-31T03:00:00Z
folder = "var/spool"
token = "0123456789abcdef"
verify = false
factor = 2
limit = "none"
name = "main"

[plugins.webhook.default]
url = "https://example.com/default"

[[plugins.webhook.targets]]
url = "https://one.example.com"
headers = { Accept = "text/plain" }

[[plugins.webhook.targets]]
url = "https://two.example.com"
retries = 0

[plugins.webhook.by_tag.nightly]
url = "https://night.example.com"
"""


def test_every_kind_of_value_becomes_what_the_struct_says(tree: Tree) -> None:
    """Text, numbers, dates, durations, paths, secrets, lists and tables of structs."""
    config = accepted(tree, Webhook, ALL)
    assert config.plugin("webhook") == Webhook(
        url="https://example.com/hook",
        events=["failed"],
        every=dt.timedelta(minutes=90),
        since=dt.date(2027, 1, 31),
        begins=dt.datetime(2027, 1, 31, 3, tzinfo=dt.UTC),
        folder=tree.root / "var/spool",
        token=Secret("0123456789abcdef"),
        verify=False,
        factor=2.0,
        limit="none",
        targets=[
            Target("https://one.example.com", {"Accept": "text/plain"}),
            Target("https://two.example.com", retries=0),
        ],
        default=Target("https://example.com/default"),
        by_tag={"nightly": Target("https://night.example.com")},
        name="main",
    )
    assert isinstance(config.plugin("webhook").token, Secret)
    assert isinstance(config.plugin("webhook").factor, float)
    assert "0123456789abcdef" in config.secrets


def test_what_nobody_says_is_the_default(tree: Tree) -> None:
    """Without a table there is a struct of defaults; a path begins at the root in both cases."""
    found = accepted(tree, Webhook).plugin("webhook")
    assert found == Webhook(folder=tree.root / "outgoing")


def test_layers_merge_key_by_key(tree: Tree) -> None:
    """Files, the environment's file, variables and options: the last that speaks of a key decides it."""
    tree.write("jobkit.toml", '[plugins.webhook]\nurl = "http://a"\nverify = false\nfactor = 3.0')
    tree.write(OPERATORS, '[plugins.webhook]\nurl = "http://b"\n[plugins.webhook.default]\nurl = "http://d"')
    variables = {
        "JOBKIT__PLUGINS__WEBHOOK__FACTOR": "4",
        "JOBKIT__PLUGINS__WEBHOOK__NAME": "nightly",
        "JOBKIT__PLUGINS__WEBHOOK__DEFAULT__RETRIES": "7",
    }
    config = accepted(tree, Webhook, variables=variables)
    found = config.plugin("webhook")
    assert (found.url, found.verify, found.factor, found.name) == ("http://b", False, 4.0, "nightly")
    assert found.default == Target("http://d", retries=7)
    assert config.origin("plugins.webhook.url").describe(tree.root) == f"{OPERATORS}:2"
    changed = config.with_options({"plugins.webhook.url": "http://e"})
    assert changed.plugin("webhook").url == "http://e"
    assert found.url == config.plugin("webhook").url
    with pytest.raises(ConfigError, match=r"\[plugins.webhook\] url: text is expected"):
        config.with_options({"plugins.webhook.url": 5})


def test_a_variable_may_mean_the_text(tree: Tree) -> None:
    """Its value is read as TOML, and taken as the text that it is where the key wants text."""
    names = {"URL": "1984", "TOKEN": "0x10", "LIMIT": "20", "VERIFY": "false", "EVENTS": '["failed"]'}
    found = accepted(
        tree, Webhook, variables={f"JOBKIT__PLUGINS__WEBHOOK__{key}": text for key, text in names.items()}
    ).plugin("webhook")
    assert (found.url, found.token, found.limit, found.verify) == ("1984", "0x10", 20, False)
    assert found.events == ["failed"]


BAD: dict[str, tuple[str, str, int, str]] = {
    "wrong type": ("url = 5", "JK205", 2, "[plugins.webhook] url: text is expected, not a whole number"),
    "flag": ("verify = 'yes'", "JK205", 2, "verify: true or false is expected, not text"),
    "number": ("factor = 'x'", "JK205", 2, "factor: a number is expected, not text"),
    "date": ("since = 5", "JK205", 2, "since: a date like 2027-01-31 is expected, not a whole number"),
    "no date": ("since = '31.1.2027'", "JK206", 2, "a date like 2027-01-31 is expected, not '31.1.2027'"),
    "duration": ("every = true", "JK205", 2, "a duration like '90s' or '1h30m' is expected, not true or"),
    "no duration": ("every = 'soon'", "JK206", 2, "every: 'soon' is not a duration"),
    "path": ("folder = 3", "JK205", 2, "folder: a path is expected, not a whole number"),
    "secret": ("token = 3", "JK205", 2, "token: text is expected, not a whole number"),
    "union": ("limit = 'no'", "JK206", 2, """limit: "none" is expected, not 'no'; did you mean "none"?"""),
    "no member": ("limit = 1.5", "JK205", 2, 'limit: a whole number or "none" is expected, not a number'),
    "list": ("events = 'failed'", "JK205", 2, "events: a list is expected, not text; write ['failed']"),
    "literal": (
        "events = [\n 'failed',\n 'faild']",
        "JK206",
        4,
        """events.1: "failed" or "succeeded" is expected, not 'faild'; did you mean "failed"?""",
    ),
    "no table": ("default = 3", "JK205", 2, "default: a table is expected, not a whole number"),
    "nested": ("default = { url = 3 }", "JK205", 2, "[plugins.webhook] default.url: text is expected"),
    "list of tables": (
        "targets = [\n { url = 'a' },\n { url = 'b', retries = 11 },\n]",
        "JK206",
        4,
        "[plugins.webhook] targets.1.retries: it lies between 0 and 10, and 11 does not",
    ),
    "item is no table": ("targets = [5]", "JK205", 2, "targets.0: a table is expected, not a whole number"),
    "dict": ("by_tag = { x = { url = true } }", "JK205", 2, "by_tag.x.url: text is expected, not true"),
    "too short": ("name = 'a'", "JK206", 2, "name: at least 2 characters, not 1"),
    "too long": ("name = 'abcdefghi'", "JK206", 2, "name: at most 8 characters, not 9"),
    "pattern": ("name = 'Ab'", "JK206", 2, "name: text that matches '^[a-z]+$' is expected, not 'Ab'"),
    "missing": ("default = { retries = 3 }", "JK743", 2, "[plugins.webhook] default.url: it is missing"),
    "missing in item": ("targets = [\n{}]", "JK743", 3, "[plugins.webhook] targets.0.url: it is missing"),
}


@pytest.mark.parametrize(("text", "code", "line", "words"), BAD.values(), ids=BAD)
def test_each_mistake_has_its_place(tree: Tree, text: str, code: str, line: int, words: str) -> None:
    """Code, file, line, and words as for jobkit's own tables."""
    [error] = refused(tree, Webhook, f"[plugins.webhook]\n{text}")
    assert (error.code, error.path, error.line) == (code, tree.root / "jobkit.toml", line)
    assert words in error.message


def test_an_unknown_key_names_the_closest(tree: Tree) -> None:
    """At the top, in a nested table and in a list of tables; where none is close, all are listed."""
    text = (
        "[plugins.webhook]\nulr = 'x'\nzzz = 1\ndefault = { url = 'a', retry = 3 }\ntargets = [{ ulr = 'x' }]"
    )
    errors = refused(tree, Webhook, text)
    assert [(error.line, error.message) for error in errors] == [
        (2, "[plugins.webhook] has no key `ulr`"),
        (3, "[plugins.webhook] has no key `zzz`"),
        (4, "[plugins.webhook] default has no key `retry`"),
        (5, "[plugins.webhook] targets.0 has no key `ulr`"),
        (5, "[plugins.webhook] targets.0.url: it is missing"),
    ]
    assert errors[0].help == "did you mean `url`?"
    assert (errors[1].help or "").startswith("there are url, events, every,")
    assert errors[2].help == "did you mean `retries`?"


def test_all_mistakes_of_all_files_come_at_once(tree: Tree) -> None:
    """File by file, by line; also what a lower layer says and a higher one replaces."""
    tree.write("jobkit.toml", "[plugins.webhook]\nurl = 5\nverify = 1\n")
    tree.write(OPERATORS, "[plugins.webhook]\nurl = 'x'\nfactor = []\n")
    errors = refused(tree, Webhook, variables={"JOBKIT__PLUGINS__WEBHOOK__EVERY": "never"})
    assert [(error.path and error.path.name, error.line, error.code) for error in errors] == [
        ("jobkit.toml", 2, "JK205"),
        ("jobkit.toml", 3, "JK205"),
        ("config.toml", 3, "JK205"),
        (None, None, "JK206"),
    ]
    assert errors[3].message == (
        "JOBKIT__PLUGINS__WEBHOOK__EVERY: [plugins.webhook] every: 'never' is not a duration; "
        "write it like '300ms', '90s', '5m', '1h30m' or '2d'"
    )


class Needs(msgspec.Struct):
    dsn: Secret
    size: int = 1


def test_a_required_key_is_asked_for(tree: Tree) -> None:
    """With the table and without it, and how to do without the plugin is said too."""
    [error] = refused(tree, Needs, "\n[plugins.webhook]\nsize = 2")
    assert (error.code, error.line, error.message) == ("JK743", 2, "[plugins.webhook] dsn: it is missing")
    assert (
        error.help == 'write `dsn = "…"` into [plugins.webhook], or leave the plugin out: --plugin no:webhook'
    )
    [error] = refused(tree, Needs, "")
    assert (error.code, error.path, error.message) == ("JK743", None, "[plugins.webhook] dsn: it is missing")


class Checked(msgspec.Struct):
    low: int = 0
    high: int = 10
    password: str = ""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low lies above high (with {self.password!r})")


def test_the_plugins_own_check_is_heard(tree: Tree) -> None:
    """What ``__post_init__`` raises is shown at the table, without secrets."""
    text = "[plugins.webhook]\nlow = 20\npassword = 'correct horse'"
    [error] = refused(tree, Checked, text)
    assert (error.code, error.line) == ("JK745", 1)
    assert error.message == "[plugins.webhook]: low lies above high (with '***')"
    assert accepted(tree, Checked, "[plugins.webhook]\nlow = 2").plugin("webhook").low == 2


def test_a_variable_is_expanded_and_secret(tree: Tree) -> None:
    """``${NAME}`` works in every text, lists and tables in lists included; no error repeats what it gave."""
    text = (
        "[plugins.webhook]\nurl = '${URL}'\nevery = '${EVERY}'\nevents = ['${EVENT}']\n"
        "targets = [{ url = '${URL}/x' }]"
    )
    variables = {"URL": "https://hidden.example.com", "EVERY": "2h", "EVENT": "failed"}
    config = accepted(tree, Webhook, text, variables=variables)
    found = config.plugin("webhook")
    assert (found.url, found.every) == ("https://hidden.example.com", dt.timedelta(hours=2))
    assert found.targets == [Target("https://hidden.example.com/x")]
    assert "https://hidden.example.com" in config.secrets
    wrong = refused(tree, Webhook, variables={**variables, "EVERY": "classified", "EVENT": "classified"})
    assert [error.line for error in wrong] == [3, 4]
    assert "classified" not in repr([(error.message, error.help) for error in wrong])
    why = refused(tree, Checked, "[plugins.webhook]\nlow = 20\npassword = '${EVERY}'", variables=variables)
    assert "why is not shown" in why[0].message


def test_secrets_are_not_repeated(tree: Tree) -> None:
    """A wrong value is not shown where the key or the type says that it is secret."""

    class Keyed(msgspec.Struct):
        pin: Annotated[Secret, msgspec.Meta(min_length=40, pattern="^[0-9]+$")] = Secret("")
        api_key: Literal["a", "b"] = "a"

    errors = refused(tree, Keyed, "[plugins.webhook]\npin = 'classified'\napi_key = 'classified'")
    assert [error.code for error in errors] == ["JK206", "JK206"]
    assert "classified" not in repr([(error.message, error.help) for error in errors])


class Mail(msgspec.Struct, tag="mail", tag_field="kind"):
    to: str


class Chat(msgspec.Struct, tag="chat", tag_field="kind"):
    room: str
    token: Secret = Secret("")


class Alerts(msgspec.Struct):
    to: list[Mail | Chat] = []
    first: Chat | None = None


def test_a_tag_says_which_table_is_meant(tree: Tree) -> None:
    """Structs with tags: the right one is read, and errors speak of that one."""
    text = "[plugins.webhook]\nto = [{ kind = 'mail', to = 'a' }, { kind = 'chat', room = 'b' }]"
    found = accepted(tree, Alerts, text).plugin("webhook")
    assert found.to == [Mail("a"), Chat("b")]
    wrong = """[plugins.webhook]
    to = [{ kind = 'chat', rom = 'b' },
    { to = 'x' },
    { kind = 'chad' }]
    first = { kind = 'mail', room = 'x' }"""
    assert [(error.line, error.message) for error in refused(tree, Alerts, wrong)] == [
        (2, "[plugins.webhook] to.0 has no key `rom`"),
        (2, "[plugins.webhook] to.0.room: it is missing"),
        (3, "[plugins.webhook] to.1.kind: it is missing"),
        (
            4,
            """[plugins.webhook] to.2.kind: "mail" or "chat" is expected, not 'chad'; did you mean "chat"?""",
        ),
        (5, """[plugins.webhook] first.kind: "chat" is expected, not 'mail'"""),
    ]


class Node(msgspec.Struct):
    label: str
    inner: list[Node] = []


def test_a_struct_may_hold_itself(tree: Tree) -> None:
    """To any depth that a file has."""

    class Outer(msgspec.Struct):
        root: Node

    found = accepted(tree, Outer, "[plugins.webhook]\nroot = { label='a', inner=[{ label='b' }] }")
    assert found.plugin("webhook").root.inner == [Node("b")]
    [error] = refused(tree, Outer, "[plugins.webhook]\nroot = { label='a', inner=[{ label=5 }] }")
    assert error.message == "[plugins.webhook] root.inner.0.label: text is expected, not a whole number"


class Renamed(msgspec.Struct, rename="kebab"):
    max_size: int = 1


def test_a_renamed_field_has_its_written_name(tree: Tree) -> None:
    """Keys are as the struct encodes them."""
    assert accepted(tree, Renamed, "[plugins.webhook]\nmax-size = 3").plugin("webhook").max_size == 3
    [error] = refused(tree, Renamed, "[plugins.webhook]\nmax_size = 3")
    assert error.help == "did you mean `max-size`?"


# -- names of plugins -------------------------------------------------------------------------------------


def test_an_unknown_plugin_is_an_error(tree: Tree) -> None:
    """With the closest that there is, and with what else is wrong."""
    errors = refused(tree, Webhook, "[plugins.webhok]\na = 1\n[plugins.webhook]\nurl = 1\n[plugins.zzz]")
    assert [(error.code, error.line, error.help) for error in errors] == [
        ("JK742", 1, "did you mean [plugins.webhook]?"),
        ("JK205", 4, None),
        ("JK742", 5, "`jobkit plugins` lists those there are; install the one that is meant, or remove this"),
    ]
    assert errors[0].message == "[plugins.webhok] matches no plugin"


def test_a_plugin_that_is_not_active_is_a_warning(tree: Tree) -> None:
    """Blocked, broken, unregistered, or installed and not loaded: its table is not checked."""
    tree.write(
        "jobkit.toml", "[plugins.off]\na = 1\n[plugins.broken]\n[plugins.failing]\n[plugins.elsewhere]"
    )
    plugins = Plugins()
    plugins.registry.add_blocked("off", source="entry point")
    plugins.registry.add_broken("broken", PluginError("it is broken"), source="project")
    plugins.add("failing", lambda parser: parser.table(int))
    config = accept_plugins(
        tree.load(), plugins.declared(), plugins.parsers, installed=lambda: ["elsewhere", "other"]
    )
    assert [(warning.code, warning.message) for warning in config.warnings] == [
        ("JK747", f"[plugins.{name}] is not checked: the plugin {name} is not active")
        for name in ("off", "broken", "failing", "elsewhere")
    ]
    assert config.plugin("off") == {"a": 1}
    with pytest.raises(ConfigError, match=r"\[plugins.elsewhere\] matches no plugin"):
        plugins.accept(tree.load())


def test_a_plugin_without_a_table_gets_plain_values(tree: Tree) -> None:
    """In a mapping that cannot be written to, with values of the reader's own."""
    plugins = Plugins()
    plugins.add("plain", lambda parser: None)
    tree.write("jobkit.toml", "[plugins.plain]\na = 1\nlist = [1, 2]\ntable = { b = '${B}' }")
    config = plugins.accept(tree.load(None, {"B": "variable!"}))
    found: Any = config.plugin("plain")
    assert found == {"a": 1, "list": [1, 2], "table": {"b": "variable!"}}
    with pytest.raises(TypeError):
        found["a"] = 2
    found["list"].append(3)
    assert config.plugin("plain")["list"] == [1, 2]
    assert accepted(tree, Webhook, "[plugins.webhook]", name="webhook").plugin("webhook") is not None


def test_asking_for_an_unknown_plugin_is_a_lookup_error(tree: Tree) -> None:
    """A misspelt name in a plugin's code is told, not answered with nothing."""
    config = accepted(tree, Webhook)
    with pytest.raises(LookupError, match="no plugin 'webhok'; did you mean 'webhook'"):
        config.plugin("webhok")
    with pytest.raises(LookupError, match="no plugin 'webhok'"):
        config.plugin_settings("cleanup", "webhok")


def test_a_name_with_dashes_can_be_set_by_a_variable(tree: Tree) -> None:
    """``_`` stands for ``-`` where no file spells the name out, and where one does."""
    variables = {"JOBKIT__PLUGINS__WEB_HOOK__URL": "http://v"}
    assert accepted(tree, Webhook, name="web-hook", variables=variables).plugin("web-hook").url == "http://v"
    text = "[plugins.web-hook]\nverify = false"
    found = accepted(tree, Webhook, text, name="web-hook", variables=variables).plugin("web-hook")
    assert (found.url, found.verify) == ("http://v", False)
    [error] = refused(tree, Webhook, "", name="other", variables=variables)
    assert error.code == "JK742"


def test_a_configuration_with_plugins_travels(tree: Tree) -> None:
    """What plugins declared and want cleaned up stays in its process; the rest is the same there."""
    config = accepted(tree, Webhook, "[plugins.webhook]\nurl = 'x'")
    config.add_cleanup(print)
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert copy.accepted is None
    assert copy.cleanups.take() == []
    assert copy.plugin("webhook") == {"url": "x"}


def test_cleanups_come_last_first_and_once(tree: Tree) -> None:
    """Whoever closes the project takes them."""
    config = accepted(tree, Webhook)
    told: list[str] = []
    config.add_cleanup(lambda: told.append("first"))
    config.with_options({"logs.level": "error"}).add_cleanup(lambda: told.append("second"))
    for callback in config.cleanups.take():
        callback()
    assert told == ["second", "first"]
    assert config.cleanups.take() == []
    with pytest.raises(TypeError, match="a function without arguments"):
        config.add_cleanup("no function")  # type: ignore[arg-type]
