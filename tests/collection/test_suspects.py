"""A file that ends the whole process is named at the next start, and not executed again until it changes."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from jobkit.collection import suspects
from tests.collection.conftest import JOB, ProjectFolder, only

JOBS = "extensions/web/jobs"

KILLERS = {
    "ended the process with exit status 7": "import os\nos._exit(7)\n",
    "ended the process with exit status 0": "import os\nos._exit(0)\n",
    "ended the process by SIGABRT": "import os\nos.abort()\n",
    "ended the process by SIGSEGV": "import ctypes\nctypes.string_at(0)\n",
    "ended the process by SIGKILL": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "ended the process with exit status 0 ": "import os\nos.execv('/bin/true', ['true'])\n",
}


def dies(project: ProjectFolder) -> None:
    """Collecting ends without an answer."""
    child = project.start()
    out, _ = child.communicate(timeout=60)
    assert out == ""


@pytest.mark.parametrize("how", KILLERS)
def test_the_next_start_names_it(project: ProjectFolder, how: str) -> None:
    """One start dies; from the next on there is an error (JK159) and everything else works."""
    project.job("work")
    path = project.file(f"{JOBS}/killer.py", KILLERS[how])
    dies(project)
    for _ in range(2):
        answer = project.collect_alone()
        error = only(answer["errors"])
        assert (error["code"], error["path"]) == ("JK159", f"{JOBS}/killer.py")
        assert how.strip() in error["message"]
        assert list(answer["jobs"]) == ["work"]
    path.write_text(JOB.format(name="mended"), encoding="utf-8")
    answer = project.collect_alone()
    assert (answer["errors"], sorted(answer["jobs"])) == ([], ["mended", "work"])


def test_the_innermost_file_is_named(project: ProjectFolder) -> None:
    """A helper that kills is named itself, and whoever imports it has the error at that line."""
    project.job("work")
    project.file(f"{JOBS}/_killer.py", "import os\nos._exit(1)\n")
    for name in ("a_first", "second"):
        project.file(f"{JOBS}/{name}.py", "x = 1\nfrom . import _killer\n" + JOB.format(name=name))
    dies(project)
    answer = project.collect_alone()
    assert [(error["code"], error["path"], error["line"]) for error in answer["errors"]] == [
        ("JK159", f"{JOBS}/a_first.py", 2),
        ("JK159", f"{JOBS}/second.py", 2),
    ]
    assert all(error["message"].startswith(f"{JOBS}/_killer.py: ") for error in answer["errors"])
    assert list(answer["jobs"]) == ["work"]


def test_a_file_that_was_interrupted_by_chance_is_cleared(project: ProjectFolder) -> None:
    """Somebody killed the process while it imported a healthy file: the file works at the next start."""
    fifo = project.root / "ready"
    os.mkfifo(fifo)
    slow = f"import os, time\nif os.path.exists({str(fifo)!r}):\n    open({str(fifo)!r}, 'wb').close()\n"
    project.file(f"{JOBS}/slow.py", slow + "    time.sleep(1000)\n" + JOB.format(name="slow"))
    child = project.start()
    with fifo.open("rb"):
        child.kill()
    child.communicate(timeout=60)
    fifo.unlink()
    answer = project.collect_alone()
    assert (answer["errors"], list(answer["jobs"])) == ([], ["slow"])


def test_a_file_that_kills_only_here_is_believed_the_second_time(project: ProjectFolder) -> None:
    """In a child it does no harm; when another process dies of it all the same, it is named."""
    project.job("work")
    source = "import os, sys\nif 'jobkit.collection.probe' not in sys.modules:\n    os._exit(1)\n"
    project.file(f"{JOBS}/killer.py", source)
    dies(project)
    dies(project)
    answer = project.collect_alone()
    assert only(answer["errors"])["code"] == "JK159"
    assert list(answer["jobs"]) == ["work"]


def test_a_file_that_never_lets_go_is_named(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call into C that does not come back is out of reach of the limit; at the next start it has a name."""
    monkeypatch.setattr(suspects, "_STARTING", 1.0)
    project.file("jobkit.toml", '[project]\nimport_timeout = "1s"\n')
    project.job("work")
    path = project.file(f"{JOBS}/hangs.py", "sum(iter(int, 1))\n")
    child = project.start()
    executing = project.root / ".jobkit/executing"
    while child.poll() is None and not (executing.exists() and b"hangs.py" in executing.read_bytes()):
        pass
    child.kill()
    child.communicate(timeout=60)
    result = project.collect()
    error = only(result.errors)
    assert (error.code, error.path, list(result.jobs)) == ("JK159", path, ["work"])
    assert "never lets go of the process" in error.message


def test_deleting_the_verdicts_tries_again(project: ProjectFolder) -> None:
    """As the error says, for a file whose surroundings have changed."""
    setting = project.root / "allowed"
    source = f"import os\nif not os.path.exists({str(setting)!r}):\n    os._exit(1)\n" + JOB.format(
        name="work"
    )
    project.file(f"{JOBS}/work.py", source)
    dies(project)
    error = only(project.collect_alone()["errors"])
    setting.touch()
    assert only(project.collect_alone()["errors"])["code"] == "JK159"
    advised = error["help"].partition("delete ")[2].split()[0]
    (project.root / advised).unlink()
    assert project.collect_alone()["errors"] == []


def test_two_processes_may_collect_at_once(project: ProjectFolder) -> None:
    """Only one writes down what it executes; the other does not take that for a dead one's note."""
    fifo = project.root / "ready"
    go_on = project.root / "go-on"
    os.mkfifo(fifo)
    os.mkfifo(go_on)
    source = (
        f"import os\nif os.environ.get('FIRST'):\n    open({str(fifo)!r}, 'wb').close()\n"
        f"    open({str(go_on)!r}, 'rb').close()\n"
    )
    project.file(f"{JOBS}/work.py", source + JOB.format(name="work"))
    os.environ["FIRST"] = "1"
    try:
        first = project.start()
    finally:
        del os.environ["FIRST"]
    with fifo.open("rb"):
        pass
    second = project.collect_alone()
    assert (second["errors"], list(second["jobs"])) == ([], ["work"])
    with go_on.open("wb"):
        pass
    out, _ = first.communicate(timeout=60)
    assert '"work"' in out
    assert not (project.root / ".jobkit/suspects.json").exists()


def test_notes_are_private_and_few(project: ProjectFolder) -> None:
    """Everything below ``.jobkit`` is the owner's, and is not offered to version control."""
    project.job("work")
    project.collect()
    folder = project.root / ".jobkit"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.suffix != ""}
    assert modes.pop(".gitignore", 0o644) == 0o644
    assert modes == {"index.json": 0o600}
    assert stat.S_IMODE((folder / "executing").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"


def test_nothing_is_written_if_nothing_shall_be(project: ProjectFolder) -> None:
    """``check`` touches nothing."""
    project.job("work")
    before = sorted(project.root.rglob("*"))
    assert project.collect(remember=False).jobs.keys() == {"work"}
    assert sorted(path for path in project.root.rglob("*") if "__pycache__" not in path.parts) == before


@pytest.mark.parametrize("content", [b"", b"\xff" * 10000, b"/no/such/file\0", b"[]", b'{"x": 1}'])
@pytest.mark.parametrize("name", ["executing", "suspects.json", "index.json"])
def test_damaged_notes_are_ignored(project: ProjectFolder, name: str, content: bytes) -> None:
    """Whatever stands in our own files, they are hints."""
    project.job("work")
    project.file(f".jobkit/{name}", content)
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])
    assert Path(project.root / ".jobkit/index.json").read_bytes().startswith(b"{")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
