"""Plugins on the command line: what there is, what they add, and what happens when they fail."""

from __future__ import annotations

import inspect

import pytest

from jobkit import hookspecs
from jobkit.hookspecs import RULES
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

SHOP = '''
import click

from jobkit import ServiceSpec, hookimpl


class Till:
    pass


def open_till() -> Till:
    """The shop's till."""
    return Till()


@hookimpl
def jobkit_addoption(parser):
    parser.option("--region", help="Where to sell.", default="eu")
    parser.option("--rehearse", is_flag=True)


@hookimpl
def jobkit_services(config):
    return [ServiceSpec(open_till, name="till", ping=lambda till: None)]


@hookimpl
def jobkit_commands(config):
    @click.command()
    @click.option("--loud", is_flag=True)
    def greet(loud):
        """Say hello to the region."""
        print("hello", config.option("--region"), config.option("--rehearse"))
        if loud:
            raise ValueError("too loud")

    @click.command("list")
    def taken():
        """A name that jobkit has."""

    return [greet, taken]


@hookimpl
def jobkit_terminal_summary(terminal, runs, config):
    terminal.line(f"{len(runs)} sold in {config.option('--region')}\\x1b[31m")
'''
JOB = '''
from jobkit import submit_job
from jobkit_hooks.shop import Till


@submit_job
async def sell(ctx, cash: Till, till):
    """Sell."""
    assert cash is till
'''


@pytest.fixture
def plugged(cli: CommandLine) -> CommandLine:
    """A project with a plugin in a file, and a job that uses its service."""
    cli.file("hooks/shop.py", SHOP)
    cli.file("extensions/web/jobs/sell.py", JOB)
    return cli


# -- plugins ------------------------------------------------------------------------------------------


def test_plugins_tells_source_status_and_hooks(plugged: CommandLine) -> None:
    """The project's own first of all; the built-in ones are data too. A verb called `list` is a failure."""
    plugins = {plugin.name: plugin for plugin in checked(plugged("plugins", "--json")).data}
    shop = plugins["shop"]
    assert (shop.source, shop.place, shop.status, shop.failures) == ("project", "hooks/shop.py", "active", 1)
    assert shop.hooks == [
        "jobkit_addoption", "jobkit_commands", "jobkit_services", "jobkit_terminal_summary",
    ]  # fmt: skip
    assert {"schedules", "stores", "local", "sqlite"} <= {
        name for name, plugin in plugins.items() if plugin.source == "built-in"
    }


def test_plugins_of_a_bare_project_say_how_to_begin(cli: CommandLine) -> None:
    """Nobody needs a list of what is always there."""
    shown = cli("plugins").out
    assert "No plugins but the built-in ones: `jobkit new plugin PATH` makes one." in shown
    assert "schedules" not in shown
    assert "schedules" in cli("plugins", "-v").out


def test_a_broken_plugin_is_shown_with_its_error(plugged: CommandLine) -> None:
    """In the table, and below it with line and switch; the others work."""
    plugged.file("hooks/bad.py", "1 / 0\n")
    ended = plugged("plugins")
    assert ended.code == 0
    assert "bad   -        project: hooks/bad.py   broken" in ended.out
    assert "ZeroDivisionError" in ended.out
    assert "--plugin no:bad" in ended.out
    [bad] = [plugin for plugin in checked(plugged("plugins", "--json")).data if plugin.name == "bad"]
    assert bad.error is not None
    assert (bad.error.path, bad.error.line) == ("hooks/bad.py", 1)


def test_a_broken_plugin_is_one_line_of_warning_wherever_jobs_run(plugged: CommandLine) -> None:
    """Loud, and no reason to stop."""
    plugged.file("hooks/bad.py", "1 / 0\n")
    ended = plugged("run", "sell")
    assert ended.code == 0
    assert "warning[JK709]: hooks/bad.py:1: plugin bad is left out: ZeroDivisionError" in ended.err


def test_strict_makes_a_broken_plugin_an_error(plugged: CommandLine) -> None:
    """Then nothing runs."""
    plugged.file("hooks/bad.py", "1 / 0\n")
    ended = plugged("run", "sell", "--strict")
    assert ended.code == 2
    assert "error[JK709]: plugin bad is left out" in ended.err
    assert plugged("check").code == 0
    assert plugged("check", "--strict").code == 2


def test_a_plugin_can_be_left_out(plugged: CommandLine) -> None:
    """``--plugin no:NAME``, before the verb or after it; what needed it is listed with an error."""
    for line in (["--plugin", "no:shop", "plugins", "--json"], ["plugins", "--json", "--plugin", "no:shop"]):
        [shop] = [plugin for plugin in checked(plugged(*line)).data if plugin.name == "shop"]
        assert (shop.status, shop.hooks) == ("blocked", [])
    job = JOB.replace("from jobkit_hooks.shop import Till", "").replace("cash: Till, ", "")
    plugged.file("extensions/web/jobs/sell.py", job)
    ended = plugged("run", "sell", "--plugin", "no:shop")
    assert ended.code == 2
    assert "till" in ended.err


def test_a_plugin_that_is_asked_for_and_not_there_is_a_mistake(cli: CommandLine) -> None:
    """With exit code 4, as every word on the line that means nothing."""
    assert cli("plugins", "--plugin", "nothing_of_that_name").code == 4


def test_hook_calls_can_be_traced(plugged: CommandLine) -> None:
    """Hook, plugin, duration, outcome; stdout stays the answer."""
    ended = plugged("list", "--trace-hooks", "--json")
    assert checked(ended).data
    assert "hook jobkit_services shop " in ended.err


# -- hooks --------------------------------------------------------------------------------------------


def test_hooks_lists_every_hook_and_who_implements_it(plugged: CommandLine) -> None:
    """All twenty, inside of a project."""
    hooks = {hook.name: hook for hook in checked(plugged("hooks", "--json")).data}
    assert list(hooks) == [*RULES]
    assert hooks["jobkit_services"].plugins == ["shop", "sqlite"]
    assert hooks["jobkit_store"].plugins == ["stores"]
    assert hooks["jobkit_run_admit"].timeout == 10


def test_hooks_can_be_read_outside_of_a_project(anywhere: CommandLine) -> None:
    """Whoever writes a plugin may be anywhere."""
    hooks = checked(anywhere("hooks", "--json")).data
    assert len(hooks) == len(RULES)
    assert all(hook.plugins == [] for hook in hooks)


@pytest.mark.parametrize("hook", RULES)
def test_one_hook_is_explained_in_full(hook: str, anywhere: CommandLine) -> None:
    """Signature and docstring, with or without the prefix."""
    shown = anywhere("hooks", hook.removeprefix("jobkit_")).out
    assert shown == anywhere("hooks", hook).out
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    assert " ".join(text.replace("``", "`").split()) in " ".join(shown.split())
    assert f"def {hook}(" in shown.partition("\n")[0]


def test_an_unknown_hook_is_answered_with_the_closest(anywhere: CommandLine) -> None:
    """And the exit code of a mistake."""
    ended = anywhere("hooks", "run_finshed")
    assert ended.code == 4
    assert "error[JK750]" in ended.err
    assert "did you mean jobkit_run_finished?" in ended.err


# -- services -----------------------------------------------------------------------------------------


def test_services_tells_who_provides_what_and_who_uses_it(plugged: CommandLine) -> None:
    """Name, type, scope, plugin, place, jobs."""
    services = {service.name: service for service in checked(plugged("services", "--json")).data}
    till = services["till"]
    assert (till.types, till.scope, till.plugin, till.ping) == (["Till"], "scheduler", "shop", True)
    assert (till.description, till.jobs) == ("The shop's till.", ["sell"])
    assert till.source is not None
    assert till.source.startswith("hooks/shop.py:")
    assert {"clock", "config", "log", "project"} <= set(services)


def test_services_of_a_job_are_marked(plugged: CommandLine) -> None:
    """What it may ask for, and what it does ask for."""
    shown = plugged("services", "--job", "sell").out
    [line] = [line for line in shown.splitlines() if line.startswith("till ")]
    assert " yes " in line
    assert plugged("services", "--job", "nobody").code == 4


def test_services_in_full_have_their_description(plugged: CommandLine) -> None:
    """As ``pytest --fixtures -v``."""
    shown = plugged("services", "-v").out
    assert "    The shop's till." in shown
    assert "    used by sell" in shown


# -- verbs and options of plugins ---------------------------------------------------------------------


def test_a_verb_of_a_plugin_runs_with_global_options_and_its_own(plugged: CommandLine) -> None:
    """Wherever on the line they stand."""
    assert plugged("greet").out == "hello eu False\n"
    assert plugged("greet", "--region", "us", "--rehearse").out == "hello us True\n"
    assert plugged("--region", "us", "greet").out == "hello us False\n"
    assert plugged("greet", "-C", str(plugged.root)).code == 0


def test_help_lists_the_verbs_of_plugins_and_imports_none(plugged: CommandLine) -> None:
    """From what is remembered of the last time."""
    assert "greet" not in plugged("--help").out
    plugged("list")
    shown = plugged("--help").out
    assert "From plugins:" in shown
    assert "greet  Say hello to the region." in shown
    before = (plugged.root / "hooks/shop.py").stat()
    assert before.st_size
    assert "jobkit_hooks" not in plugged.process("--help").err


def test_a_verb_that_raises_is_the_plugins_failure(plugged: CommandLine) -> None:
    """With its line, and none of our frames."""
    ended = plugged("greet", "--loud")
    assert ended.code == 1
    assert "error[JK751]: the verb greet of plugin shop failed: ValueError: too loud" in ended.err
    assert "hooks/shop.py:" in ended.err
    assert "Traceback" not in ended.err


def test_a_verb_cannot_take_a_name_of_jobkit(plugged: CommandLine) -> None:
    """It is left out, and counted."""
    ended = plugged.process("greet")
    assert "the verb 'list' belongs to jobkit" in ended.err
    assert checked(plugged("list", "--json")).data


def test_unknown_words_know_the_words_of_plugins(plugged: CommandLine) -> None:
    """The closest verb or option may be a plugin's."""
    assert "did you mean `jobkit greet`?" in plugged("gret").err
    assert "did you mean '--region'?" in plugged("list", "--regoin", "us").err
    assert plugged("gret").code == 4


def test_the_summary_of_plugins_follows_our_own(plugged: CommandLine) -> None:
    """On stderr, its control characters visible."""
    ended = plugged("run", "sell", "--region", "us")
    assert ended.code == 0
    assert ended.err.rstrip().endswith("1 sold in us\\x1b[31m")


def test_a_summary_that_fails_does_not_change_the_exit_code(plugged: CommandLine) -> None:
    """The runs went well."""
    plugged.file(
        "hooks/sad.py",
        "from jobkit import hookimpl\n\n@hookimpl\ndef jobkit_terminal_summary():\n    1 / 0\n",
    )
    ended = plugged("run", "sell")
    assert ended.code == 0
    assert "plugin sad is left out: jobkit_terminal_summary failed" in ended.err


GROUP = """
import click

from jobkit import hookimpl


@click.group("chat", help="Talk.")
def group(): ...


@group.group("deep", help="Deeper.")
def deep(): ...


@deep.command("say")
def say(): ...


@hookimpl
def jobkit_commands():
    return [group]
"""


@pytest.mark.parametrize(("line", "help"), [(["chat"], "Talk."), (["chat", "deep"], "Deeper.")])
def test_a_group_of_a_plugin_alone_shows_its_help(line: list[str], help: str, cli: CommandLine) -> None:
    """As the groups of jobkit do: line by line on stdout, and that is no failure."""
    cli.file("hooks/chat.py", GROUP)
    ended = cli(*line)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: jobkit {' '.join(line)} ")
    assert f"\n  {help}\n" in ended.out


AROUND = """
from contextlib import asynccontextmanager, contextmanager

from jobkit import hookimpl


@hookimpl
@WRAPPER
def jobkit_run_context(run):
    print("entered")
    yield


@hookimpl
async def jobkit_run_started(run): ...
"""
WORK = """
from jobkit import submit_job


@submit_job
KINDdef work(ctx):
    print("from the job")
"""


@pytest.mark.parametrize("kind", ["async ", ""])
@pytest.mark.parametrize("wrapper", ["asynccontextmanager", "contextmanager"])
def test_calls_around_a_run_are_traced_past_its_output(kind: str, wrapper: str, cli: CommandLine) -> None:
    """On stderr, entering and leaving apart, and none of it is among what the run has written."""
    source = AROUND.replace("WRAPPER", wrapper)
    if wrapper == "asynccontextmanager":
        source = source.replace("def jobkit_run_context", "async def jobkit_run_context")
    cli.file("hooks/around.py", source)
    cli.file("extensions/web/jobs/work.py", WORK.replace("KIND", kind))
    ended = cli.process("run", "work", "--trace-hooks")
    assert ended.code == 0
    calls = [line.split() for line in ended.err.splitlines() if line.startswith("hook jobkit_run_")]
    around = [words for words in calls if "around" in words]
    assert [(words[1], words[-1]) for words in around] == [
        ("jobkit_run_started", "-"),
        ("jobkit_run_context", "ok"),
        ("jobkit_run_context", "ok"),
    ]
    assert [words[2] for words in around[1:]] == ["enter", "leave"]
    written = cli("logs", "1").out
    assert "from the job" in written
    assert "hook jobkit_" not in written


def test_an_error_under_a_verb_of_a_plugin_has_relative_paths(plugged: CommandLine) -> None:
    """As under jobkit's own verbs, from wherever in the project it is called."""
    plugged.file("jobkit.toml", '[project]\nname = "shop"\n[plugins.nobody]\nx = 1\n')
    for verb in ("greet", "list"):
        assert "--> jobkit.toml:3" in plugged(verb).err
        assert plugged("--json", verb).json["errors"][0]["path"] == "jobkit.toml"
