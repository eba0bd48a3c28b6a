"""``config show``, ``explain``, ``diff``, ``schema``: what is set, and which line decided it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOB = "extensions/web/jobs/cleanup.py"
CODE = """\
from jobkit import Expect, Retry, Secret, submit_job


@submit_job(
    schedule="0 0 3 * * *",
    timeout="5m",
    retries=Retry(2, delay="30s"),
    tags=["a"],
    overlap="queue",
    owner="authors",
    expect=Expect(min_processed=1),
    queue="code",
)
def cleanup(ctx, *, days: int = 30, table: str = "logs", api_key: Secret = "k-default-123"):
    "Clean."
"""
SEVEN = {
    JOB: CODE,
    "jobkit.toml": """\
[project]
name = "shop"
[jobs.cleanup]
timeout = "6m"
tags = ["b"]
owner = "developers"
parameters = { days = 40 }
""",
    "services/scheduler/config.toml": """\
[scheduler]
timezone = "Europe/Berlin"
[jobs.cleanup]
tags = ["c"]
owner = "operators"
retries = 5
enforce = true
parameters = { days = 50, table = "rows", api_key = "${API_KEY}" }
""",
    "services/scheduler/config.production.toml": """\
[jobs.cleanup]
owner = "production"
retries = { delay = "1m" }
enforce = false
""",
    "services/scheduler/config.staging.toml": """\
[jobs.cleanup]
expect = { min_processed = 0 }
owner = "staging"
""",
    "services/scheduler/overrides.production.toml": """\
[jobs.cleanup]
enabled = false
changed = { by = "ada", at = "2026-11-22T12:00:00Z", reason = "tired" }
""",
}
#: Option → value in force, layer and line or name, in each of two environments.
IN_FORCE: dict[str, dict[str, tuple[Any, str, int | str | None]]] = {
    "production": {
        "schedule": ("0 0 3 * * *", "code", 4),
        "timezone": ("Europe/Berlin", "config", 2),
        "enabled": (False, "overrides", 2),
        "tags": (["c"], "config", 4),
        "timeout": ("6m", "project", 4),
        "retries": (5, "config", 6),
        "retries.delay": ("1m", "environment-file", 3),
        "overlap": ("queue", "code", 4),
        "owner": ("production", "environment-file", 2),
        "queue": ("nightly", "variable", "JOBKIT__JOBS__CLEANUP__QUEUE"),
        "enforce": (False, "environment-file", 4),
        "expect.min_processed": (1, "code", 4),
        "parameters.days": (60, "variable", "JOBKIT__JOBS__CLEANUP__PARAMETERS__DAYS"),
        "parameters.table": ("rows", "config", 8),
        "parameters.api_key": ("***", "config", 8),
        "priority": (0, "default", None),
    },
    "staging": {
        "enabled": (True, "default", None),
        "retries": (5, "config", 6),
        "retries.delay": ("30s", "code", 4),
        "owner": ("staging", "environment-file", 3),
        "enforce": (True, "config", 7),
        "expect.min_processed": (0, "environment-file", 2),
        "parameters.days": (60, "variable", "JOBKIT__JOBS__CLEANUP__PARAMETERS__DAYS"),
        "description": ("Clean.", "code", 4),
    },
}


@pytest.fixture
def seven(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A project in which every layer speaks about one job."""
    for path, text in SEVEN.items():
        cli.file(path, text)
    monkeypatch.setenv("JOBKIT__JOBS__CLEANUP__QUEUE", "nightly")
    monkeypatch.setenv("JOBKIT__JOBS__CLEANUP__PARAMETERS__DAYS", "60")
    monkeypatch.setenv("API_KEY", "k-canary-4711")
    return cli


@pytest.mark.parametrize("env", IN_FORCE)
def test_explain_names_the_winner_of_every_option(env: str, seven: CommandLine) -> None:
    """In two environments: value, layer, and line or variable – and the winner is the top of its stack."""
    options = {each.key: each for each in checked(seven("--env", env, "config", "explain", "cleanup", "--json")).data.options}  # noqa: E501  # fmt: skip
    for key, (value, layer, place) in IN_FORCE[env].items():
        found = options[key]
        assert (found.value, found.layer) == (value, layer), key
        assert place in (found.line, found.name), key
    for found in options.values():
        assert [said.winner for said in found.stack] == [False] * (len(found.stack) - 1) + [True]
        top = found.stack[-1]
        assert (top.value, top.layer, top.line, top.name) == (
            found.value,
            found.layer,
            found.line,
            found.name,
        )


@pytest.mark.parametrize("env", IN_FORCE)
def test_the_winners_are_what_is_in_force(env: str, seven: CommandLine) -> None:
    """What explain calls the winner is what show finds in the job itself, option by option."""
    options = {each.key: each.value for each in checked(seven("--env", env, "config", "explain", "cleanup", "--json")).data.options}  # noqa: E501  # fmt: skip
    job = checked(seven("--env", env, "show", "cleanup", "--json")).data
    assert options["enabled"] is job.enabled
    assert options["enforce"] is job.enforce
    assert (options["schedule"], options["timezone"]) == (job.schedule, job.timezone)
    assert (options["owner"], options["tags"]) == (job.owner, job.tags)
    policies = job.policies
    assert (options["retries"], options["retries.delay"]) == (policies.retries, policies.retry_delay)
    assert (options["timeout"], options["queue"]) == (policies.timeout, policies.queue)
    assert options["expect.min_processed"] == policies.expect.min_processed
    configured = {each.name: each.configured for each in job.parameters}
    assert options["parameters.days"] == configured["days"]


def test_the_stack_holds_every_opinion(seven: CommandLine) -> None:
    """Lowest first, from the default to the winner."""
    options = {each.key: each for each in checked(seven("--env", "production", "config", "explain", "cleanup", "--json")).data.options}  # noqa: E501  # fmt: skip
    assert [(said.layer, said.value) for said in options["owner"].stack] == [
        ("default", "system"),
        ("code", "authors"),
        ("project", "developers"),
        ("config", "operators"),
        ("environment-file", "production"),
    ]
    assert [(said.layer, said.value) for said in options["parameters.days"].stack] == [
        ("code", 30),
        ("project", 40),
        ("config", 50),
        ("variable", 60),
    ]


def test_explain_as_text(seven: CommandLine) -> None:
    """The winner stands on top, marked; what nobody set is told at the end."""
    ended = seven("--env", "production", "config", "explain", "cleanup")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    at = lines.index("timeout")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["→", '"6m"', "project", "jobkit.toml:4"],
        ['"5m"', "code", f"{JOB}:4"],
        ["none", "default"],
    ]
    assert "by default" in lines
    assert "priority 0" in " ".join(ended.out.split())


def test_no_secret_is_shown(seven: CommandLine) -> None:
    """Neither the default of a secret parameter, nor what a variable stands for, nor a password of a URL."""
    seven.file("hooks/hook.py", '"""A plugin that looks into its table by itself."""\n')
    seven.file(
        "services/scheduler/config.staging.toml",
        '[plugins.hook]\nurl = "https://user:pass-canary@x/"\ntoken = "tok-canary-1"\nother = "${API_KEY}"\n',
    )
    for arguments in (["show"], ["explain", "cleanup"], ["explain", "plugins.hook.url"]):
        for form in ([], ["--json"]):
            ended = seven("--env", "staging", "config", *arguments, *form)
            assert ended.code == 0, ended.err
            text = ended.out + ended.err
            for canary in ("k-canary-4711", "k-default-123", "pass-canary", "tok-canary-1"):
                assert canary not in text
    ended = seven("config", "diff", "staging", "production")
    assert "canary" not in ended.out + ended.err


def test_show_has_every_key(seven: CommandLine) -> None:
    """Also those that nobody set, with the default; the files are named; no job is imported."""
    seven.file(JOB, "raise SystemExit('collected')\n")
    answer = checked(seven("--env", "production", "config", "show", "--json")).data
    assert answer.env == "production"
    assert answer.files == [
        "jobkit.toml",
        "services/scheduler/config.toml",
        "services/scheduler/config.production.toml",
        "services/scheduler/overrides.production.toml",
    ]
    values = {each.key: each for each in answer.values}
    assert (values["scheduler.timezone"].value, values["scheduler.timezone"].line) == ("Europe/Berlin", 2)
    assert (values["scheduler.lease"].value, values["scheduler.lease"].layer) == ("10s", "default")
    assert (values["jobs.cleanup.retries"].value, values["jobs.cleanup.retries.delay"].value) == (5, "1m")
    assert values["jobs.cleanup.queue"].name == "JOBKIT__JOBS__CLEANUP__QUEUE"


def test_show_of_some_keys(seven: CommandLine) -> None:
    """A key, or all that begin with it; one that is not there is named with the closest."""
    answer = checked(seven("config", "show", "logs", "scheduler.lease", "--json")).data
    assert [each.key for each in answer.values] == ["logs.format", "logs.level", "scheduler.lease"]
    assert checked(seven("config", "explain", "scheduler.timezone", "--json")).data.options[0].value == (
        "Europe/Berlin"
    )
    ended = seven("config", "show", "scheduler.leas")
    assert ended.code == 4
    assert "did you mean 'scheduler.lease'?" in ended.err
    assert seven("config", "explain", "clean").code == 4


def test_diff_of_two_environments(seven: CommandLine) -> None:
    """Only what differs, both sides with their places; variables of this process say nothing."""
    answer = checked(seven("config", "diff", "staging", "production", "--json")).data
    found = {each.key: (each.left and each.left.value, each.right and each.right.value) for each in answer.differences}  # noqa: E501  # fmt: skip
    assert found == {
        "jobs.cleanup.enabled": (None, False),
        "jobs.cleanup.enforce": (True, False),
        "jobs.cleanup.expect.min_processed": (0, None),
        "jobs.cleanup.owner": ("staging", "production"),
        "jobs.cleanup.retries.delay": (None, "1m"),
    }
    text = seven("config", "diff", "staging", "production").out
    assert "as in code" in text
    assert "5 differences" in text
    assert "staging and staging are alike" in seven("config", "diff", "staging", "staging").out


def test_diff_needs_none_of_the_variables(seven: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a laptop no environment's secrets are set: what differs can be seen all the same."""
    monkeypatch.delenv("API_KEY")
    seven.file("services/scheduler/config.staging.toml", '[scheduler]\nstore = "${STAGING_URL}"\n')
    ended = seven("config", "diff", "staging", "production", "--json")
    assert ended.code == 0, ended.err
    store = next(each for each in checked(ended).data.differences if each.key == "scheduler.store")
    assert (store.left.value, store.right.layer) == ("***", "default")
    assert "jobs.cleanup.enabled" in seven("config", "diff", "", "production").out


def test_diff_with_an_environment_that_is_misspelt(seven: CommandLine) -> None:
    """JK211, exit code 6."""
    ended = seven("config", "diff", "stagin", "production")
    assert ended.code == 6
    assert "error[JK211]" in ended.err


def test_schema_needs_no_project(anywhere: CommandLine) -> None:
    """The JSON Schema itself on stdout, to be kept in a file; with --json in the usual envelope."""
    ended = anywhere("config", "schema")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["title"] == "jobkit configuration"
    assert checked(anywhere("config", "schema", "--json")).data == json.loads(ended.out)


SCREENS = {
    "config-diff": ["config", "diff", "staging", "production"],
    "config-explain-layers": ["--env", "production", "config", "explain", "cleanup"],
    "config-show-layers": ["--env", "staging", "config", "show", "scheduler.timezone", "jobs"],
    "list-off": ["--env", "production", "list"],
    "show-off": ["--env", "production", "show", "cleanup"],
    "check-notes": ["check"],
}


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, seven: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen of a project in which all layers speak, to the letter."""
    if name == "check-notes":
        seven.file(JOB, CODE.replace('queue="code"', "run_on_startup=True"))
        seven.file("services/scheduler/config.toml", '[scheduler]\nunlisted = "ignore"\n')
        seven.file("jobkit.toml", "")
        monkeypatch.delenv("JOBKIT__JOBS__CLEANUP__QUEUE")
        monkeypatch.delenv("JOBKIT__JOBS__CLEANUP__PARAMETERS__DAYS")
    monkeypatch.setattr("jobkit.cli.verbs.check.version", lambda: "1.2.3")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = seven(*SCREENS[name], encoding=encoding)
    assert ended.code == 0, ended.err

    def normalise(text: str) -> str:
        return re.sub(r"in \d+\.\d\ds( ?)", r"in 0.12s\1", text)

    check_screen(name, form, ended.out, normalise)
