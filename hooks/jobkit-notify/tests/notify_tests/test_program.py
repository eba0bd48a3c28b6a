"""The whole program: a project, `jobkit run`, plugins found as pip has installed them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import jobkit_notify
import pytest
from notify_tests.projects import jobkit, loaded, sinks, write
from notify_tests.receiver import Receiver, Reply

from jobkit import ConfigError, Project

pytestmark = pytest.mark.waits

JOBS = """
@submit_job(tags=["nightly"])
def clean(ctx, *, fail: bool = False):
    if fail:
        raise ValueError("no space left")
    return JobResult.success("all clean")

@submit_job
def other(ctx): ...
"""


def configuration(receiver: Receiver) -> str:
    """Everything that jobkit-notify has."""
    return f"""
        [plugins.webhook]
        url = "${{HOOK_URL}}/hook"
        secret = "${{HOOK_SECRET}}"
        allow_private = true

        [plugins.webhook.receivers.audit]
        url = "{receiver.url}/audit"
        allow_private = true
        on = ["failed"]
        tags = ["nightly"]

        [plugins.healthcheck]
        base = "{receiver.url}/ping/{{job}}"
        allow_private = true

        [plugins.alerts.rules.ops]
        to = ["json://127.0.0.1:{receiver.port}/ops"]
        """


def variables(receiver: Receiver) -> dict[str, str]:
    """What the configuration asks of the environment."""
    return {"HOOK_URL": receiver.url, "HOOK_SECRET": "a-secret-of-some-length"}


def paths(receiver: Receiver) -> set[str]:
    """Where something has arrived."""
    return {request.path for request in receiver.received}


def test_one_run_is_told_to_everybody(receiver: Receiver, tmp_path: Path) -> None:
    """By the process that ran the job, before it ends."""
    write(tmp_path, configuration(receiver), JOBS)
    ended = jobkit(tmp_path, "run", "clean", "-p", "fail=true", **variables(receiver))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert paths(receiver) == {"/ping/clean/start", "/hook", "/audit", "/ping/clean/fail", "/ops"}

    hook = next(request for request in receiver.received if request.path == "/hook")
    assert jobkit_notify.verify("a-secret-of-some-length", hook.headers["jobkit-signature"], hook.body)
    assert hook.json["run"]["error"]["message"] == "no space left"
    assert (hook.json["project"], hook.json["environment"]) == ("shop", None)

    listed = json.loads(jobkit(tmp_path, "history", "--json", **variables(receiver)).stdout)
    assert hook.json["run"] == listed["data"][0]
    assert "waiting" not in ended.stderr


def test_the_recovery_is_told_by_a_later_process(receiver: Receiver, tmp_path: Path) -> None:
    """`jobkit run` by cron: each run is a process of its own."""
    write(tmp_path, configuration(receiver), JOBS)
    jobkit(tmp_path, "run", "clean", "-p", "fail=true", **variables(receiver))
    jobkit(tmp_path, "run", "clean", **variables(receiver))
    jobkit(tmp_path, "run", "clean", **variables(receiver))
    told = [request.json["title"] for request in receiver.received if request.path == "/ops"]
    assert told == ["[shop] clean failed", "[shop] clean recovered"]


def test_what_could_not_be_told_is_told_later(receiver: Receiver, tmp_path: Path) -> None:
    """A receiver that was down hears of every run, in order, from a run of another job too."""
    write(tmp_path, configuration(receiver), JOBS)
    receiver.usual = Reply(503)
    for fail in ("true", "false"):
        down = jobkit(tmp_path, "run", "clean", "-p", f"fail={fail}", **variables(receiver))
        assert "sink webhook" in down.stderr
        assert "503" in down.stderr
    receiver.usual = Reply(200)
    receiver.received.clear()
    up = jobkit(tmp_path, "run", "other", **variables(receiver))
    assert up.returncode == 0, up.stderr

    told = [request.json["run"] for request in receiver.received if request.path == "/hook"]
    assert [run["number"] for run in told if run["job"] == "clean"] == [1, 2]
    assert [run["number"] for run in told if run["job"] == "other"] == [3]
    pings = [
        path for path in (request.path for request in receiver.received) if path.startswith("/ping/clean")
    ]
    assert pings == ["/ping/clean/fail", "/ping/clean"]
    assert [request.json["run"]["number"] for request in receiver.received if request.path == "/audit"] == [1]


def test_nothing_secret_is_kept_or_said(receiver: Receiver, tmp_path: Path) -> None:
    """Not in the store, whose errors people look at, nor in what the command says."""
    receiver.usual = Reply(500, body=b"you said a-secret-of-some-length")
    write(tmp_path, configuration(receiver).replace("/hook", "/k3y-in-the-path"), JOBS)
    ended = jobkit(tmp_path, "run", "clean", "-v", **variables(receiver))
    said = ended.stdout + ended.stderr
    with sqlite3.connect(tmp_path / ".jobkit" / "jobkit.db") as database:
        kept = "\n".join(database.iterdump())
    database.close()
    for secret in ("a-secret-of-some-length", "k3y-in-the-path"):
        assert secret not in said
        assert secret not in kept
    assert "500" in kept


def test_installed_and_not_configured_there_is_nothing(tmp_path: Path) -> None:
    """No sink, no warning, nothing kept for anybody."""
    with loaded(tmp_path, "", JOBS) as project:
        assert sinks(project) == {}
        assert project.plugins.warnings == []
        names = {info.name: info.status for info in project.plugins.infos}
        assert {names["webhook"], names["healthcheck"], names["alerts"]} == {"active"}


def test_one_job_is_still_imported_alone(tmp_path: Path) -> None:
    """Being installed does not make every command import every file."""
    write(tmp_path, configuration(Receiver()).replace("${HOOK_URL}", "http://127.0.0.1:1"), JOBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOOK_SECRET", "a-secret-of-some-length")
        Project.load(tmp_path).close()
        with Project.load(tmp_path, only="clean") as project:
            assert not project.complete


def test_without_apprise_only_alerts_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the warning says which extra it is."""
    monkeypatch.setattr("jobkit_notify.alerts.plugin.importlib.util.find_spec", lambda _: None)
    table = '[plugins.alerts.rules.ops]\nto = ["json://h/"]\n[plugins.webhook]\nurl = "https://h.example/"'
    with loaded(tmp_path, table, JOBS) as project:
        [warning] = project.plugins.warnings
        assert "jobkit-notify[apprise]" in f"{warning} {warning.help}"
        assert [*sinks(project)] == ["webhook"]


def test_without_apprise_and_without_rules_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra."""
    monkeypatch.setattr("jobkit_notify.alerts.plugin.importlib.util.find_spec", lambda _: None)
    with loaded(tmp_path, "", JOBS) as project:
        assert project.plugins.warnings == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[plugins.webhook]\nurl = "https://h.example/"\nsecrt = "x"', "did you mean"),
        ('[plugins.webhook]\nurl = "${HOOK_URL}"\nsecret = "${EMPTY}"', "secret is empty"),
        ('[plugins.alerts.rules.ops]\nto = ["${HOOK_URL}"]\non = ["recoverd"]', '"recovered"'),
        ('[plugins.alerts.rules.ops]\non = ["failed"]', "to"),
    ],
)
def test_a_mistake_in_a_table_is_one_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, told: str
) -> None:
    """With file and line, before anything runs, and readable where a variable stands beside it."""
    monkeypatch.setenv("HOOK_URL", "https://h.example/k3y")
    monkeypatch.setenv("EMPTY", "")
    with pytest.raises(ConfigError) as error, loaded(tmp_path, table, JOBS):
        raise AssertionError("it was loaded")
    text = f"{error.value} {error.value.help}"
    assert told in text
    assert "k3y" not in text
    assert error.value.path == tmp_path / "jobkit.toml"
    assert error.value.line is not None
