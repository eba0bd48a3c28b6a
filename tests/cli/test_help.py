"""Help texts: every verb teaches in the same form, and what topics say is true."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.instants import parse_instant
from jobkit.cli.main import program
from jobkit.cli.topics import all_topics, topic
from jobkit.config import known_environments
from jobkit.schedules import parse_schedule
from tests.cli.harness import NOW, CommandLine


def _leaves(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if name:
        yield " ".join(name), command
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            child = command.get_command(click.Context(command), each)
            assert child is not None
            yield from _leaves(child, (*name, each))


VERBS = dict(_leaves(program))


@pytest.mark.parametrize("verb", VERBS)
def test_one_form_of_help(anywhere: CommandLine, verb: str) -> None:
    """Usage, a sentence, examples before everything else; the options that all verbs have in one line."""
    shown = anywhere(*verb.split(), "--help")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].startswith(f"Usage: jobkit {verb} ")
    assert lines[2].startswith("  ")
    assert re.search(r"\S\.(\s|$)", shown.out)
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings[0] == "Examples:"
    assert headings[-1] == "Everywhere:"
    assert lines[-1] == "  -C DIR, --env NAME (JOBKIT_ENV), --json, --strict, -q, -v   (jobkit --help)"
    assert max(map(len, lines)) <= 80 or "next" in verb  # its examples are to be copied whole


@pytest.mark.parametrize("verb", VERBS)
def test_examples_parse(verb: str) -> None:
    """Every example is a command line of that verb with options that exist."""
    for line, _ in getattr(VERBS[verb], "examples", ()):
        plain = re.split(r" [|>] ", line.removeprefix('eval "$(').removesuffix(')"'))[0]
        words = shlex.split(plain)
        assert words[0] == "jobkit"
        assert words[1 : 1 + len(verb.split())] == verb.split()
        _parse(program, words[1:], None)


def _parse(command: click.Command, words: list[str], parent: click.Context | None) -> None:
    """UsageError for an option or a verb that does not exist, or an argument too many."""
    ctx = command.make_context("jobkit", words, parent=parent)
    rest = [*ctx._protected_args, *ctx.args]
    if isinstance(command, click.Group) and rest:
        _, child, rest = command.resolve_command(ctx, rest)
        assert child is not None
        _parse(child, rest, ctx)


@pytest.mark.parametrize("group", ["db", "new"])
def test_a_group_alone_shows_its_verbs(anywhere: CommandLine, group: str) -> None:
    """As ``jobkit`` alone does; a mistyped verb of it is JK801 with the closest."""
    assert anywhere(group).code == 0
    assert anywhere(group).out == anywhere(group, "--help").out
    known = VERBS[group]
    assert isinstance(known, click.Group)
    first = known.list_commands(click.Context(known))[0]
    ended = anywhere(group, first[:-1] + "x")
    assert ended.code == 4
    assert "error[JK801]: there is no verb" in ended.err
    assert f"did you mean `jobkit {group} {first}`?" in ended.err


def test_the_main_help_names_every_topic(anywhere: CommandLine) -> None:
    """Whoever reads the table of verbs sees which topics there are."""
    [line] = [line for line in anywhere("--help").out.splitlines() if line.startswith("  help ")]
    assert set(re.split(r"[ ,:]+", line)) >= set(all_topics())


def page(name: str) -> str:
    text = topic(name)
    assert text is not None
    return text


def test_schedules_of_the_topic(cli: CommandLine) -> None:
    """Each schedule that the page shows is accepted, and so are those in its prose; its command works."""
    rows = [
        line.strip("| ").split(" | ") for line in page("schedules").splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 8
    for written, _ in rows:
        assert parse_schedule(written.strip("`"), name="any") is not None
    for word in re.findall(r"`(@\w+|\d+[smhd](?:\d+m)?)`", page("schedules")):
        assert parse_schedule(word if word.startswith("@") else f"every {word}") is not None
    [command] = re.findall(r"^jobkit (next .*)$", page("schedules"), flags=re.MULTILINE)
    assert cli(*shlex.split(command)).code == 0


def test_clock_changes_are_as_the_topic_says(cli: CommandLine) -> None:
    """Right after the missing hour in spring; once in autumn."""
    zone = ZoneInfo("Europe/Berlin")
    daily = parse_schedule("0 30 2 * * *", timezone="Europe/Berlin")
    assert daily is not None
    spring = daily.upcoming(parse_instant("2027-03-27 12:00", NOW, zone), 1)
    assert [f"{each.astimezone(zone):%d %H:%M}" for each in spring] == ["28 03:00"]
    autumn = daily.upcoming(parse_instant("2027-10-30 12:00", NOW, zone), 2)
    assert [f"{each.astimezone(zone):%d}" for each in autumn] == ["31", "01"]


def test_every_exit_code_is_on_its_page() -> None:
    """The table lists the codes that the program knows, no other."""
    listed = re.findall(r"^\| (\d) \|", page("exit-codes"), flags=re.MULTILINE)
    assert [int(code) for code in listed] == [int(code) for code in ExitCode]


def test_layers_of_the_topic(cli: CommandLine) -> None:
    """The files and the variable that the page names are read, and the later wins."""
    text = page("environments")
    [block] = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)
    for part in re.split(r"^# ", block, flags=re.MULTILINE)[1:]:
        path, _, content = part.partition("\n")
        cli.file(path, content)
    cli.file(
        "extensions/web/jobs/x.py",
        "from jobkit import submit_job\n\n\n@submit_job\ndef cleanup_old_records(ctx): ...\n",
    )
    assert known_environments(cli.root) == ["production"]
    shown = cli("show", "cleanup_old_records", "--env", "production", "--json").data
    assert shown["schedule"] == "0 0 3 * * *"
    assert shown["enabled_by"].endswith("services/scheduler/config.production.toml:2")
    assert not shown["enforce"]
    [variable] = re.findall(r"`(JOBKIT__JOBS__\w+)=false`", text)
    ended = cli.process("list", "--env", "production", "--json", environ={variable: "false"})
    assert [job["enabled"] for job in ended.data] == [False]
    for name in re.findall(r"`(services/scheduler/[\w.]+|overrides\.\w+\.toml)`", text):
        assert Path(name).suffix == ".toml"


def test_selections_of_the_topic(cli: CommandLine) -> None:
    """Every form of selection that the page shows runs what it says."""
    for extension, name, tags in (
        ("web", "cleanup", "slow"),
        ("web", "ingest", "quick"),
        ("shop", "mail", "quick"),
    ):
        cli.file(
            f"extensions/{extension}/jobs/{name}.py",
            f'from jobkit import submit_job\n\n\n@submit_job(tags=["{tags}"])\ndef {name}(ctx): ...\n',
        )
    ran = {}
    for command in re.findall(r"^\| `jobkit (run .*?)` \|", page("selection"), flags=re.MULTILINE):
        words = shlex.split(command)
        ended = cli(*words, "--json") if "--dry-run" not in words else cli(*words)
        ran[command] = sorted(run["job"] for run in ended.data) if "--dry-run" not in words else ended.code
    assert ran == {
        "run cleanup ingest": ["cleanup", "ingest"],
        "run extensions/web --tag 'not slow'": ["ingest"],
        "run --ext web --failed": [],
        "run --all -j 4 -x": ["cleanup", "ingest", "mail"],
        "run 'clean*' --dry-run": 0,
    }
