"""``jobkit config`` where plugins have tables: provenance, secrets, the schema."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

PLUGIN = '''\
"""Tells people."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from jobkit import Secret, hookimpl


class Table(msgspec.Struct, frozen=True):
    """Where people are told."""

    channel: str = "ops"
    every: timedelta = timedelta(minutes=5)
    dsn: Secret = Secret("")


class ForJob(msgspec.Struct, frozen=True):
    channel: str = ""
    pin: Secret = Secret("")


@hookimpl
def jobkit_addoption(parser):
    parser.table(Table)
    parser.job_settings(ForJob)
'''
JOB = '''\
from jobkit import submit_job


@submit_job(plugins={"notify": {"channel": "code", "pin": "canary-code"}})
def cleanup(ctx):
    """Clean up."""
'''
OPERATORS = "services/scheduler/config.toml"
STAGING = "services/scheduler/config.staging.toml"


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """A project with a plugin that has a table and job settings."""
    cli.file("hooks/notify.py", PLUGIN)
    cli.file("extensions/web/jobs/cleanup.py", JOB)
    cli.file(
        "jobkit.toml", '[project]\nname = "shop"\n\n[plugins.notify]\nchannel = "dev"\ndsn = "canary-low"\n'
    )
    cli.file(OPERATORS, '[plugins.notify]\nevery = "1h"\ndsn = "canary-high"\n')
    cli.file(
        STAGING, '[jobs.cleanup.plugins.notify]\npin = "canary-job"\n[plugins.notify]\ndsn = "canary-x"\n'
    )
    return cli


def test_values_have_their_place_and_secrets_none(cli: CommandLine) -> None:
    """Show and explain: by the type that the plugin declared, not by the name of the key; the diff, too."""
    values = {each.key: each for each in checked(cli("config", "show", "plugins", "--json")).data.values}
    assert (values["plugins.notify.channel"].value, values["plugins.notify.channel"].line) == ("dev", 5)
    assert (values["plugins.notify.every"].value, values["plugins.notify.every"].path) == ("1h", OPERATORS)
    assert values["plugins.notify.dsn"].value == "***"
    [stack] = checked(cli("config", "explain", "plugins.notify.dsn", "--json")).data.options
    assert [(each.value, each.winner) for each in stack.stack] == [("***", False), ("***", True)]
    for arguments in (
        ["show"],
        ["explain", "cleanup"],
        ["explain", "jobs.cleanup.plugins.notify.pin"],
        ["diff", "", "staging"],
    ):
        ended = cli("--env", "staging", "config", *arguments)
        assert ended.code == 0, ended.err
        assert "***" in ended.out
        assert "canary" not in ended.out + ended.err


def test_no_job_is_imported(cli: CommandLine) -> None:
    """The plugins are asked, job files are not."""
    cli.file("extensions/web/jobs/cleanup.py", "raise SystemExit('collected')\n")
    assert cli("config", "show", "plugins").code == 0
    assert "collected" not in cli("config", "show").err


def test_the_diff_hides_what_nobody_can_judge(cli: CommandLine) -> None:
    """If the plugins cannot be asked what is secret, all that is said to them is."""
    cli.file("jobkit.toml", "[plugins.notify]\nchannel = 5\n")
    ended = cli("config", "diff", "", "staging")
    assert ended.code == 0, ended.err
    assert "warning[JK205]" in ended.err
    assert "plugins.notify.dsn" in ended.out
    assert "canary" not in ended.out + ended.err


def test_the_schema_has_the_tables(cli: CommandLine) -> None:
    """In a project those of its plugins; with a warning none of them, where configuration is wrong."""
    schema = json.loads(cli("config", "schema").out)
    table = schema["properties"]["plugins"]["properties"]["notify"]
    assert table["description"] == "Where people are told."
    assert list(table["properties"]) == ["channel", "every", "dsn"]
    settings = schema["$defs"]["job"]["properties"]["plugins"]["properties"]["notify"]
    assert list(settings["properties"]) == ["channel", "pin"]
    cli.file("jobkit.toml", "[plugins.notify]\nchannel = 5\n")
    ended = cli("config", "schema")
    assert ended.code == 0
    assert "warning[JK205]: [plugins.notify] channel: text is expected, not a whole number" in ended.err
    assert json.loads(ended.out)["title"] == "jobkit configuration"


def test_mistakes_read_like_all_others(cli: CommandLine) -> None:
    """Every mistake of every file, each with its line and what to write instead; exit code 6."""
    cli.file("jobkit.toml", "[plugins.notify]\nchanel = 'x'\nevery = 'soon'\n[plugins.notfy]\n")
    ended = cli("list")
    assert ended.code == 6
    for words in (
        "error[JK204]: [plugins.notify] has no key `chanel`",
        "jobkit.toml:2",
        "did you mean `channel`?",
        "error[JK206]: [plugins.notify] every: 'soon' is not a duration",
        "jobkit.toml:3",
        "error[JK742]: [plugins.notfy] matches no plugin",
        "did you mean [plugins.notify]?",
    ):
        assert words in " ".join(ended.err.split())


def test_a_job_with_bad_settings_is_listed_and_not_run(cli: CommandLine) -> None:
    """Its error has file and line; the other jobs are well."""
    cli.file(
        "extensions/web/jobs/other.py",
        "from jobkit import submit_job\n\n\n@submit_job\ndef other(ctx):\n    'Other.'\n",
    )
    cli.file(OPERATORS, "[jobs.cleanup.plugins.notify]\nchanel = 'x'\n")
    jobs = {job.name: job for job in checked(cli("list", "--json")).data}
    assert jobs["other"].error is None
    error = jobs["cleanup"].error
    assert (error.code, error.path, error.line) == ("JK744", OPERATORS, 2)
    assert error.message == "[jobs.cleanup] plugins.notify has no key `chanel`"
    assert cli("run", "cleanup").code != 0
    assert cli("run", "other").code == 0
