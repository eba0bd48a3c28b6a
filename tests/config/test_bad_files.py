"""Every way in which a configuration file can be wrong: code, line, words, advice, and how to mend it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Tree


@dataclass(frozen=True)
class Bad:
    """A file, code and line of its error, pieces of message and advice, and the file mended."""

    text: str
    code: str
    line: int | None
    says: str
    advises: str = ""
    mended: str = ""


SYNTAX = {
    "no quotes": Bad("[project]\nname = shop", "JK201", 2, "Invalid value (column 8)", 'name = "shop"'),
    "no quotes, comment": Bad("[logs]\nlevel = info # less", "JK201", 2, "(column 12)", 'level = "info"'),
    "Python's True": Bad("[scheduler]\nenabled = True", "JK201", 2, "Invalid value", "enabled = true"),
    "no value": Bad("[project]\nname =", "JK201", 2, "Invalid value"),
    "no equals sign": Bad("[project]\nname 'x'", "JK201", 2, "Expected '='"),
    "open bracket": Bad("[project]\npythonpath = ['.',\n", "JK201", 3, "at its end"),
    "open string": Bad('[project]\nname = "shop\n', "JK201", 2, "column 13"),
    "open header": Bad("[project\nname = 'x'", "JK201", 1, "Expected ']'"),
    "two on a line": Bad("[logs]\nlevel='info' format='json'", "JK201", 2, "Expected newline"),
    "bad escape": Bad('[project]\nname = "a\\qb"', "JK201", 2, "Unescaped '\\'"),
    "control character": Bad('[project]\nname = "a\x07b"', "JK201", 2, "Illegal character '\\x07'"),
    "key twice": Bad(
        "[jobs.a]\nenabled = true\n\nenabled = false",
        "JK201",
        4,
        "`jobs.a.enabled` is given twice, first in line 2",
    ),
    "key twice on a line": Bad(
        "[jobs]\na = {tags=[], tags=[]}", "JK201", 2, "`jobs.a.tags` is given twice, both here"
    ),
    "table twice": Bad(
        "[logs]\nlevel='info'\n\n[logs]\n", "JK201", 4, "`logs` is given twice, first in line 1"
    ),
    "dotted over a value": Bad(
        "[jobs.a]\nenabled = true\nenabled.x = 1", "JK201", 3, "Cannot overwrite a value"
    ),
    "deep list": Bad("[plugins.p]\nx = " + "[" * 5000, "JK201", 2, "more than 32 levels"),
    "deep list, closed": Bad("[plugins.p]\nx = " + "[" * 99 + "]" * 99, "JK201", 2, "more than 32 levels"),
    "deep dotted key": Bad("[plugins.p]\n" + "a." * 100_000 + "b = 1", "JK201", 2, "more than 32 levels"),
    "deep header": Bad("\n[" + "a." * 40 + "b]", "JK201", 2, "more than 32 levels"),
    "endless digits": Bad(
        "[scheduler]\n\nmax_concurrent_runs = " + "9" * 5000, "JK201", 3, "too many digits"
    ),
}

CONTENT = {
    "unknown table": Bad(
        "[scheduller]\nx=1", "JK204", 1, "no table [scheduller]", "[scheduler]", "[scheduler]"
    ),
    "table of another table": Bad(
        "[timezone]", "JK204", 1, "no table [timezone]", "belongs into [scheduler]"
    ),
    "strange table": Bad("[xyzzy]", "JK204", 1, "no table [xyzzy]", "[project], [scheduler]"),
    "pyproject's spelling": Bad("[tool.jobkit.logs]", "JK204", 1, "no table [tool]", "at the top"),
    "no table": Bad("logs = 'json'", "JK205", 1, "[logs]: a table is expected, not text"),
    "unknown key": Bad(
        "[project]\n\nnmae='x'", "JK204", 3, "[project] has no key `nmae`", "`name`", "[project]\nname='x'"
    ),
    "key of another table": Bad(
        "[logs]\nstore='x'", "JK204", 2, "no key `store`", "belongs into [scheduler]"
    ),
    "strange key": Bad("[logs]\nxyzzy=1", "JK204", 2, "no key `xyzzy`", "there are format, level"),
    "text for a number": Bad(
        "[scheduler]\nmax_concurrent_runs='5'",
        "JK205",
        2,
        "[scheduler] max_concurrent_runs: a whole number is expected, not text",
        mended="[scheduler]\nmax_concurrent_runs=5",
    ),
    "truth for a number": Bad("[scheduler]\nmax_concurrent_runs=true", "JK205", 2, "not true or false"),
    "number for a flag": Bad("[scheduler]\nenabled=1", "JK205", 2, "true or false is expected, not a whole"),
    "text for a list": Bad(
        "[scheduler]\nstartup='a'", "JK205", 2, "a list of text", mended="[scheduler]\nstartup=['a']"
    ),
    "number in a list": Bad("[scheduler]\nstartup=['a', 2]", "JK205", 2, "item 2: text is expected"),
    "date for text": Bad("[project]\nname=2026-01-01", "JK205", 2, "text is expected, not a date"),
    "table for text": Bad("[project.name]\nx=1", "JK205", 1, "[project] name: text is expected, not a table"),
    "flag for a duration": Bad("[scheduler]\nlease=true", "JK205", 2, "a duration like '90s'"),
    "text in limits": Bad("[scheduler]\n[scheduler.limits]\ndb='2'", "JK205", 3, "limits.db: a whole number"),
    "array of tables": Bad(
        "[[scheduler]]\nlease='1s'", "JK205", 1, "[scheduler]: a table is expected, not a list"
    ),
    "no duration": Bad("[scheduler]\nlease='soon'", "JK206", 2, "'soon' is not a duration"),
    "duration too short": Bad("[scheduler]\nlease='10ms'", "JK206", 2, "between 1s and 10m, and 10ms"),
    "number too large": Bad("[scheduler]\nmax_concurrent_runs=100001", "JK206", 2, "between 1 and 100,000"),
    "zero limit": Bad("[scheduler]\nlimits={db=0}", "JK206", 2, "[scheduler] limits.db: it lies between"),
    "no zone": Bad("[scheduler]\ntimezone='Europe/Berln'", "JK206", 2, "did you mean `Europe/Berlin`"),
    "no such word": Bad(
        "[logs]\nformat='jsn'", "JK206", 2, 'did you mean "json"?', mended="[logs]\nformat='json'"
    ),
    "level in capitals": Bad("[logs]\nlevel='INFO'", "JK206", 2, 'did you mean "info"?'),
    "folder outside": Bad("[project]\nextensions='../x'", "JK206", 2, "not a path below the project's root"),
    "no address": Bad("[scheduler]\nprobes='9464'", "JK206", 2, "an address like"),
    "infinity": Bad("[scheduler]\nlease=inf", "JK206", 2, "a finite number is expected, not inf"),
    "not a number, deep": Bad(
        "[plugins.p]\na=[1,\n {b=nan}]", "JK206", 3, "[plugins.p] a.1.b: a finite number"
    ),
    "more than 64 bits": Bad(f"[jobs.a]\nparameters={{n={2**63}}}", "JK206", 2, "at most 64 bits"),
    "NUL": Bad('[project]\nname="a\\u0000b"', "JK206", 2, "NUL character"),
    "line feed in a name": Bad('[project]\nname="a\\nb"', "JK206", 2, "cannot be printed"),
    "no job's name": Bad("[jobs.Cleanup]", "JK204", 1, "write 'cleanup'"),
    "job is no table": Bad("[jobs]\na=true", "JK205", 2, "[jobs.a]: a table is expected"),
    "unknown option": Bad(
        "[jobs.a]\nenabeld=true",
        "JK204",
        2,
        "[jobs.a] has no key `enabeld`",
        "`enabled`",
        "[jobs.a]\nenabled=true",
    ),
    "name from elsewhere": Bad("[jobs.a]\ncron='* * * * * *'", "JK204", 2, "no key `cron`", "`schedule`"),
    "option of code": Bad("[jobs.a]\nname='b'", "JK204", 2, "name: it can only be given in code", "remove"),
    "option's type": Bad("[jobs.a]\nenabled='yes'", "JK205", 2, "[jobs.a] enabled: true or false"),
    "parameters are a table": Bad("[jobs.a]\nparameters=3", "JK205", 2, "[jobs.a] parameters: a table"),
    "key of retries": Bad(
        "[jobs.a]\nretries={dely='1s'}", "JK204", 2, "retries has no key `dely`", "`delay`"
    ),
    "exceptions in a file": Bad("[jobs.a]\nretries={on=['OSError']}", "JK204", 2, "retries has no key `on`"),
    "type in retries": Bad("[jobs.a]\n[jobs.a.retries]\nretries=3\ndelay=[]", "JK205", 4, "retries.delay:"),
    "key of expect": Bad("[jobs.a]\nexpect={min=3}", "JK204", 2, "expect has no key `min`", "min_processed"),
    "who changed it, by hand": Bad("[jobs.a]\nchanged={by='x'}", "JK204", 2, "no key `changed`"),
    "plugin is no table": Bad("[plugins]\nwebhook='x'", "JK205", 2, "[plugins.webhook]: a table"),
}

FILES = {
    "Latin-1": (b'[project]\nname = "caf\xe9"', 2, "not UTF-8: byte 0xe9"),
    "UTF-16": ("[project]".encode("utf-16"), None, "it is UTF-16"),
    "too large": (b"#" * (1024 * 1024 + 1), None, "larger than 1,024 KiB"),
}


@pytest.mark.parametrize("name", [*SYNTAX, *CONTENT])
def test_each_mistake_has_its_place(tree: Tree, name: str) -> None:
    """One error, with file, line, words that say what is wrong, and advice where there is some."""
    bad = (SYNTAX | CONTENT)[name]
    path = tree.write("services/scheduler/config.toml", bad.text)
    (error,) = tree.errors()
    assert (error.code, error.path, error.line) == (bad.code, path, bad.line)
    assert bad.says in error.message
    assert bad.advises in (error.help or "")
    assert "\n" not in error.message
    assert error.message.isprintable()


@pytest.mark.parametrize("name", [name for name, bad in CONTENT.items() if bad.mended])
def test_following_the_advice_helps(tree: Tree, name: str) -> None:
    """The file with the advice applied is read."""
    tree.write("services/scheduler/config.toml", CONTENT[name].mended)
    assert len(tree.load().files) == 2


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_text(tree: Tree, name: str) -> None:
    """JK203 says what the file is instead, and with UTF-8 text in its place it is read."""
    content, line, says = FILES[name]
    tree.write("jobkit.toml", content)
    (error,) = tree.errors()
    assert (error.code, error.line) == ("JK203", line)
    assert says in error.message
    assert error.help
    tree.write("jobkit.toml", '[project]\nname = "café"')
    assert tree.load().project.name == "café"


def test_what_is_no_regular_file_is_not_opened(tree: Tree) -> None:
    """A named pipe would be waited for, a folder cannot be read, a link to nothing or to itself either."""
    path = tree.root / "services" / "scheduler" / "config.toml"
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert "not a regular file" in tree.errors()[0].message
    path.unlink()
    path.mkdir()
    assert "not a regular file" in tree.errors()[0].message
    path.rmdir()
    path.symlink_to("nowhere.toml")
    assert "a link to nothing" in tree.errors()[0].message
    path.unlink()
    path.symlink_to("config.toml")
    (error,) = tree.errors()
    assert (error.code, error.path) == ("JK203", path)
    path.unlink()
    assert tree.load()


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tree: Tree) -> None:
    """What editors on Windows write is read, and lines are counted right."""
    tree.write("jobkit.toml", b"\xef\xbb\xbf[project]\r\n\r\nname = 'x'\r\n")
    config = tree.load()
    assert config.project.name == "x"
    assert config.origin("project.name").line == 3


def test_a_file_through_a_link_is_fine(tree: Tree) -> None:
    """Containers mount configuration as links."""
    real = tree.write("data/real.toml", "[logs]\nlevel = 'debug'")
    tree.write("services/scheduler/x")
    (tree.root / "services/scheduler/config.toml").symlink_to(real)
    assert tree.load().logs.level == "debug"


def test_all_mistakes_of_all_files_at_once(tree: Tree) -> None:
    """Nobody wants to learn of them one by one: file by file, each in the order of its lines."""
    tree.write("jobkit.toml", "[logs]\nlevl='info'\nformat=3\n[project]\nname=4")
    tree.write("services/scheduler/config.toml", "[scheduler\n")
    tree.write("services/scheduler/config.staging.toml", "[scheduler]\nlimits={a=0,b='x'}\n[jobz]")
    found = [
        (error.path.name if error.path else None, error.line, error.code)
        for error in tree.errors("staging", {"JOBKIT__LOGS__LEVEL": "7"})
    ]
    assert found == [
        ("jobkit.toml", 2, "JK204"),
        ("jobkit.toml", 3, "JK205"),
        ("jobkit.toml", 5, "JK205"),
        ("config.toml", 1, "JK201"),
        ("config.staging.toml", 2, "JK206"),
        ("config.staging.toml", 2, "JK205"),
        ("config.staging.toml", 3, "JK204"),
        (None, None, "JK206"),
    ]


def test_values_of_jobs_are_not_configuration_errors(tree: Tree) -> None:
    """A bad value harms its own job only; reading the configuration does not even mention it."""
    tree.write("jobkit.toml", "[jobs.a]\ntimeout='soon'\noverlap='never'\nschedule='x'\npriority=9999999")
    assert tree.load().jobs["a"]["timeout"].value == "soon"


def test_text_of_strangers_is_escaped(tree: Tree) -> None:
    """Keys reach a terminal in messages: control characters in them become visible, and length is bounded."""
    tree.write("jobkit.toml", '[logs]\n"a\\u001b[2J\\nb" = 1\n"' + "k" * 5000 + '" = 1')
    first, second = tree.errors()
    assert "`a\\x1b[2J\\nb`" in first.message
    assert len(second.message) < 300
