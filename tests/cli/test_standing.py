"""Why a job is on or off: for every layer that can decide it, list, show and check say which line did."""

from __future__ import annotations

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

CODE = """\
from jobkit import submit_job


@submit_job(schedule="@daily", enabled={enabled}, run_on_startup={startup})
def warm_cache(ctx): ...
"""
JOB = "extensions/web/jobs/warm.py"
OPERATORS = "services/scheduler"
PLACES = {
    "project": "jobkit.toml",
    "config": f"{OPERATORS}/config.toml",
    "environment-file": f"{OPERATORS}/config.production.toml",
    "overrides": f"{OPERATORS}/overrides.production.toml",
}


def code(cli: CommandLine, *, enabled: bool = True, startup: bool = False) -> None:
    cli.file(JOB, CODE.format(enabled=enabled, startup=startup))


@pytest.mark.parametrize("layer", PLACES)
@pytest.mark.parametrize("enabled", [True, False])
def test_each_file_can_decide(layer: str, enabled: bool, cli: CommandLine) -> None:
    """Code and all layers below say the opposite: the layer's own line is named, as text and as data."""
    code(cli, enabled=not enabled)
    for each, path in PLACES.items():
        said = enabled if each == layer else not enabled
        cli.file(path, f"\n[jobs.warm_cache]\nenabled = {str(said).lower()}\n")
        if each == layer:
            break
    [job] = checked(cli("--env", "production", "list", "--json")).data
    assert (job.enabled, job.scheduled) == (enabled, enabled)
    assert job.enabled_by == f"{layer} {PLACES[layer]}:3"
    shown = checked(cli("--env", "production", "show", "warm_cache", "--json")).data
    assert shown.why == f"{'enabled' if enabled else 'disabled'} ({layer} {PLACES[layer]}:3)"
    listed = cli("--env", "production", "list").out
    assert (f"off warm_cache: {layer} {PLACES[layer]}:3" in listed) is not enabled


def test_the_code_can_decide(cli: CommandLine) -> None:
    """Nobody else has spoken: the registration's line."""
    code(cli, enabled=False)
    [job] = checked(cli("list", "--json")).data
    assert (job.enabled, job.enabled_by) == (False, f"code {JOB}:4")
    assert f"off warm_cache: code {JOB}:4" in cli("list").out


def test_a_variable_can_decide(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands above all files, and is named."""
    code(cli)
    cli.file(PLACES["config"], "[jobs.warm_cache]\nenabled = true\n")
    monkeypatch.setenv("JOBKIT__JOBS__WARM_CACHE__ENABLED", "false")
    assert "off warm_cache: variable JOBKIT__JOBS__WARM_CACHE__ENABLED" in cli("list").out
    assert "no  (variable JOBKIT__JOBS__WARM_CACHE__ENABLED)" in cli("show", "warm_cache").out


def test_a_variable_for_a_name_with_a_dash(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is written `_` in a variable: that is no unknown job."""
    cli.file(JOB, CODE.format(enabled=True, startup=False).replace("enabled=", 'name="warm-cache", enabled='))
    monkeypatch.setenv("JOBKIT__JOBS__WARM_CACHE__ENABLED", "false")
    ended = cli("list")
    assert ended.code == 0, ended.err
    assert "off warm-cache: variable JOBKIT__JOBS__WARM_CACHE__ENABLED" in ended.out


def test_a_variable_for_no_job_is_named(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK210 with the variable's name, for there is no file to look into; spelled right, it is taken."""
    code(cli)
    with monkeypatch.context() as patch:
        patch.setenv("JOBKIT__JOBS__WARM_CASH__ENABLED", "false")
        ended = cli("list")
        assert ended.code == 6
        assert "error[JK210]: JOBKIT__JOBS__WARM_CASH__ENABLED: [jobs.warm_cash] matches no job" in ended.err
        assert "did you mean 'warm_cache'?" in ended.err
    monkeypatch.setenv("JOBKIT__JOBS__WARM_CACHE__ENABLED", "false")
    assert cli("list").code == 0


def test_unlisted_jobs(cli: CommandLine) -> None:
    """With unlisted = "ignore" a job without a table is not scheduled; an empty table lists it."""
    code(cli)
    cli.file(PLACES["config"], '[scheduler]\nunlisted = "ignore"\n')
    reason = f'unlisted = "ignore" ({OPERATORS}/config.toml:2)'
    [job] = checked(cli("list", "--json")).data
    assert (job.enabled, job.scheduled, job.next_run_at) == (True, False, None)
    assert f"unlisted warm_cache: {reason}, and no [jobs.warm_cache] lists it" in cli("list").out
    assert reason in cli("show", "warm_cache").out
    [note] = checked(cli("check", "--json")).data.notes
    assert note == f"{reason}: without a [jobs.NAME], 1 job not scheduled: warm_cache"
    assert "note: unlisted" in cli("check").out
    assert cli("check", "--strict").code == 0
    cli.file(PLACES["config"], '[scheduler]\nunlisted = "ignore"\n[jobs.warm_cache]\n')
    assert checked(cli("list", "--json")).data[0].scheduled
    assert checked(cli("check", "--json")).data.notes == []


def test_enabling_lists_an_unlisted_job(cli: CommandLine) -> None:
    """The operators' word in the overrides counts as a listing."""
    code(cli)
    cli.file(PLACES["config"], '[scheduler]\nunlisted = "ignore"\n')
    assert checked(cli("enable", "warm_cache", "--json")).data.scheduled


def test_a_scheduler_that_is_off(cli: CommandLine) -> None:
    """[scheduler] enabled = false: nothing fires, and every screen says which line stopped it."""
    code(cli)
    cli.file(PLACES["config"], "[scheduler]\nenabled = false\n")
    assert checked(cli("list", "--json")).data[0].next_run_at is None
    assert f"scheduler off ({OPERATORS}/config.toml:2)" in cli("list").out
    assert f"the scheduler is off ({OPERATORS}/config.toml:2)" in cli("show", "warm_cache").out
    [note] = checked(cli("check", "--json")).data.notes
    assert note.startswith("no schedule fires")


@pytest.mark.parametrize(
    ("proposed", "file", "text", "on", "reason"),
    [
        (False, "config", "enabled = true", False, "the code does not ask for it"),
        (True, None, "", False, "no operators' file says enabled = true in [jobs.warm_cache]"),
        (True, "project", "enabled = true", False, "no operators' file says enabled = true"),
        (True, "config", "owner = 'ops'", False, "no operators' file says enabled = true"),
        (True, "config", "enabled = false", False, f"disabled (config {OPERATORS}/config.toml:2)"),
        (True, "config", "enabled = true", True, f"(config {OPERATORS}/config.toml:2)"),
        (True, "overrides", "enabled = true", True, f"(overrides {OPERATORS}/overrides.production.toml:2)"),
        (
            True,
            "config",
            "enabled = true\nrun_on_startup = false",
            False,
            f"switched off ({OPERATORS}/config.toml:3)",
        ),
    ],
)
def test_the_rule_of_two_layers(
    proposed: bool, file: str | None, text: str, on: bool, reason: str, cli: CommandLine
) -> None:
    """The code proposes, the operators dispose: both have to say it, and the missing half is named."""
    code(cli, startup=proposed)
    if file is not None:
        cli.file(PLACES[file], f"[jobs.warm_cache]\n{text}\n")
    cli.file(f"{OPERATORS}/config.production.toml", "")
    shown = checked(cli("--env", "production", "show", "warm_cache", "--json")).data
    assert shown.startup.on is on
    assert reason in shown.startup.why
    notes = checked(cli("--env", "production", "check", "--json")).data.notes
    asked = proposed and "run_on_startup" not in text
    assert [note.partition(":")[0] for note in notes] == (
        ["warm_cache does not run on startup"] if asked and not on else []
    )


def test_the_list_of_the_start(cli: CommandLine) -> None:
    """startup = […] runs a job by its name, unless it is off; check says so."""
    code(cli)
    cli.file(PLACES["config"], '[scheduler]\nstartup = ["warm_cache"]\n')
    shown = checked(cli("show", "warm_cache", "--json")).data.startup
    assert (shown.on, shown.place) == (True, 1)
    assert shown.why == f"number 1 of startup = […] ({OPERATORS}/config.toml:2)"
    assert cli("disable", "warm_cache").code == 0
    [note] = checked(cli("check", "--json")).data.notes
    assert note.startswith("warm_cache does not run on startup: number 1 of startup = […]")
    assert "but disabled (overrides" in note


def test_many_reasons_do_not_flood_the_list(cli: CommandLine) -> None:
    """Of many jobs that are off the first ten are explained, the rest counted."""
    lines = [f"@submit_job(enabled=False)\ndef job_{number:02}(ctx): ..." for number in range(13)]
    cli.file(JOB, "from jobkit import submit_job\n" + "\n".join(lines) + "\n")
    out = cli("list").out
    assert out.count("off job_") == 10
    assert "3 more are off or unlisted (jobkit show NAME)" in out
