"""One clear error for a broken file: its line, the reason, what to do, and frames of the user's code only."""

# ruff: noqa: E501 - a row of a table stays on its line
from __future__ import annotations

import re
from pathlib import Path

import pytest

import jobkit
from tests.collection.conftest import JOB, ProjectFolder, only

JOBS = "extensions/web/jobs"
OURS = str(Path(jobkit.__file__).parent)


def test_frames_are_the_users_only(project: ProjectFolder) -> None:
    """From the body through a helper to the line that failed; nothing of jobkit, importlib, the library."""
    project.file("extensions/web/lib/tool.py", "import json\ndef load(text):\n    return json.loads(text)\n")
    project.file(f"{JOBS}/work.py", "from ..lib.tool import load\n\nROWS = load('{')\n")
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK101", 3)
    assert error.message.startswith("JSONDecodeError: Expecting property name")
    frames = re.findall(r'File "(.*)", line (\d+), in (.*)', error.traceback)
    assert frames == [
        (f"{project.root}/{JOBS}/work.py", "3", "<module>"),
        (f"{project.root}/extensions/web/lib/tool.py", "3", "load"),
    ]
    assert "    ROWS = load('{')" in error.traceback
    assert error.traceback.endswith("(char 1)")


def test_a_broken_helper_is_an_error_at_the_import(project: ProjectFolder) -> None:
    """The line is that of the job file; the traceback leads to the helper's."""
    project.file(f"{JOBS}/_helper.py", "\n\nx = 1 / 0\n")
    project.file(f"{JOBS}/work.py", "\nfrom . import _helper\n")
    error = only(project.collect().errors)
    assert (error.path.name, error.line) == ("work.py", 2)
    assert f'{JOBS}/_helper.py", line 3, in <module>' in error.traceback


def test_syntax_is_shown_where_it_is_wrong(project: ProjectFolder) -> None:
    """The line of the error, with the caret, and no frames at all (JK102)."""
    path = project.file(f"{JOBS}/work.py", "x = 1\ny = = 2\n")
    error = only(project.collect().errors)
    assert (error.code, error.line, error.message) == ("JK102", 2, "SyntaxError: invalid syntax")
    assert "y = = 2" in error.traceback
    assert "^" in error.traceback
    assert OURS not in error.traceback
    path.write_text(JOB.format(name="work"), encoding="utf-8")
    assert project.collect().errors == []


def test_syntax_of_a_helper(project: ProjectFolder) -> None:
    """Named with its place; the error's own line is that of the import."""
    project.file(f"{JOBS}/_helper.py", "\ndef broken(:\n")
    project.file(f"{JOBS}/work.py", "\n\nfrom . import _helper\n")
    error = only(project.collect().errors)
    assert (error.code, error.path.name, error.line) == ("JK102", "work.py", 3)
    assert error.message.startswith(f"{JOBS}/_helper.py:2: SyntaxError: ")


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        (b"x = 1\ny = '\xe9'\n", 2, "not valid utf-8: byte 0xe9"),
        (b"x = 1\n\n'caf\xe9'\n", 3, "not valid utf-8"),
        ("x = 'é'\n".encode("utf-16"), 1, "not valid utf-8"),
        (b"# coding: no-such-encoding\nx = 1\n", 1, "unknown encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", 1, "encoding"),
        (b"x = 1\ny = '\0'\n", 2, "NUL byte"),
        (b"# coding: ascii\nx = '\xc3\xa9'\n", 2, "not valid ascii"),
    ],
)
def test_bytes_that_are_no_text(project: ProjectFolder, content: bytes, line: int, word: str) -> None:
    """The line of the byte that is wrong, and how to save the file (JK103)."""
    path = project.file(f"{JOBS}/work.py", content)
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK103", line)
    assert word in error.message
    assert "UTF-8" in error.help
    path.write_text(JOB.format(name="work"), encoding="utf-8")
    assert project.collect().errors == []


@pytest.mark.parametrize(
    "content",
    [
        "# coding: latin-1\nx = 'é'\n".encode("latin-1"),
        b"\xef\xbb\xbfx = 1\n",
        b"x = 1\r\ny = 2\r\n",
        b"x = 1\ry = 2\r",
        b"\x0cx = 1\n\x0c\n",
        b"x = 1",
        b"#!/usr/bin/env python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n",
    ],
)
def test_bytes_that_are_text(project: ProjectFolder, content: bytes) -> None:
    """Declared encodings, a byte order mark, any line ends, form feeds, no last line end."""
    end = b"\r" if content.endswith(b"\r") else b"\n"
    job = JOB.format(name="work").encode().replace(b"\n", end)
    project.file(f"{JOBS}/work.py", content + end + job)
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import sys\nsys.exit(3)\n", "sys.exit(3) was called"),
        ("import sys\nsys.exit()\n", "sys.exit() was called"),
        ("import sys\nsys.exit('bye')\n", "sys.exit(bye) was called"),
        ("\nraise GeneratorExit\n", "GeneratorExit was raised"),
        ("import asyncio\nraise asyncio.CancelledError\n", "CancelledError was raised"),
        ("class Own(BaseException): ...\nraise Own('mine')\n", "Own: mine was raised"),
    ],
)
def test_a_file_cannot_end_the_program(project: ProjectFolder, source: str, message: str) -> None:
    """Whatever it raises is its own error (JK105)."""
    path = project.file(f"{JOBS}/work.py", source)
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK105", 2)
    assert error.message.startswith(message)
    path.write_text(f"if __name__ == '__main__':\n    {source.splitlines()[1]}\n" + JOB.format(name="work"))
    assert project.collect().errors == []


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = " + "(" * 300 + "1" + ")" * 300 + "\n", None),
        ("x = " + "-" * 100_000 + "1\n", None),
        ("x = " + "+".join(["1"] * 100_000) + "\n", None),
        ("def f():\n    return f()\nf()\n", 3),
        ("x = bytearray(2**62)\n", 1),
    ],
)
def test_too_much_of_it(project: ProjectFolder, source: str, line: int | None) -> None:
    """Too deep for the compiler, too deep for the stack, too large for the memory (JK107, JK102)."""
    path = project.file(f"{JOBS}/work.py", source)
    project.job("fine")
    result = project.collect()
    error = only(result.errors)
    assert error.code in ("JK107", "JK102")
    assert list(result.jobs) == ["fine"]
    assert len(error.traceback or "") < 20_000
    if error.code == "JK107" and line is not None:
        assert error.line is not None
    path.write_text(JOB.format(name="work"), encoding="utf-8")
    assert project.collect().errors == []


def test_texts_are_bounded_and_harmless(project: ProjectFolder) -> None:
    """Twenty megabytes of message, control characters, lone surrogates, a hundred thousand frames."""
    source = "raise ValueError('\\x1b[31m\\r\\u202e\\ud800' + 'x' * 20_000_000)\n"
    project.file(f"{JOBS}/long.py", source)
    deep = (
        "import sys\nsys.setrecursionlimit(5000)\ndef f(n):\n    return f(n - 1) if n else 1 / 0\nf(4000)\n"
    )
    project.file(f"{JOBS}/deep.py", deep)
    deep_error, long_error = project.collect().errors
    assert len(long_error.message) <= 500
    assert len(long_error.traceback or "") <= 16 * 1024
    for text in (long_error.message, long_error.traceback or ""):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
        text.encode()
    assert "frames left out" in (deep_error.traceback or "")
    assert (deep_error.line, len(deep_error.traceback or "") < 4000) == (4, True)


@pytest.mark.parametrize(
    "source",
    [
        "class Evil(Exception):\n    def __str__(self): raise SystemExit\nraise Evil\n",
        "class Evil(Exception):\n    def __str__(self): return 1\nraise Evil\n",
        "class Evil(Exception):\n    __str__ = None\nraise Evil\n",
        "class Evil(Exception):\n    def __str__(self): return self.__str__()\nraise Evil\n",
        "class Evil(Exception):\n    @property\n    def __context__(self): 1 / 0\nraise Evil\n",
        "class M(type):\n    __qualname__ = property(lambda c: 1 / 0)\nclass Evil(Exception, metaclass=M): ...\nraise Evil\n",
        "error = SyntaxError()\nerror.lineno = 'x'\nerror.msg = object()\nraise error\n",
        "error = ImportError()\nerror.name = object()\nraise error\n",
        "error = OSError()\nerror.filename = object()\nraise error\n",
        "error = ValueError('x')\nerror.__cause__ = error\nraise error\n",
        "exec(compile('1 / 0', '/dev/zero', 'exec'))\n",
        "exec(compile('1 / 0', '\\x1b[31m', 'exec'))\n",
        "raise ExceptionGroup('all', [ValueError(i) for i in range(1000)])\n",
    ],
)
def test_errors_that_fight_back(project: ProjectFolder, source: str) -> None:
    """An exception class can override anything: there is an error all the same, at the file."""
    project.file(f"{JOBS}/evil.py", source)
    project.job("fine")
    result = project.collect()
    error = only(result.errors)
    assert error.path.name == "evil.py"
    assert error.code.startswith("JK10")
    assert error.message
    assert list(result.jobs) == ["fine"]


def test_a_chain_of_errors_is_told(project: ProjectFolder) -> None:
    """The cause comes before what it caused, with the words that Python has for it."""
    source = "try:\n    {}['key']\nexcept KeyError as error:\n    raise ValueError('no setting') from error\n"
    project.file(f"{JOBS}/work.py", source)
    error = only(project.collect().errors)
    assert (error.line, error.message) == (4, "ValueError: no setting")
    cause, _, effect = error.traceback.partition("direct cause of the following exception")
    assert "KeyError: 'key'" in cause
    assert "ValueError: no setting" in effect


def test_the_only_one_in_a_group_is_named(project: ProjectFolder) -> None:
    """A group of one says nothing that the one does not."""
    project.file(f"{JOBS}/work.py", "raise ExceptionGroup('x', [ExceptionGroup('y', [KeyError('z')])])\n")
    assert only(project.collect().errors).message == "KeyError: 'z'"


def test_secrets_stay_secret(project: ProjectFolder) -> None:
    """What looks like one, or came from an expanded variable, is masked in message and traceback."""
    source = "raise ValueError('postgresql://app:hunter22@db/shop refused, password=geheim123')\n"
    project.file(f"{JOBS}/work.py", source)
    error = only(project.collect().errors)
    for text in (error.message, error.traceback or ""):
        assert "hunter22" not in text
        assert "geheim123" not in text
        assert "app:***@db" in text


def test_any_exception_is_named(project: ProjectFolder) -> None:
    """The class and the first line of what it says (JK101); the rest is in the traceback."""
    path = project.file(f"{JOBS}/work.py", "raise LookupError('\\n  first line\\nsecond line')\n")
    error = only(project.collect().errors)
    assert (error.code, error.message) == ("JK101", "LookupError: first line")
    assert "second line" in error.traceback
    path.write_text(JOB.format(name="work"), encoding="utf-8")
    assert project.collect().errors == []


def test_a_file_without_jobs_is_a_warning(project: ProjectFolder) -> None:
    """Nothing is broken, but somebody may look for a job (JK163); a helper's name starts with ``_``."""
    path = project.file(f"{JOBS}/helper.py", "def help(): ...\n")
    result = project.collect()
    assert (result.errors, only(result.warnings).code) == ([], "JK163")
    path.rename(path.with_name("_helper.py"))
    assert project.collect().warnings == []
