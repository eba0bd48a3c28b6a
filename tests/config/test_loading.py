"""From seven layers to one configuration, and back to the line that decided."""

from __future__ import annotations

import os
import pickle
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobkit.config import find_root, known_environments, load_config
from jobkit.config.schema import KEYS
from jobkit.exceptions import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Tree

OPERATORS = "services/scheduler"


def test_an_empty_file_gives_the_defaults(tree: Tree) -> None:
    """Nothing is required, and what nobody set says so."""
    config = tree.load()
    assert config.root == tree.root
    assert config.env is None
    assert config.files == (tree.root / "jobkit.toml",)
    assert config.project.name == tree.root.name
    assert config.scheduler.store == "sqlite:///.jobkit/jobkit.db"
    assert config.scheduler.lease == timedelta(seconds=10)
    assert config.scheduler.timezone == "UTC"
    assert config.logs.format == "auto"
    assert config.origin("scheduler.store").layer == "default"
    assert dict(config.jobs) == {}
    assert dict(config.job("any")) == {}
    assert config.warnings == ()


def test_every_layer_overrides_the_one_below(tree: Tree) -> None:
    """With all layers speaking, each time the highest is taken away the next one is in force."""
    tree.write("jobkit.toml", "\n[scheduler]\nnode = 'project'")
    tree.write(f"{OPERATORS}/config.toml", "[scheduler]\nnode = 'config'")
    tree.write(f"{OPERATORS}/config.live.toml", "[scheduler]\n\nnode = 'environment-file'")
    tree.write(f"{OPERATORS}/overrides.live.toml", "[scheduler]\nnode = 'overrides'")
    variables = {"JOBKIT__SCHEDULER__NODE": "variable"}
    options = {"scheduler.node": "command-line", "scheduler.store": None}
    said = ["project", "config", "environment-file", "overrides", "variable", "command-line"]
    lines = [3, 2, 3, 2, None, None]
    config = tree.load("live", variables, options)
    setting = config.setting("scheduler.node")
    assert setting is not None
    assert [statement.value for statement in setting.stack] == said
    assert [statement.origin.layer for statement in setting.stack] == said
    assert [statement.origin.line for statement in setting.stack] == lines
    places = [statement.origin.describe(tree.root) for statement in setting.stack]
    assert places[2] == f"{OPERATORS}/config.live.toml:3"
    assert places[4:] == ["JOBKIT__SCHEDULER__NODE", "scheduler.node"]
    assert config.scheduler.node == "command-line"
    assert tree.load("live", variables).scheduler.node == "variable"
    assert tree.load("live").scheduler.node == "overrides"
    (tree.root / OPERATORS / "overrides.live.toml").unlink()
    assert tree.load("live").scheduler.node == "environment-file"
    assert tree.load().scheduler.node == "config"


def test_tables_merge_and_lists_replace(tree: Tree) -> None:
    """Each key of a table keeps its own origin."""
    tree.write("jobkit.toml", "[scheduler]\nlimits = {db = 2, web = 3}\nstartup = ['a', 'b']")
    tree.write(f"{OPERATORS}/config.toml", "[scheduler.limits]\nweb = 5\n[scheduler]\nstartup = ['c']")
    config = tree.load()
    assert config.scheduler.limits == {"db": 2, "web": 5}
    assert config.scheduler.startup == ("c",)
    assert config.origin("scheduler.limits.db").line == 2
    assert config.origin(("scheduler", "limits", "web")).path == tree.root / OPERATORS / "config.toml"


def test_every_key_of_the_schema_can_be_set(tree: Tree) -> None:
    """A file that writes down all defaults is accepted and changes nothing."""
    plain = {
        str: '"{}"', bool: "{}", int: "{}", tuple: "{}", dict: "{{}}", timedelta: "{}"
    }  # fmt: skip
    lines = []
    for table, keys in KEYS.items():
        lines.append(f"[{table}]")
        for key in keys.values():
            value = key.default
            text = value.total_seconds() if isinstance(value, timedelta) else value
            text = str(text).lower() if isinstance(value, bool) else text
            text = list(value) if isinstance(value, tuple) else text
            lines.append(f"{key.name} = " + plain[type(value)].format(text))
    before = tree.load()
    tree.write("jobkit.toml", "\n".join(lines))
    after = tree.load()
    assert (after.project, after.scheduler, after.logs) == (before.project, before.scheduler, before.logs)


def test_pyproject_serves_as_well(tree: Tree) -> None:
    """[tool.jobkit] is the same file in another place, lines included; other tools' tables are not ours."""
    (tree.root / "jobkit.toml").unlink()
    shared = tree.write(
        "pyproject.toml",
        "[tool.other]\nx = nan\n[tool.jobkit.project]\nname='x'\n[tool.jobkit.jobs.a]\nenabled=true",
    )
    config = tree.load()
    assert config.project.name == "x"
    assert config.origin("project.name").line == 4
    assert config.job("a")["enabled"].origin.line == 6
    shared.write_text("[tool.jobkit]\n[tool.jobkit.logs]\nlevl='x'")
    assert [(error.code, error.line) for error in tree.errors()] == [("JK204", 3)]
    shared.write_text("[tool]\njobkit = 3")
    assert [(error.code, error.line) for error in tree.errors()] == [("JK205", 2)]


def test_two_developers_files_are_one_too_many(tree: Tree) -> None:
    """JK207: neither wins; with one of them gone the project loads."""
    tree.write("pyproject.toml", "[tool.jobkit]")
    (error,) = tree.errors()
    assert error.code == "JK207"
    assert "both jobkit.toml and [tool.jobkit]" in error.message
    tree.write("pyproject.toml", "[project]\nname='x'\n")
    assert tree.load()


def test_no_project_at_all(tmp_path: Path) -> None:
    """JK202: there is nothing to load; an empty file mends it."""
    assert find_root(tmp_path) is None
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, variables={})
    assert caught.value.code == "JK202"
    (tmp_path / "jobkit.toml").touch()
    assert load_config(tmp_path, variables={}).files


# -- environments -----------------------------------------------------------------------------------


def test_the_environment_comes_from_the_argument_or_the_variable(tree: Tree) -> None:
    """--env wins over JOBKIT_ENV; empty means none, and then layer 4 is skipped."""
    for name in ("staging", "production"):
        tree.write(f"{OPERATORS}/config.{name}.toml", f"[scheduler]\nnode='{name}'")
    tree.write(f"{OPERATORS}/overrides.toml", "[scheduler]\nnode='nowhere'")
    assert known_environments(tree.root) == ["production", "staging"]
    variables = {"JOBKIT_ENV": "staging"}
    assert tree.load(variables=variables).env == "staging"
    assert tree.load(variables=variables).scheduler.node == "staging"
    assert tree.load("production", variables).scheduler.node == "production"
    assert tree.load("", variables).scheduler.node == "nowhere"
    assert tree.load(variables={"JOBKIT_ENV": ""}).env is None


@pytest.mark.parametrize("name", ["../x", "Production", "a b", "a/b", ".", "é", "x" * 65, "a\n"])
def test_a_name_that_no_environment_can_have(tree: Tree, name: str) -> None:
    """JK211 before any file of that name is looked for."""
    (error,) = tree.errors(name)
    assert error.code == "JK211"
    assert error.message.isprintable()


def test_a_misspelt_environment_is_not_taken_for_none(tree: Tree) -> None:
    """JK211 with the closest name; the file that the advice names, even empty, makes it one."""
    tree.write(f"{OPERATORS}/config.production.toml")
    (error,) = tree.errors("prodution")
    assert error.code == "JK211"
    assert "did you mean 'production'?" in (error.help or "")
    tree.write(f"{OPERATORS}/config.prodution.toml")
    assert tree.load("prodution").env == "prodution"


def test_an_environment_without_files_is_a_warning_among_others(tree: Tree) -> None:
    """Where no environment has files it is nothing at all; where others have, it is worth a word."""
    assert tree.load("production").warnings == ()
    tree.write(f"{OPERATORS}/config.staging.toml")
    (warning,) = tree.load("production").warnings
    assert "there are staging" in (warning.help or "")


def test_an_overrides_file_says_who_changed_what(tree: Tree) -> None:
    """Who, when and why stand beside the option, and only in that layer."""
    text = "[jobs.a]\nenabled=false\nchanged={by='ann@host', at=2026-01-02T03:04:05Z, reason='broken'}"
    tree.write(f"{OPERATORS}/overrides.toml", text)
    assert tree.load().job("a")["changed"].value["by"] == "ann@host"
    tree.write(f"{OPERATORS}/overrides.toml", "[jobs.a]\nchanged={bi='x'}")
    assert [(error.code, error.line) for error in tree.errors()] == [("JK204", 2)]


# -- variables and options --------------------------------------------------------------------------


def test_variables_are_toml_or_text(tree: Tree) -> None:
    """A number for a number, a table for a table, and text where text is wanted, quoted or not."""
    config = tree.load(
        variables={
            "JOBKIT__PROJECT__NAME": "1984",
            "JOBKIT__SCHEDULER__NODE": '"n 1"',
            "JOBKIT__SCHEDULER__STORE": "sqlite:///x.db",
            "JOBKIT__SCHEDULER__ENABLED": "false",
            "JOBKIT__SCHEDULER__MAX_CONCURRENT_RUNS": "7",
            "JOBKIT__SCHEDULER__LEASE": "30",
            "JOBKIT__SCHEDULER__STARTUP": "['a', 'b']",
            "JOBKIT__SCHEDULER__LIMITS": "{db = 1, web = 2}",
            "JOBKIT__SCHEDULER__LIMITS__DB": "3",
            "JOBKIT__JOBS__CLEANUP__PARAMETERS__DAYS": "90",
            "JOBKIT__JOBS__CLEANUP__DESCRIPTION": "2026-01-01",
            "JOBKIT__PLUGINS__WEBHOOK__URL": "https://x",
            "JOBKIT_ENV": "",
            "OTHER": "x",
        }
    )
    assert config.project.name == "1984"
    scheduler = config.scheduler
    assert (scheduler.node, scheduler.store, scheduler.enabled) == ("n 1", "sqlite:///x.db", False)
    assert (scheduler.max_concurrent_runs, scheduler.lease) == (7, timedelta(seconds=30))
    assert scheduler.startup == ("a", "b")
    assert scheduler.limits == {"db": 3, "web": 2}
    assert config.job("cleanup")["parameters"].value == {"days": 90}
    assert config.job("cleanup")["description"].value == "2026-01-01"
    assert config.plugin_table("webhook")["url"].value == "https://x"
    assert config.origin("scheduler.limits.db").name == "JOBKIT__SCHEDULER__LIMITS__DB"


def test_a_variable_cannot_smuggle_in_further_keys(tree: Tree) -> None:
    """A line end makes it text: one variable, one key."""
    config = tree.load(variables={"JOBKIT__JOBS__A__PARAMETERS__X": "1\ny = 2"})
    assert config.job("a")["parameters"].value == {"x": "1\ny = 2"}


def test_a_variable_means_jobs_spelled_with_dashes_too(tree: Tree) -> None:
    """In a variable `-` and `_` look the same: a file decides, else it speaks for either spelling."""
    tree.write("jobkit.toml", "[jobs.send-mail]\nenabled = true")
    config = tree.load(
        variables={"JOBKIT__JOBS__SEND_MAIL__ENABLED": "false", "JOBKIT__JOBS__MAKE_PDF__ENABLED": "false"}
    )
    assert config.job("send-mail")["enabled"].value is False
    assert config.job("send-mail")["enabled"].origin.name == "JOBKIT__JOBS__SEND_MAIL__ENABLED"
    assert config.job("make-pdf")["enabled"].value is False
    assert config.job("make_pdf")["enabled"].value is False
    assert dict(config.job("send_mail")) == {}


@pytest.mark.parametrize(
    ("variable", "value", "code", "says", "advises"),
    [
        ("JOBKIT__SCHEDULER__STROE", "x", "JK204", "[scheduler] has no key `stroe`", "`store`"),
        ("JOBKIT__SCHEDULR__STORE", "x", "JK204", "no table [schedulr]", "[scheduler]"),
        ("JOBKIT__JOBS__A__ENABELD", "true", "JK204", "[jobs.a] has no key", "`enabled`"),
        ("JOBKIT__LOGS", "json", "JK205", "[logs]: a table is expected, not text", ""),
        ("JOBKIT__SCHEDULER__ENABLED", "yes", "JK205", "true or false is expected, not text", ""),
        ("JOBKIT__SCHEDULER__LEASE", "soon", "JK206", "'soon' is not a duration", ""),
        ("JOBKIT__SCHEDULER__LEASE", "nan", "JK206", "a finite number", ""),
        ("JOBKIT__Scheduler__store", "x", "JK212", "not in upper case", "JOBKIT__SCHEDULER__STORE"),
        ("JOBKIT____STORE", "x", "JK212", "not the path of a key", "JOBKIT__SCHEDULER__STORE"),
        ("JOBKIT__", "x", "JK212", "not the path of a key", ""),
    ],
)
def test_a_wrong_variable_is_named(
    tree: Tree, variable: str, value: str, code: str, says: str, advises: str
) -> None:
    """No typing mistake is ignored; the message begins with the variable's name."""
    (error,) = tree.errors(variables={variable: value})
    assert (error.code, error.path) == (code, None)
    assert error.message.startswith(f"{variable}: ")
    assert says in error.message
    assert advises in (error.help or "")


def test_following_the_advice_on_variables_helps(tree: Tree) -> None:
    """JK212: in upper case, with all parts, it sets the key."""
    assert tree.errors(variables={"JOBKIT__logs__level": "debug"})[0].code == "JK212"
    assert tree.load(variables={"JOBKIT__LOGS__LEVEL": "debug"}).logs.level == "debug"


def test_options_can_be_laid_over_later(tree: Tree) -> None:
    """The command line is read after the files: the same checks, and the original stays as it was."""
    tree.write("jobkit.toml", "[scheduler]\nnode = 'x'")
    config = tree.load()
    more = config.with_options({"logs.format": "json", "logs.level": None})
    assert (more.logs.format, more.logs.level, more.scheduler.node) == ("json", "info", "x")
    assert more.origin("logs.format").layer == "command-line"
    assert config.logs.format == "auto"
    with pytest.raises(ConfigError, match=r"logs\.format: .*did you mean"):
        config.with_options({"logs.format": "jsn"})


def test_the_process_environment_is_the_default(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the variables are those of the process."""
    monkeypatch.setenv("JOBKIT__LOGS__LEVEL", "error")
    assert load_config(tree.root).logs.level == "error"
    assert os.environ["JOBKIT__LOGS__LEVEL"] == "error"


def test_a_configuration_travels(tree: Tree) -> None:
    """Worker processes get it by pickle."""
    tree.write("jobkit.toml", "[scheduler]\nlimits = {db = 2}\n[jobs.a]\nenabled = true")
    config = tree.load()
    assert pickle.loads(pickle.dumps(config)) == config


def test_jobs_in_all_files_are_listed_once(tree: Tree) -> None:
    """The first layer that has a table for a job is where its name is to be corrected."""
    tree.write("jobkit.toml", "[jobs.a]\n\n[jobs.b]\nenabled=true")
    tree.write(f"{OPERATORS}/config.toml", "[jobs.b]\nowner='x'\n[jobs.c]")
    config = tree.load()
    assert list(config.jobs) == ["a", "b", "c"]
    assert config.job_origin("b").describe(tree.root) == "jobkit.toml:3"
    assert config.job_origin("c").describe(tree.root) == f"{OPERATORS}/config.toml:3"
    assert config.job_origin("d").layer == "default"


# -- the root ---------------------------------------------------------------------------------------


def test_the_root_is_the_closest_folder_that_is_marked(tree: Tree) -> None:
    """From any folder inside; a pyproject.toml without our table marks nothing, a broken one with it does."""
    deep = tree.root / "extensions" / "web" / "jobs"
    deep.mkdir(parents=True)
    assert find_root(deep) == tree.root
    tree.write("extensions/web/pyproject.toml", "[project]\nname = 'jobkit-plugin'\n[tool.ruff]")
    assert find_root(deep) == tree.root
    tree.write("extensions/web/pyproject.toml", "[tool]\njobkit.project.name = 'inner'")
    assert find_root(deep) == tree.root / "extensions" / "web"
    tree.write("extensions/web/pyproject.toml", "[tool.jobkit.project]\nname = ")
    assert find_root(deep) == tree.root / "extensions" / "web"
    tree.write("extensions/web/pyproject.toml", "jobkit = [")
    assert find_root(deep) == tree.root


def test_a_folder_that_all_users_share_is_no_root_for_what_lies_below(tree: Tree) -> None:
    """What somebody left in /tmp does not take over a project below it."""
    below = tree.root / "mine"
    below.mkdir()
    tree.root.chmod(0o1777)
    assert find_root(below) is None
    assert find_root(tree.root) == tree.root
    tree.root.chmod(0o755)
    assert find_root(below) == tree.root
