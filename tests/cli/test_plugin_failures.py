"""What ``check`` and ``doctor`` say of plugins that fail, and of services that are not well."""

from __future__ import annotations

import pytest

from jobkit.cli.doctor import plugged
from tests.cli.harness import CommandLine, Ended
from tests.cli.shapes import checked

HEAD = "from jobkit import ServiceSpec, hookimpl\n\n\n"
JOB = "from jobkit import submit_job\n\n\n@submit_job\ndef work(ctx): ...\n"


def hook(name: str, body: str, arguments: str = "config") -> str:
    return f"{HEAD}@hookimpl\ndef {name}({arguments}):\n    {body}\n"


@pytest.fixture
def project(cli: CommandLine) -> CommandLine:
    """A project with one job."""
    cli.file("extensions/web/jobs/work.py", JOB)
    return cli


def findings(ended: Ended, check: str) -> list[tuple[str, str]]:
    return [(each.status, each.message) for each in checked(ended).data if each.check == check]


# -- check --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["jobkit_services", "jobkit_schedule_kinds", "jobkit_log_processors", "jobkit_commands"]
)
def test_check_warns_of_hooks_that_have_failed(name: str, project: CommandLine) -> None:
    """The plugin takes part, so that is a warning with its line; with ``--strict`` an error."""
    project.file("hooks/bad.py", hook(name, "raise ValueError('no luck')"))
    ended = project("check", "--json")
    assert ended.code == 0
    [warning] = checked(ended).data.warnings
    assert (warning.code, warning.path, warning.line) == ("JK721", "hooks/bad.py", 6)
    assert warning.message == f"plugin bad takes part and has failed: {name}: ValueError: no luck"
    assert warning.help == "--plugin no:bad leaves it out"
    assert project("check", "--strict").code == 2
    assert project("run", "work", "--strict").code == 2
    assert project("run", "work").code == 0


def test_check_says_how_often(project: CommandLine) -> None:
    """A failure that comes again is one warning."""
    project.file("extensions/web/jobs/more.py", JOB.replace("work", "more"))
    project.file("hooks/bad.py", hook("jobkit_collectreport", "raise ValueError('no')", "report"))
    [warning] = checked(project("check", "--json")).data.warnings
    said = "plugin bad takes part and has failed 2 times: jobkit_collectreport: ValueError: no"
    assert warning.message == said


def test_each_different_failure_is_shown(project: CommandLine) -> None:
    """Everywhere where people look, with the plugin's name; not only the last."""
    project.file("extensions/web/jobs/more.py", JOB.replace("work", "more"))
    report = hook("jobkit_collectreport", "raise ValueError(report.path.name)", "report")
    services = hook("jobkit_services", "raise ValueError('no')").removeprefix(HEAD)
    project.file("hooks/bad.py", report + services)
    said = {
        "plugin bad takes part and has failed: jobkit_collectreport: ValueError: more.py",
        "plugin bad takes part and has failed: jobkit_collectreport: ValueError: work.py",
        "plugin bad takes part and has failed: jobkit_services: ValueError: no",
    }
    assert {warning.message for warning in checked(project("check", "--json")).data.warnings} == said
    assert {text.partition(": ")[2] for status, text in doctors(project) if status == "warn"} == said
    [bad] = [plugin for plugin in checked(project("plugins", "--json")).data if plugin.name == "bad"]
    assert ({error.message for error in bad.failed}, bad.failures) == (said, 3)
    assert bad.error.message.startswith("plugin bad has failed: ")
    shown = project("plugins").out
    assert all(text in shown for text in said)


def doctors(project: CommandLine) -> list[tuple[str, str]]:
    return findings(project("doctor", "--json"), "plugins")


def test_very_many_different_failures_are_counted(project: CommandLine) -> None:
    """The first twenty are shown, the others in one line."""
    for number in range(25):
        project.file(f"extensions/web/jobs/more{number}.py", JOB.replace("work", f"more{number}"))
    project.file("hooks/bad.py", hook("jobkit_collectreport", "raise ValueError(report.path.name)", "report"))
    warnings = checked(project("check", "--json")).data.warnings
    assert len(warnings) == 21
    assert warnings[-1].message == "plugin bad has failed 6 times more, in too many ways to show"


@pytest.mark.parametrize(
    "name",
    [
        "jobkit_services",
        "jobkit_schedule_kinds",
        "jobkit_log_processors",
        "jobkit_commands",
        "jobkit_result_sinks",
    ],
)
def test_a_required_plugin_has_to_provide_what_it_should(name: str, project: CommandLine) -> None:
    """What it does not provide would be missing every night: an error of `check` and `run`."""
    project.file("jobkit.toml", '[project]\nname = "shop"\nrequired_plugins = ["bad"]\n')
    project.file("hooks/bad.py", hook(name, "raise ValueError('no luck')"))
    for line in (["check"], ["run", "work"]):
        ended = project(*line, "--json")
        assert ended.code == 2
        [error] = ended.json["errors"]
        assert error["code"] == "JK721"
        assert error["message"] == f"plugin bad is required, and has failed: {name}: ValueError: no luck"
        assert (error["path"], error["line"]) == ("hooks/bad.py", 6)
        assert "take bad out of required_plugins" in error["help"]
    project.file("jobkit.toml", '[project]\nname = "shop"\n')
    assert project("check").code == 0


def test_what_a_required_plugin_does_wrong_while_jobs_run_is_isolated(project: CommandLine) -> None:
    """The job went well, whatever is told of it; with ``--strict`` too."""
    project.file("jobkit.toml", '[project]\nname = "shop"\nrequired_plugins = ["bad"]\n')
    project.file("hooks/bad.py", hook("jobkit_run_finished", "raise ValueError('no luck')", "run"))
    assert project("run", "work").code == 0
    assert project("run", "work", "--strict").code == 0


def test_a_sink_that_cannot_be_asked_for_is_an_error_of_a_strict_run(project: CommandLine) -> None:
    """Sinks are asked when a run begins, after the project was loaded."""
    project.file("hooks/bad.py", hook("jobkit_result_sinks", "raise ValueError('no luck')"))
    assert project("run", "work").code == 0
    ended = project("run", "work", "--strict")
    assert ended.code == 2
    assert "plugin bad takes part, and has failed: jobkit_result_sinks" in ended.err
    assert project("run", "work", "--strict", "--plugin", "no:bad").code == 0


def test_a_plugin_without_a_hook_is_told_of(project: CommandLine) -> None:
    """JK714: in `check`, `doctor` and `plugins`; a file that begins with `_` is no plugin."""
    project.file("hooks/idle.py", "class Idle:\n    def jobkit_services(self): ...\n")
    project.file("hooks/_helper.py", "1 / 0\n")
    [warning] = checked(project("check", "--json")).data.warnings
    assert (warning.code, warning.path) == ("JK714", "hooks/idle.py")
    assert ("warn", f"hooks/idle.py: {warning.message}") in doctors(project)
    assert "mark functions with @hookimpl" in project("plugins").out
    assert project("check", "--strict").code == 2
    assert project("list").err == ""


@pytest.mark.parametrize("verb", ["check", "plugins"])
def test_names_that_are_taken_have_a_place(verb: str, project: CommandLine) -> None:
    """A verb and a kind of schedules that jobkit has itself: where the plugin's own are written."""
    project.file("hooks/bad.py", TAKEN)
    shown = project(verb).out
    assert "the verb 'list' belongs to jobkit" in shown
    assert "--> hooks/bad.py:7" in shown
    assert "the word 'every' already begins schedules of jobkit" in shown
    assert "--> hooks/bad.py:11" in shown


TAKEN = """\
import click

from jobkit import hookimpl
from jobkit.plugin import ScheduleKind


@click.command("list")
def mine(): ...


def parse(text, timezone, name): ...


@hookimpl
def jobkit_commands():
    return [mine]


@hookimpl
def jobkit_schedule_kinds():
    return [ScheduleKind(prefix="every", parse=parse, description="mine")]
"""


def test_check_looks_at_sinks(project: CommandLine) -> None:
    """Those that nobody could deliver to are known before anything runs, with the code of what is wrong."""
    project.file("hooks/bad.py", hook("jobkit_result_sinks", "return [Nameless()]") + NAMELESS)
    [warning] = checked(project("check", "--json")).data.warnings
    assert warning.code == "JK730"
    [bad] = [plugin for plugin in checked(project("plugins", "--json")).data if plugin.name == "bad"]
    assert (bad.failures, bad.error.code) == (1, "JK730")


NAMELESS = "\n\nclass Nameless:\n    async def emit(self, run): ...\n"

# -- doctor -------------------------------------------------------------------------------------------


def test_doctor_shows_plugins_that_are_broken_blocked_or_have_failed(project: CommandLine) -> None:
    """Each with its place and what to do; the rest by name."""
    project.file("hooks/bad.py", "1 / 0\n")
    project.file("hooks/sad.py", hook("jobkit_services", "raise ValueError('no luck')"))
    project.file("hooks/good.py", hook("jobkit_services", "return []"))
    project.file("hooks/audit.py", hook("jobkit_services", "return []"))
    ended = project("doctor", "--json", "--plugin", "no:audit")
    assert ended.code == 0
    assert findings(ended, "plugins") == [
        ("warn", "hooks/bad.py:1: plugin bad is left out: ZeroDivisionError: division by zero"),
        (
            "warn",
            "hooks/sad.py:6: plugin sad takes part and has failed: jobkit_services: ValueError: no luck",
        ),
        ("ok", "not loaded, as somebody wants it: audit"),
        ("ok", "2 plugins: good, sad"),
    ]
    helps = [each.help for each in checked(ended).data if each.check == "plugins" and each.status == "warn"]
    assert all(text is not None and "--plugin no:" in text for text in helps)
    assert findings(ended, "jobs") == [("ok", "1 job in 1 extension, 0 broken")]
    assert project("doctor", "--strict").code == 1
    assert project("doctor", "--plugin", "no:bad", "--plugin", "no:sad", "--strict").code == 0


SERVICE = """\
import asyncio
import time

from jobkit import ServiceSpec, hookimpl


async def open_till():
    yield "till"
    OPENED.append("closed")


OPENED = []




async def sleeps(till):
    await asyncio.sleep(60)


def blocks(till):
    time.sleep(60)


def fails(till):
    raise ConnectionError("nobody answers")


def exits(till):
    raise SystemExit(3)


def is_well(till):
    assert till == "till"


def opens_not():
    raise OSError("no such till")


@hookimpl
def jobkit_services(config):
    return [ServiceSpec(SPEC)]
"""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Services have a tenth of a second."""
    monkeypatch.setattr(plugged, "PATIENCE", 0.1)


@pytest.mark.parametrize(
    ("ping", "said"),
    [
        ("open_till, name='till', ping=fails", "service `till` is not well: ConnectionError: nobody answers"),
        ("open_till, name='till', ping=exits", "service `till` is not well: SystemExit: 3"),
        ("open_till, name='till', ping=sleeps", "service `till` has not answered within 0.1 s"),
        ("open_till, name='till', ping=blocks", "service `till` has not come back within 0.2 s: it blocks"),
        ("opens_not, name='till', ping=is_well", "service `till` could not be opened: OSError: no such till"),
    ],
)
def test_doctor_asks_services_how_they_are(
    ping: str, said: str, project: CommandLine, impatient: None
) -> None:
    """One that is not well is a failure with its place, and what hangs is not waited for."""
    project.file("hooks/shop.py", SERVICE.replace("SPEC", ping))
    ended = project("doctor", "--json")
    assert ended.code == 1
    [(status, message)] = findings(ended, "services")
    assert status == "fail"
    assert message.startswith("hooks/shop.py:")
    assert said in message


def test_doctor_names_the_services_that_are_well(project: CommandLine) -> None:
    """They are opened for it and closed again; those without a ping, and those of runs, are left alone."""
    project.file("hooks/shop.py", SERVICE.replace("SPEC", "open_till, name='till', ping=is_well"))
    spec = (
        "ServiceSpec(opens_not, name='other'), ServiceSpec(opens_not, name='each', scope='run', ping=fails)"
    )
    source = SERVICE.replace("ServiceSpec(SPEC)", spec)
    project.file("hooks/more.py", source)
    ended = project("doctor", "--json")
    assert ended.code == 0
    assert findings(ended, "services") == [("ok", "well: till")]


def test_doctor_asks_the_service_of_an_extension(project: CommandLine) -> None:
    """Which shadows the project's for its own jobs; both are asked."""
    project.file("hooks/shop.py", SERVICE.replace("SPEC", "open_till, name='till', ping=is_well"))
    project.file("extensions/web/hooks.py", SERVICE.replace("SPEC", "open_till, name='till', ping=fails"))
    ended = project("doctor", "--json")
    assert [status for status, _ in findings(ended, "services")] == ["fail", "ok"]
    assert findings(ended, "services")[0][1].startswith("extensions/web/hooks.py:")
