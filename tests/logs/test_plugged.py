"""Log processors of plugins: every line goes through them, and none that fails spoils one."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobkit import hookimpl
from jobkit.logs import RunCapture, get_logger
from jobkit.logs.stages import use_stages
from jobkit.plugin import LogProcessor
from jobkit.plugins.log_lines import MOST_TOLD, stages_of
from jobkit.plugins.registry import PluginRegistry
from tests.cli.harness import CommandLine

if TYPE_CHECKING:
    from tests.logs.conftest import Log


class Plugged:
    """Plugins with processors, in force while a test goes on."""

    def __init__(self) -> None:
        self.registry = PluginRegistry()

    def add(self, name: str, *processors: Any) -> None:
        """One more plugin with these."""

        class Plugin:
            @hookimpl
            def jobkit_log_processors(self) -> list[Any]:
                return [*processors]

        self.registry.register(Plugin(), name, source="project")
        config: Any = None
        use_stages(stages_of(self.registry.hooks.log_processors(config), self.registry))

    def failures(self, name: str) -> int:
        info = self.registry.info(name)
        assert info is not None
        return info.failures


@pytest.fixture
def plugged() -> Iterator[Plugged]:
    yield Plugged()
    use_stages(None)


def region(logger: Any, level: str, line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "region": "eu", "seen": f"{level} {line.get('job')}"}


def nameless(logger: Any, level: str, line: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value).replace("Ada", "A.") for key, value in line.items() if key != "address"}


def broken(logger: Any, level: str, line: dict[str, Any]) -> dict[str, Any]:
    line["half"] = "done"
    raise ValueError("Ada's luck")


def test_lines_of_runs_and_others_are_enriched_and_redacted(program: Log, plugged: Plugged) -> None:
    """Whichever way they were logged; what is kept with a run is what is written."""
    plugged.add("audit", region, LogProcessor(nameless, "redact"))
    get_logger().info("mail to Ada", address="Ada street")
    with RunCapture("0190-run", 1423, "cleanup", "web", 1) as run:
        logging.getLogger("lib").warning("Ada again")
        print("printed for Ada")
        run.logger.info("bound", run="mine")
    outside, *inside = program.events
    assert (outside["event"], outside["region"], outside["seen"]) == ("mail to A.", "eu", "info None")
    assert "address" not in outside
    assert [event["event"] for event in inside] == ["A. again", "printed for A.", "bound"]
    kept = run.drain()
    assert [(line.event, line.fields["region"], line.fields["seen"]) for line in kept] == [
        ("A. again", "eu", "warning cleanup"),
        ("printed for A.", "eu", "info cleanup"),
        ("bound", "eu", "info cleanup"),
    ]
    assert (inside[2]["run"], inside[2]["run_"]) == (1423, "mine")
    assert inside[0]["level"] == "warning"


def test_exceptions_are_redacted_too(program: Log, plugged: Plugged) -> None:
    """The traceback is there as text; without the key it is gone."""
    plugged.add("audit", LogProcessor(nameless, "redact"))
    try:
        raise ValueError("Ada's fault")
    except ValueError:
        get_logger().exception("oops")
    assert "A.'s fault" in program.events[0]["exception"]
    assert "Ada" not in program.text
    plugged.add("more", LogProcessor(lambda _, level, line: {"event": line["event"]}, "redact"))
    get_logger().info("oops", exc_info=ValueError("Ada"), a=1)
    assert "exception" not in program.events[1]
    assert "a" not in program.events[1]


def test_what_processors_give_is_cleaned(program: Log, plugged: Plugged) -> None:
    """Secrets, control characters and objects are not let through at any stage."""
    given = {"password": "hunter2", "text": "\x1b[31m", "object": object()}
    plugged.add("odd", lambda _, level, line: {**line, **given})
    plugged.add("odder", LogProcessor(lambda _, level, line: {**line, **given, 7: "x"}, "redact"))
    get_logger().info("hello")
    [event] = program.events
    assert (event["password"], event["text"], event["7"]) == ("***", "\\x1b[31m", "x")
    assert isinstance(event["object"], str)


@pytest.mark.parametrize("stage", ["enrich", "redact"])
def test_a_processor_that_raises_leaves_the_line_as_it_was(
    stage: Any, program: Log, plugged: Plugged
) -> None:
    """It is counted each time and told once; the others do their part."""
    plugged.add("bad", LogProcessor(broken, stage))
    plugged.add("audit", region, LogProcessor(nameless, "redact"))
    for _ in range(3):
        get_logger().info("hello", rows=1)
    lines = program.events
    assert [line["event"] for line in lines].count("plugin.failed") == 1
    [told] = [line for line in lines if line["event"] == "plugin.failed"]
    assert (told["plugin"], told["hook"]) == ("bad", "log processor broken")
    # What hides something hides it there, too, unless it is what has failed.
    assert ("A.'s" if stage == "enrich" else "Ada's") in told["error"]
    hellos = [line for line in lines if line["event"] == "hello"]
    assert [(line["rows"], line["region"], "half" in line) for line in hellos] == [("1", "eu", False)] * 3
    assert plugged.failures("bad") >= 3
    assert plugged.failures("audit") == 0


@pytest.mark.parametrize(
    "answer",
    [None, "text", 42, [("event", "x")], {"event": 1}.items()],
    ids=lambda answer: type(answer).__name__,
)
def test_nonsense_leaves_the_line_as_it_was(answer: Any, program: Log, plugged: Plugged) -> None:
    """A processor that has forgotten to return the line does not take it away."""
    plugged.add("bad", lambda *_: answer)
    get_logger().info("hello")
    assert "hello" in [line["event"] for line in program.events]
    assert plugged.failures("bad") >= 1


def test_a_coroutine_is_no_processor(program: Log, plugged: Plugged) -> None:
    """Nobody could await it; nobody is warned that nobody has."""

    async def later(*_: Any) -> None: ...

    plugged.add("bad", later)
    get_logger().info("hello")
    assert "hello" in [line["event"] for line in program.events]
    assert plugged.failures("bad") >= 1


def test_processors_that_fail_or_log_do_not_go_round_in_circles(program: Log, plugged: Plugged) -> None:
    """However many there are: each line is written once, and each failure told once."""

    def chatty(logger: Any, level: str, line: dict[str, Any]) -> dict[str, Any]:
        get_logger().info("from a processor")
        return line

    for number in range(5):
        plugged.add(
            f"bad{number}", broken, chatty, LogProcessor(broken, "redact"), LogProcessor(chatty, "redact")
        )
    get_logger().info("hello")
    found = [line["event"] for line in program.events]
    assert found.count("hello") == 1
    assert found.count("plugin.failed") <= 10
    assert len(found) < 300


def test_a_processor_whose_failures_all_differ_is_told_of_a_few_times(program: Log, plugged: Plugged) -> None:
    """A flood of events would be no help; the count goes on."""
    number = iter(range(1000))

    def bad(*_: Any) -> Any:
        raise ValueError(f"number {next(number)}")

    plugged.add("bad", bad)
    for _ in range(100):
        get_logger().info("hello")
    assert [line["event"] for line in program.events].count("plugin.failed") == MOST_TOLD
    assert plugged.failures("bad") >= 100


def test_ctrl_c_passes(program: Log, plugged: Plugged) -> None:
    """It is the user's."""

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    plugged.add("bad", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get_logger().info("hello")


# -- in programs --------------------------------------------------------------------------------------

HOOKS = """\
from jobkit import hookimpl
from jobkit.plugin import LogProcessor


def region(logger, level, line):
    return {**line, "region": "eu"}


def mute(logger, level, line):
    return {**line, "event": line["event"].replace("Ada", "A.")}


@hookimpl
def jobkit_log_processors(config):
    return [region, LogProcessor(mute, stage="redact")]
"""
JOB = """\
import logging

from jobkit import submit_job


@submit_job(executor="EXECUTOR")
def work(ctx):
    ctx.log.info("for Ada")
    logging.getLogger("lib").info("lib for Ada")
    print("print for Ada")
"""


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_a_run_logs_is_written_and_stored_as_processors_left_it(
    executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own too, where each line goes through them once."""
    cli = CommandLine(tmp_path, monkeypatch)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n')
    cli.file("hooks/audit.py", HOOKS)
    cli.file("extensions/web/jobs/work.py", JOB.replace("EXECUTOR", executor))
    ended = cli("run", "work", "--json")
    assert ended.code == 0, ended.err
    written = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    assert {line.get("region") for line in written if line["event"] != "plugin.failed"} == {"eu"}
    stored = cli("logs", "1", "--json").data["lines"]
    assert [(line["event"], line["fields"]["region"]) for line in stored] == [
        ("for A.", "eu"), ("lib for A.", "eu"), ("print for A.", "eu"),
    ]  # fmt: skip
    assert "Ada" not in ended.err


def test_other_verbs_have_them_while_the_project_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong in ``list`` is a log line as well; afterwards the process is as it was before."""
    cli = CommandLine(tmp_path, monkeypatch)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n')
    cli.file("hooks/audit.py", HOOKS)
    report = "\n\n@hookimpl\ndef jobkit_collectreport(report):\n    raise ValueError('Ada')\n"
    cli.file("hooks/bad.py", f"from jobkit import hookimpl\n{report}")
    cli.file("extensions/web/jobs/work.py", JOB.replace("EXECUTOR", "thread"))
    assert cli("list").code == 0
    assert "plugin.failed" in caplog.text
    assert "region=eu" in caplog.text
    caplog.clear()
    get_logger().error("later")
    assert "region" not in caplog.text


def test_without_processors_nothing_is_imported_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``list`` of a project without such plugins does not even import structlog."""
    cli = CommandLine(tmp_path, monkeypatch)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n')
    cli.file("look.py", LOOK)
    ended = cli.process("list", "--plugin", "look")
    assert ended.code == 0, ended.err
    assert "imported: []" in ended.err


LOOK = """\
import sys

from jobkit import hookimpl


@hookimpl
def jobkit_collection_modifyjobs(jobs, config):
    print("imported:", [name for name in ("structlog", "jobkit.logs.stages") if name in sys.modules],
          file=sys.__stderr__)
"""
