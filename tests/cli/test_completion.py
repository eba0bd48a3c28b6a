"""``completion``: what a TAB offers, in a real bash too, and that it neither runs nor writes anything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from jobkit.cli.completion import SHELLS, VARIABLE, answer_tab
from jobkit.cli.globals import GlobalOptions
from jobkit.cli.main import VERBS, program
from tests.cli.harness import CommandLine, Ended, Stream
from tests.cli.shapes import checked

JOBS_OF_THE_SHOP = ["cleanup_old_records", "close_month", "ingest_content", "prerender_site", "send_invoices"]
ALL_VERBS = [verb for verbs in VERBS.values() for verb in verbs]


def tab(cli: CommandLine, *words: str, asked_by: str = "bash") -> list[str]:
    """What a TAB at the end of ``jobkit WORDS`` offers; an empty last word is a blank before the TAB."""
    ended = answered(cli, *words, asked_by=asked_by)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert all(line.startswith("plain,") for line in lines if line)
    return [line.removeprefix("plain,") for line in lines if line]


def answered(cli: CommandLine, *words: str, asked_by: str = "bash") -> Ended:
    """What the shell is told, in this process: :func:`asked` has the command do it."""
    out, err = Stream(), Stream()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cli.root)
        for name, value in _variables(words, asked_by).items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = answer_tab(program, f"{asked_by}_complete", GlobalOptions())
    return Ended(code, out.text, err.text)


def asked(cli: CommandLine, *words: str, asked_by: str = "bash") -> Ended:
    """What the command tells the shell, as a process of its own."""
    return cli.process(environ=_variables(words, asked_by))


def _variables(words: Sequence[str], asked_by: str) -> dict[str, str]:
    return {
        VARIABLE: f"{asked_by}_complete",
        "COMP_WORDS": " ".join(["jobkit", *words]),
        "COMP_CWORD": words[-1] if asked_by == "fish" else str(len(words)),
    }


@pytest.fixture
def known(shop: CommandLine) -> CommandLine:
    """The project with a past, after a collection: its index is there."""
    assert shop("list").code == 0
    shop.file("services/scheduler/config.production.toml", "")
    shop.file("services/scheduler/config.staging.toml", "")
    return shop


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ch"], ["check"]),
        ([""], ALL_VERBS),
        (["run", ""], JOBS_OF_THE_SHOP),
        (["run", "cl"], ["cleanup_old_records", "close_month"]),
        (["run", "close_month", "se"], ["send_invoices"]),
        (["--env", "production", "show", "in"], ["ingest_content"]),
        (["history", "--job", "in"], ["ingest_content"]),
        (["history", "--status", "s"], ["skipped", "succeeded"]),
        (["history", "--trigger", "ma"], ["manual"]),
        (["list", "--tag", ""], ["content", "nightly", "retention", "slow"]),
        (["run", "--ext", ""], ["billing", "web"]),
        (["run", "--env", ""], ["production", "staging"]),
        (["--env", "st"], ["staging"]),
        (["db", ""], ["dead-letters", "export", "forget-sink", "prune", "status", "upgrade"]),
        (["db", "dead-letters", "--re"], ["--replay"]),
        (["pl"], ["plugins"]),
        (["ser"], ["services"]),
        (["ho"], ["hooks"]),
        (["hooks", "run_a"], ["run_admit"]),
        (["hooks", "jobkit_run_f"], ["jobkit_run_finished"]),
        (["services", "--job", "in"], ["ingest_content"]),
        (["plugins", "--js"], ["--json"]),
        (["plugins", "--trace"], ["--trace-hooks"]),
        (["run", "--dr"], ["--dry-run"]),
        (["run", "--js"], ["--json"]),
        (["--ver"], ["--verbose", "--version"]),
        (["explain", "jk80"], [f"JK80{digit}" for digit in range(1, 10)]),
        (["help", "ex"], ["exit-codes", "explain"]),
        (["completion", ""], ["bash", "zsh", "fish", "powershell"]),
        (["logs", ""], ["last"]),
        (["stats", "pre"], ["prerender_site"]),
        (["nosuch", "x"], []),
        (["run", "--nosuch", "cl"], ["cleanup_old_records", "close_month"]),
    ],
)  # fmt: skip
def test_what_a_tab_offers(known: CommandLine, words: list[str], offered: list[str]) -> None:
    """Verbs, options, and every name that can be known without running code of the project."""
    assert sorted(tab(known, *words)) == sorted(offered)


@pytest.mark.parametrize(("words", "asked_by"), [(["run", "cl"], "bash"), (["run", "close"], "zsh")])
def test_the_command_answers_the_shell(known: CommandLine, words: list[str], asked_by: str) -> None:
    """Asked by its variable, the program itself says what the other cases here look at."""
    told = asked(known, *words, asked_by=asked_by)
    assert (told.code, told.err) == (0, "")
    assert "close_month" in told.out
    assert told == answered(known, *words, asked_by=asked_by)


def test_files_are_left_to_the_shell(known: CommandLine) -> None:
    """Where a path is wanted, the answer only says so."""
    for words in (["run", "extensions/we"], ["new", "job", "ext"], ["db", "export", "-o", "x"]):
        assert answered(known, *words).out.startswith("file,")
    for words in (["init", "de"], ["-C", "x"]):
        assert answered(known, *words).out.startswith("dir,")


def test_the_project_may_be_elsewhere(known: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-C`` on the line is obeyed; without a project there are just no names."""
    elsewhere = CommandLine(known.root.parent, monkeypatch)
    assert tab(elsewhere, "run", "cl") == []
    assert tab(elsewhere, "-C", "shop", "run", "clo") == ["close_month"]
    assert tab(elsewhere, "run", "-C", "shop", "clo") == ["close_month"]


def test_a_tab_runs_and_writes_nothing(known: CommandLine) -> None:
    """No job file is imported, whatever is new in it; nothing changes below the root; no word on stderr."""
    known.file("extensions/web/jobs/loud.py", "print('imported')\nraise SystemExit('imported')\n")
    (known.root / "jobkit.toml").write_text("not [ toml", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in known.root.rglob("*")}
    assert asked(known, "run", "clo").out.split() == ["plain,close_month"]
    assert tab(known, "--env", "") == ["production", "staging"]
    assert {path: path.stat().st_mtime_ns for path in known.root.rglob("*")} == before


def test_a_damaged_index_offers_nothing(known: CommandLine) -> None:
    """The index is a hint: without one, or with a broken one, there are no names and no error."""
    (known.root / ".jobkit/index.json").write_bytes(b"\xff{]")
    assert tab(known, "run", "cl") == []
    (known.root / ".jobkit/index.json").unlink()
    assert tab(known, "run", "cl") == []


def test_a_tab_imports_neither_jobs_nor_what_jobs_need(known: CommandLine) -> None:
    """croniter, asyncio, SQLite and structlog have no part in a TAB; for verbs not even a verb has."""
    probe = (
        "import sys\nfrom jobkit.cli.completion import answer_tab\n"
        "from jobkit.cli.main import GlobalOptions, program\n"
        "answer_tab(program, 'bash_complete', GlobalOptions())\nprint(*sys.modules, file=sys.stderr)\n"
    )
    for line, number in (("jobkit run cl", 2), ("jobkit h", 1)):
        done = subprocess.run(
            [sys.executable, "-c", probe],
            cwd=known.root,
            env=known.environ(COMP_WORDS=line, COMP_CWORD=str(number)),
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = set(done.stderr.split())
        assert not loaded & {"croniter", "asyncio", "sqlite3", "structlog", "jobkit_ext"}
        if number == 1:
            assert not [name for name in loaded if name.startswith("jobkit.cli.verbs.")]
            assert done.stdout.split() == ["plain,history", "plain,hooks", "plain,health", "plain,help"]
        else:
            assert done.stdout.split() == ["plain,cleanup_old_records", "plain,close_month"]


@pytest.mark.parametrize(("shell", "lines"), [("zsh", 3), ("powershell", 3), ("fish", 1)])
def test_other_shells_get_descriptions(known: CommandLine, shell: str, lines: int) -> None:
    """zsh, PowerShell and fish show what a job does beside its name, each in the form it reads."""
    text = answered(known, "run", "close", asked_by=shell).out
    assert len(text.splitlines()) == lines
    assert "close_month" in text
    assert "Close the books of the month." in text


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts(anywhere: CommandLine, shell: str) -> None:
    """Each script asks the program by its variable; it needs no project, and is there as data too."""
    shown = anywhere("completion", shell)
    assert (shown.code, shown.err) == (0, "")
    assert f"{shell}_complete" in shown.out
    assert VARIABLE in shown.out
    assert checked(anywhere("completion", shell, "--json")).data.script == shown.out


def test_an_unknown_shell(anywhere: CommandLine) -> None:
    """A shell that there is no script for is a usage error that names those there are."""
    ended = anywhere("completion", "tcsh")
    assert ended.code == 4
    assert all(shell in ended.err for shell in SHELLS)
    assert asked(anywhere, "ru", asked_by="tcsh").code == 1


def test_in_a_real_bash(known: CommandLine, tmp_path: Path) -> None:
    """A person types half a name and TAB in an interactive bash, and the job's name is on the line."""
    commands = tmp_path / "bin"
    commands.mkdir()
    starter = commands / "jobkit"
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobkit "$@"\n', encoding="utf-8")
    starter.chmod(0o755)
    typed = 'eval "$(jobkit completion bash)"; PS1=\nset -o emacs\njobkit run clean\t--dr\t\nexit\n'
    environ = known.environ(PATH=f"{commands}{os.pathsep}{os.environ['PATH']}", TERM="dumb")
    done = subprocess.run(
        ["bash", "--norc", "--noprofile", "-i"],
        input=typed,
        cwd=known.root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "would run" in done.stdout, done.stdout + done.stderr


def test_every_parameter_that_names_something_completes() -> None:
    """An argument or option whose value is a job, a run, a file, ... says what a TAB offers for it."""
    named = {"NAME", "SELECT", "RUN", "CODE", "TOPIC", "PATH", "DIR", "FILE", "STATUS", "TRIGGER"}
    ctx = click.Context(program, info_name="jobkit")
    missing = []
    for name, command in _commands(program, ctx, ()):
        for param in command.params:
            word = (param.make_metavar(click.Context(command))).strip("[].")
            if word in named and param._custom_shell_complete is None:
                missing.append(f"{' '.join(name)} {word}")
    assert missing == []


def _commands(
    command: click.Command, ctx: click.Context, name: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    found = []
    for each in command.list_commands(ctx):
        child = command.get_command(ctx, each)
        assert child is not None
        found += _commands(child, ctx, (*name, each))
    return found
