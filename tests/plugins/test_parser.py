"""What a plugin may declare, and that a wrong declaration leaves it out, with the line of the mistake."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec
import pytest

from jobkit.cli.main import program
from jobkit.exceptions import ConfigError, PluginError
from jobkit.plugin import Parser
from jobkit.plugins.flags import JOBKIT_FLAGS
from tests.config.conftest import Tree
from tests.config.plugin_project import Plugins

if TYPE_CHECKING:
    from pathlib import Path


class Table(msgspec.Struct):
    url: str = ""


class Complex(msgspec.Struct):
    number: complex = 1j


class Unknown(msgspec.Struct):
    value: Missing = None  # type: ignore[name-defined]  # noqa: F821


class Tagged(msgspec.Struct, tag=True):
    number: complex = 1j


class Holder(msgspec.Struct):
    one: list[Tagged | Table] = []


class Rows(msgspec.Struct, array_like=True):
    value: int = 0


def _twice(parser: Parser) -> None:
    parser.table(Table)
    parser.table(Table)


def _settings_twice(parser: Parser) -> None:
    parser.job_settings(Table)
    parser.job_settings(Table)


WRONG: dict[str, tuple[Callable[[Any], None], str, str, str]] = {
    "no class": (
        lambda parser: parser.table(5),
        "JK740",
        "table(int): it is no msgspec struct",
        "write `class",
    ),
    "an instance": (lambda parser: parser.table(Table()), "JK740", "table(Table): it is no msgspec", "write"),
    "another class": (lambda parser: parser.table(dict), "JK740", "table(dict): it is no msgspec", "write"),
    "a list": (
        lambda parser: parser.table(Rows),
        "JK740",
        "array_like struct has no keys",
        "leave array_like",
    ),
    "a field": (
        lambda parser: parser.table(Complex),
        "JK740",
        "table(Complex): field 'number' of Complex: values of complex cannot be written in TOML",
        "use types that TOML can write",
    ),
    "a field of a nested struct": (
        lambda parser: parser.table(Holder),
        "JK740",
        "table(Holder): field 'number' of Tagged: values of complex cannot be written in TOML",
        "use types that TOML can write",
    ),
    "a name": (
        lambda parser: parser.table(Unknown),
        "JK740",
        "'value' in Unknown cannot be evaluated",
        "use",
    ),
    "two tables": (_twice, "JK740", "it declares its table twice", "declare one struct"),
    "two settings": (_settings_twice, "JK740", "it declares its job settings twice", "declare one struct"),
    "no flag": (lambda parser: parser.option("flag"), "JK741", "'flag' is no option", "--dry-deliver"),
    "short": (lambda parser: parser.option("-f"), "JK741", "'-f' is no option", "--dry-deliver"),
    "upper case": (lambda parser: parser.option("--Flag"), "JK741", "'--Flag' is no option", "lower case"),
    "no text": (lambda parser: parser.option(5), "JK741", "is no option", "--dry-deliver"),
    "jobkit's": (
        lambda parser: parser.option("--limit"),
        "JK741",
        "the option --limit belongs to jobkit",
        "--my-plugin-limit",
    ),
    "a type": (
        lambda parser: parser.option("--x", type=complex),
        "JK741",
        "option --x: values of complex",
        "",
    ),
}


@pytest.mark.parametrize(("declare", "code", "what", "help"), WRONG.values(), ids=WRONG)
def test_a_wrong_declaration_leaves_the_plugin_out(
    declare: Callable[[Any], None], code: str, what: str, help: str
) -> None:
    """With a warning that has plugin, reason, fix, and the line in the plugin; the others go on."""
    plugins = Plugins()
    info = plugins.add("my_plugin", declare)
    plugins.add("other", lambda parser: parser.table(Table))
    plugins.declared()
    [warning] = plugins.registry.warnings
    assert info.status == "unregistered"
    assert warning.code == code
    assert "my_plugin" in warning.message
    assert what in warning.message
    assert help in (warning.help or "")
    assert warning.path is not None
    assert (warning.path.name, warning.line is not None) == ("test_parser.py", True)
    assert plugins.parsers["other"].declared.table is not None


def test_an_option_belongs_to_one_plugin(tmp_path: Path) -> None:
    """The second that wants it is left out; of one that is left out, the option is free again."""
    plugins = Plugins()

    def failing(parser: Parser) -> None:
        parser.option("--shared")
        raise RuntimeError("no more")

    # The plugin that was registered last is asked first.
    second = plugins.add("second", lambda parser: parser.option("--shared"))
    first = plugins.add("first", lambda parser: parser.option("--shared"))
    plugins.add("failing", failing)
    plugins.declared()
    assert (first.status, second.status) == ("active", "unregistered")
    assert second.error is not None
    assert "the option --shared belongs to the plugin first" in second.error.message
    assert "--second-shared" in (second.error.help or "")
    tree = Tree(tmp_path)
    tree.write("jobkit.toml")
    assert [option.flag for option in plugins.accept(tree.load()).declared_options()] == ["--shared"]


def _options(parser: Parser) -> None:
    parser.option("--rate", type=float, default=0.5, help="how  much\nof it")
    parser.option("--tags-of", type=list[str])
    parser.option("--loud", is_flag=True)
    parser.option("--pass-phrase", type=str)


def _accepted(root: Path, arguments: dict[str, Any] | None = None) -> Any:
    tree = Tree(root)
    tree.write("jobkit.toml")
    plugins = Plugins()
    plugins.add("sampler", _options)
    plugins.add("quiet", lambda parser: None)
    return plugins.accept(tree.load(), arguments)


def test_options_have_values(tmp_path: Path) -> None:
    """Text becomes the type of the option; what is not given has its default; flags are True or False."""
    config = _accepted(tmp_path)
    flags = ("--rate", "--tags-of", "--loud", "--pass-phrase")
    assert [config.option(flag) for flag in flags] == [0.5, None, False, None]
    config = _accepted(
        tmp_path, {"--rate": "0.25", "--tags-of": "a,b", "--loud": True, "--pass-phrase": None}
    )
    assert [config.option(flag) for flag in flags] == [0.25, ["a", "b"], True, None]
    assert config.accepted.arguments["--rate"] == "0.25"
    assert [(each.flag, each.help) for each in config.declared_options("sampler")][:2] == [
        ("--rate", "how much of it"),
        ("--tags-of", ""),
    ]
    assert config.declared_options("quiet") == []
    with pytest.raises(LookupError, match="no plugin has the option --rat; did you mean --rate"):
        config.option("--rat")


def test_a_wrong_value_of_an_option_is_an_error(tmp_path: Path) -> None:
    """So is an option that no plugin has; both are told at once."""
    with pytest.raises(ConfigError) as caught:
        _accepted(tmp_path, {"--rate": "much", "--louder": True})
    assert [(error.code, error.message) for error in caught.value.errors] == [
        ("JK746", "no plugin has the option --louder; did you mean --loud?"),
        ("JK746", "--rate: 'much' is not float"),
    ]


def test_options_are_there_once_the_plugins_are(tmp_path: Path) -> None:
    """Whoever asks before that is told so."""
    tree = Tree(tmp_path)
    tree.write("jobkit.toml")
    with pytest.raises(LookupError, match="the plugins are not loaded yet"):
        tree.load().option("--rate")


def test_every_option_of_jobkit_is_reserved() -> None:
    """The list is that of the command line; what is reserved ahead is planned."""
    flags = {flag for flag in _flags(program, click.Context(program)) if flag.startswith("--")}
    assert flags <= JOBKIT_FLAGS, flags - JOBKIT_FLAGS
    assert all(re.fullmatch(r"--[a-z][a-z-]*", flag) for flag in JOBKIT_FLAGS)


def _flags(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for param in command.get_params(ctx):
        yield from (*param.opts, *param.secondary_opts)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            if found is not None:
                yield from _flags(found, click.Context(found, info_name=name, parent=ctx))


def test_the_error_is_one_of_plugins() -> None:
    """What the methods raise can be caught like all that plugins do wrong."""
    plugins = Plugins()
    caught: list[BaseException] = []

    def declare(parser: Parser) -> None:
        assert parser.name == "mine"
        try:
            parser.option("bad")
        except PluginError as error:
            caught.append(error)

    info = plugins.add("mine", declare)
    plugins.declared()
    assert len(caught) == 1
    assert info.status == "active"
