"""What jobs say to plugins: code and configuration merged, read by the plugin, and harming only their job."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from jobkit import Secret
from jobkit.config import Config
from jobkit.config.apply import apply
from jobkit.config.stacks import option_stacks, stacks_of
from jobkit.exceptions import ConfigError, PluginError
from jobkit.job import JobSpec
from jobkit.origin import Origin
from jobkit.signature import signature_of
from tests.config.plugin_project import Plugins

if TYPE_CHECKING:
    from tests.config.conftest import Tree

OPERATORS = "services/scheduler/config.toml"


class Notify(msgspec.Struct, frozen=True):
    """What a job says to the plugin ``notify``."""

    channel: str = "ops"
    after: dt.timedelta = dt.timedelta(minutes=1)
    to: list[str] = []
    key: Secret = Secret("")
    extra: dict[str, int] = {}


def cleanup(ctx: object) -> None:
    """A job."""


def job(name: str = "cleanup", **plugins: Any) -> JobSpec:
    path = Path("extensions/web/jobs/cleanup.py")
    origins = {"plugins": Origin("code", path, 7)} if plugins else {}
    return JobSpec(
        name, "web", "", path, 5, "jobkit_ext.web.jobs.cleanup", cleanup, signature_of(cleanup),
        plugins=plugins, origins=origins,
    )  # fmt: skip


def config_of(
    tree: Tree, text: str = "", operators: str = "", variables: dict[str, str] | None = None
) -> Config:
    """The configuration with these texts, for ``notify``, ``plain``, and ``off``, which is blocked."""
    tree.write("jobkit.toml", text)
    tree.write(OPERATORS, operators)
    plugins = Plugins()
    plugins.add("notify", lambda parser: parser.job_settings(Notify))
    plugins.add("plain", lambda parser: None)
    plugins.registry.add_blocked("off", source="entry point")
    return plugins.accept(tree.load(None, variables))


def test_code_and_configuration_are_merged_and_read(tree: Tree) -> None:
    """Key by key, every layer over the one below; asked for by the job or by its name."""
    text = "[jobs.cleanup.plugins.notify]\nafter = '2m'\nextra = { b = 2 }"
    variables = {"JOBKIT__JOBS__CLEANUP__PLUGINS__NOTIFY__CHANNEL": "1984"}
    config = config_of(tree, text, "[jobs.cleanup]\nplugins = { notify = { to = ['x'] } }", variables)
    merged = apply(job(notify={"channel": "code", "to": ["y", "z"], "extra": {"a": 1}}), config)
    assert merged.error is None
    wanted = Notify("1984", dt.timedelta(minutes=2), ["x"], extra={"a": 1, "b": 2})
    assert config.plugin_settings(merged, "notify") == wanted
    assert config.plugin_settings("cleanup", "notify") == wanted


def test_what_code_gives_may_be_python(tree: Tree) -> None:
    """A timedelta, a tuple: code is not limited to what TOML can write."""
    config = config_of(tree)
    spec = apply(job(notify={"after": dt.timedelta(seconds=90), "to": ("a", "b")}), config)
    assert spec.error is None
    assert config.plugin_settings(spec, "notify") == Notify(after=dt.timedelta(seconds=90), to=["a", "b"])


def test_without_a_word_there_are_defaults(tree: Tree) -> None:
    """For a job that is silent, and for one that nobody knows."""
    config = config_of(tree)
    assert config.plugin_settings(apply(job(), config), "notify") == Notify()
    assert config.plugin_settings("cleanup", "notify") == Notify()
    assert config.plugin_settings("unheard-of", "notify") == Notify()


def test_a_plugin_without_job_settings_gets_plain_values(tree: Tree) -> None:
    """Merged all the same, and read-only."""
    config = config_of(tree, "[jobs.cleanup.plugins.plain]\na = 1")
    spec = apply(job(plain={"b": [2]}), config)
    assert spec.error is None
    found = config.plugin_settings(spec, "plain")
    assert found == {"a": 1, "b": [2]}
    with pytest.raises(TypeError):
        found["a"] = 2


BAD = {
    "in a file": (
        "\n[jobs.cleanup.plugins.notify]\nchannel = 5",
        {},
        ("jobkit.toml", 3, "[jobs.cleanup] plugins.notify.channel: text is expected, not a whole number"),
    ),
    "unknown key": (
        "[jobs.cleanup.plugins.notify]\nchanel = 'x'",
        {},
        ("jobkit.toml", 2, "[jobs.cleanup] plugins.notify has no key `chanel`"),
    ),
    "in code": (
        "",
        {"notify": {"to": "x"}},
        ("cleanup.py", 7, "[jobs.cleanup] plugins.notify.to: a list is expected, not text; write ['x']"),
    ),
    "unknown plugin in a file": (
        "[jobs.cleanup.plugins.notfy]",
        {},
        ("jobkit.toml", 1, "[jobs.cleanup] plugins: there is no plugin `notfy`"),
    ),
    "unknown plugin in code": (
        "",
        {"notfy": {}},
        ("cleanup.py", 7, "[jobs.cleanup] plugins: there is no plugin `notfy`"),
    ),
}


@pytest.mark.parametrize(("text", "code", "wanted"), BAD.values(), ids=BAD)
def test_a_bad_value_harms_its_own_job(
    tree: Tree, text: str, code: dict[str, Any], wanted: tuple[str, int, str]
) -> None:
    """The configuration can be used; the job is listed with the error, its file and its line."""
    config = config_of(tree, text)
    spec = apply(job(**code), config)
    error = spec.error
    assert isinstance(error, ConfigError)
    assert error.path is not None
    assert (error.code, error.path.name, error.line, error.message) == ("JK744", *wanted)
    assert apply(job("other"), config).error is None
    if "notfy" not in wanted[2]:
        with pytest.raises(ConfigError, match=r"plugins\.notify"):
            config.plugin_settings(spec, "notify")


def test_all_mistakes_of_a_job_come_at_once(tree: Tree) -> None:
    """Also those of its other options; the closest key and plugin are named."""
    config = config_of(
        tree, "[jobs.cleanup]\ntimeout = 'soon'\n[jobs.cleanup.plugins]\nnotify = { chanel = 1 }\nnotfy = {}"
    )
    error = apply(job(), config).error
    assert isinstance(error, ConfigError)
    assert [(each.line, each.help) for each in error.errors] == [
        (2, None),
        (4, "did you mean `channel`?"),
        (5, "did you mean `notify`?"),
    ]


def test_settings_for_a_plugin_that_is_off_harm_nobody(tree: Tree) -> None:
    """It may be on again tomorrow; until then nobody can check them."""
    config = config_of(tree, "[jobs.cleanup.plugins.off]\na = 1")
    assert apply(job(off={"b": 1}), config).error is None


def test_secret_settings_are_not_shown(tree: Tree) -> None:
    """In the stacks of the job, in those of the configuration, and in logs."""
    config = config_of(tree, "[jobs.cleanup.plugins.notify]\nkey = 'canary-in-file'\nchannel = 'shown'")
    assert "canary-in-file" in config.secrets
    proposed = job(notify={"key": "canary-in-code"})
    stacks = {stack.key: stack for stack in option_stacks(proposed, config)}
    assert [opinion.value for opinion in stacks["plugins.notify.key"].opinions] == ["***", "***"]
    assert stacks["plugins.notify.channel"].winner.value == "shown"
    assert config.accepted is not None
    found = stacks_of(config.tree, config.accepted.hides)
    of_tree = {stack.key: stack.winner.value for stack in found}
    assert of_tree["jobs.cleanup.plugins.notify.key"] == "***"
    assert of_tree["jobs.cleanup.plugins.notify.channel"] == "shown"


def test_job_settings_have_to_have_defaults(tree: Tree) -> None:
    """A plugin that asks every job for something is left out, with the reason."""

    class Required(msgspec.Struct):
        channel: str

    class Refusing(msgspec.Struct):
        channel: str = ""

        def __post_init__(self) -> None:
            if not self.channel:
                raise ValueError("no channel")

    plugins = Plugins()
    plugins.add("a", lambda parser: parser.job_settings(Required))
    plugins.add("b", lambda parser: parser.job_settings(Refusing))
    warnings = plugins.declared().warnings
    assert sorted(warning.message.partition("job_settings")[2] for warning in warnings) == [
        "(Refusing): its defaults are refused: no channel",
        "(Required): `channel` has no default",
    ]
    assert all(isinstance(warning, PluginError) and warning.code == "JK740" for warning in warnings)
