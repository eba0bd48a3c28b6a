"""The index lets one job cost one file, and is believed only while nothing has changed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit import collection
from jobkit.collection import index as indexing
from tests.collection.conftest import JOB, ProjectFolder, only

JOBS = "extensions/web/jobs"


@pytest.fixture
def indexed(project: ProjectFolder) -> ProjectFolder:
    """A project with three jobs in two extensions, and an index of them."""
    for name in ("one", "two"):
        project.job(name)
    project.job("three", "extensions/mail/jobs/three.py")
    project.file("extensions/web/lib/tool.py", "ANSWER = 42\n")
    project.file("extensions/web/jobs/rows.json", "[]")
    project.age()
    project.collect()
    assert project.collect_job("one") is not None
    return project


def executed() -> set[str]:
    """The job files that are imported now."""
    return {name for name in sys.modules if name.startswith("jobkit_ext.") and name.count(".") == 3}


def test_one_job_imports_one_file(indexed: ProjectFolder) -> None:
    """The file of the job, and what it imports itself; the answer says that it is not everything."""
    result = indexed.collect_job("two")
    assert result is not None
    assert executed() == {"jobkit_ext.web.jobs.two"}
    assert (list(result.jobs), result.complete) == (["two"], False)
    assert result.jobs["two"].line == 8
    assert result.errors == result.warnings == []


def test_one_file_among_five_thousand(project: ProjectFolder) -> None:
    """The number of files changes nothing about that."""
    for number in range(5000):
        project.job(f"job_{number}", f"extensions/e{number % 50}/jobs/job_{number}.py")
    project.age()
    project.collect()
    assert project.collect_job("job_4711") is not None
    assert executed() == {"jobkit_ext.e11.jobs.job_4711"}


def test_further_jobs_can_follow(indexed: ProjectFolder) -> None:
    """After one job another, and then all of them: nothing is executed twice."""
    collection.detach()
    assert collection.collect_job(indexed.config, "one") is not None
    first = sys.modules["jobkit_ext.web.jobs.one"]
    assert collection.collect_job(indexed.config, "three") is not None
    assert len(collection.collect(indexed.config).jobs) == 3
    assert sys.modules["jobkit_ext.web.jobs.one"] is first


CHANGES: dict[str, Callable[[Path], Any]] = {
    "the file": lambda root: (root / JOBS / "one.py").write_text(JOB.format(name="other"), encoding="utf-8"),
    "its time": lambda root: os.utime(root / JOBS / "one.py"),
    "a neighbour": lambda root: (root / JOBS / "two.py").write_text("x = 1\n", encoding="utf-8"),
    "a new neighbour": lambda root: (root / JOBS / "four.py").write_text(
        JOB.format(name="one"), encoding="utf-8"
    ),
    "a deleted neighbour": lambda root: (root / JOBS / "two.py").unlink(),
    "a renamed neighbour": lambda root: (root / JOBS / "two.py").rename(root / JOBS / "zwei.py"),
    "a helper": lambda root: (root / "extensions/web/lib/tool.py").write_text(
        "ANSWER = 43\n", encoding="utf-8"
    ),
    "a new helper": lambda root: (root / JOBS / "_new.py").touch(),
    "data": lambda root: (root / JOBS / "rows.json").write_text("[1]", encoding="utf-8"),
    "an init file": lambda root: (root / "extensions/web/__init__.py").touch(),
    "another extension's job": lambda root: (root / "extensions/mail/jobs/three.py").write_text(
        JOB.format(name="one"), encoding="utf-8"
    ),
    "a new extension": lambda root: shutil.copytree(root / "extensions/web", root / "extensions/copy"),
    "the settings": lambda root: (root / "jobkit.toml").write_text('[project]\npythonpath = ["src"]\n'),
    "an equal file": lambda root: shutil.move(
        shutil.copy2(root / JOBS / "one.py", root / "copy"), root / JOBS / "one.py"
    ),
    "permissions": lambda root: (root / JOBS / "two.py").chmod(0o666),
    "the index deleted": lambda root: (root / ".jobkit/index.json").unlink(),
    "the index cut off": lambda root: os.truncate(root / ".jobkit/index.json", 100),
    "another format": lambda root: _edit(root, lambda index: index["key"].__setitem__(0, "0")),
    "another root": lambda root: _edit(root, lambda index: index["key"].__setitem__(1, "/elsewhere")),
    "another Python": lambda root: _edit(root, lambda index: index["key"].__setitem__(2, "2.7")),
    "another jobkit": lambda root: _edit(root, lambda index: index["key"].__setitem__(3, "?")),
    "a number for a name": lambda root: _edit(root, lambda index: index["jobs"][0].__setitem__(0, 1)),
    "a list": lambda root: (root / ".jobkit/index.json").write_text("[]", encoding="utf-8"),
}


def _edit(root: Path, change: Callable[[Any], Any]) -> None:
    path = root / ".jobkit/index.json"
    index = json.loads(path.read_bytes())
    change(index)
    path.write_text(json.dumps(index), encoding="utf-8")


@pytest.mark.parametrize("what", CHANGES)
def test_any_change_means_everything(indexed: ProjectFolder, what: str) -> None:
    """The index is not believed, and a full collection makes it right again."""
    CHANGES[what](indexed.root)
    assert indexed.collect_job("one") is None
    result = indexed.collect()
    if "one" in result.jobs and result.jobs["one"].error is None:
        assert indexed.collect_job("one") is not None


@pytest.mark.parametrize(
    "path", [f"{JOBS}/__pycache__/one.cpython-399.pyc", f"{JOBS}/.one.py.swp", "README.md"]
)
def test_other_changes_mean_nothing(indexed: ProjectFolder, path: str) -> None:
    """Caches, hidden files, and what lies outside of the extensions."""
    indexed.file(path)
    assert indexed.collect_job("one") is not None


def test_other_plugins_mean_everything(indexed: ProjectFolder) -> None:
    """The caller says which plugins take part, as a text."""
    collection.detach()
    assert collection.collect_job(indexed.config, "one", plugins="postgres 1.0") is None
    collection.collect(indexed.config, plugins="postgres 1.0")
    collection.detach()
    assert collection.collect_job(indexed.config, "one", plugins="postgres 1.0") is not None


def test_an_unknown_job_is_unknown(indexed: ProjectFolder) -> None:
    """None, not an error: only a full collection can say that there is no such job."""
    assert indexed.collect_job("four") is None
    assert executed() == set()


def test_a_file_that_changed_its_mind(indexed: ProjectFolder) -> None:
    """The file of the job does not register it this time, though nothing on disk has changed."""
    source = "import os\n" + JOB.format(name="work").replace("(work)", "(work, name=os.environ['WHO'])")
    indexed.file(f"{JOBS}/one.py", source)
    os.environ["WHO"] = "before"
    try:
        indexed.age()
        indexed.collect()
        assert indexed.collect_job("before") is not None
        os.environ["WHO"] = "after"
        assert indexed.collect_job("before") is None
    finally:
        del os.environ["WHO"]


def test_a_name_that_is_claimed_twice_is_not_indexed(indexed: ProjectFolder) -> None:
    """Which of the two would run? Neither: everything is collected, and both files have an error."""
    indexed.job("one", "extensions/mail/jobs/again.py")
    indexed.age()
    indexed.collect()
    assert indexed.collect_job("one") is None
    assert indexed.collect_job("two") is not None
    indexed.collect()
    assert indexed.collect_job("two") is not None


def test_other_broken_files_are_remembered(indexed: ProjectFolder) -> None:
    """``run one`` says what is wrong elsewhere, without executing it again."""
    indexed.file(f"{JOBS}/broken.py", "raise ValueError('no')\n")
    indexed.age()
    before = only(indexed.collect().errors)
    result = indexed.collect_job("one")
    assert result is not None
    assert executed() == {"jobkit_ext.web.jobs.one"}
    assert only(result.errors).to_json() == before.to_json()


def test_a_broken_file_is_known_for_its_jobs(indexed: ProjectFolder) -> None:
    """Its jobs are listed with its error, as often as it is looked at, until it is mended."""
    path = indexed.root / JOBS / "one.py"
    path.write_text("raise ValueError('no')\n", encoding="utf-8")
    for _ in range(2):
        result = indexed.collect()
        error = only(result.errors)
        assert error.jobs == ("one",)
        job = result.jobs["one"]
        assert (job.error, job.extension, job.description, job.line) == (error, "web", "Do one.", 8)
        assert sorted(result.jobs) == ["one", "three", "two"]
        assert indexed.collect_job("one") is None
    path.write_text(JOB.format(name="one"), encoding="utf-8")
    assert indexed.collect().jobs["one"].error is None


def test_jobs_of_a_refused_folder_are_known_too(indexed: ProjectFolder) -> None:
    """One error for the folder, and all jobs in it are listed with it."""
    (indexed.root / "extensions/web").chmod(0o777)
    for _ in range(2):
        result = indexed.collect()
        error = only(result.errors)
        assert error.jobs == ("one", "two")
        assert {name for name, job in result.jobs.items() if job.error is error} == {"one", "two"}
        assert result.jobs["three"].error is None


def test_a_job_that_has_moved_is_not_the_broken_files(indexed: ProjectFolder) -> None:
    """A name that another file has taken over belongs to that file."""
    (indexed.root / JOBS / "one.py").write_text("raise ValueError('no')\n", encoding="utf-8")
    indexed.job("one", "extensions/mail/jobs/moved.py")
    result = indexed.collect()
    assert result.jobs["one"].extension == "mail"
    assert result.jobs["one"].error is None


def test_a_deleted_file_is_forgotten(indexed: ProjectFolder) -> None:
    """Its jobs are no longer anywhere."""
    (indexed.root / JOBS / "one.py").unlink()
    result = indexed.collect()
    assert (result.errors, sorted(result.jobs)) == ([], ["three", "two"])
    assert {job.name for job in collection.indexed_jobs(indexed.root)} == {"three", "two"}


def test_young_files_are_read_again(project: ProjectFolder) -> None:
    """An edit within the resolution of the file system's clock: the status is equal, the content is not."""
    path = project.job("one")
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    project.collect()
    assert project.collect_job("one") is not None
    inode = path.stat().st_ino
    with path.open("r+", encoding="utf-8") as file:
        file.write(JOB.format(name="two"))
    os.utime(path, ns=(now, now))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (inode, now)
    assert project.collect_job("one") is None


def test_files_grow_up(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a file is old enough, its status is enough, and it is not read any more."""
    path = project.job("one")
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    project.collect()
    digests = [file[4] for file in json.loads((project.root / ".jobkit/index.json").read_bytes())["files"]]
    assert len(digests[0]) == 32
    monkeypatch.setattr(indexing, "_YOUNG", 0)
    assert project.collect_job("one") is not None
    digests = [file[4] for file in json.loads((project.root / ".jobkit/index.json").read_bytes())["files"]]
    assert digests == [None]


def test_a_clock_that_was_wrong(project: ProjectFolder) -> None:
    """Files from the future are never old enough."""
    path = project.job("one")
    later = time.time_ns() + 10**12
    os.utime(path, ns=(later, later))
    project.collect()
    path.write_text(JOB.format(name="two"), encoding="utf-8")
    os.utime(path, ns=(later, later))
    assert project.collect_job("one") is None


def test_what_completion_needs_is_there(indexed: ProjectFolder) -> None:
    """Name, extension, tags, description and place of every job, without importing one."""
    source = (
        "from jobkit import submit_job\n@submit_job(tags=['a', 'b'], schedule='@daily')\n"
        "def four(ctx):\n    'Do four.'\n"
    )
    indexed.file("extensions/mail/jobs/four.py", source)
    indexed.collect()
    collection.detach()
    jobs = {job.name: job for job in collection.indexed_jobs(indexed.root)}
    assert sorted(jobs) == ["four", "one", "three", "two"]
    four = jobs["four"]
    assert (four.extension, four.path, four.line) == ("mail", "extensions/mail/jobs/four.py", 2)
    assert (four.tags, four.description, four.schedule) == (("a", "b"), "Do four.", ("@daily",))
    assert executed() == set()


def test_completion_without_an_index(project: ProjectFolder) -> None:
    """No list, no error."""
    assert collection.indexed_jobs(project.root) == []
    assert collection.indexed_jobs(project.root / "nowhere") == []


def test_an_unchanged_index_is_not_written_again(indexed: ProjectFolder) -> None:
    """Looking at a project does not touch its files."""
    indexed.collect()
    before = (indexed.root / ".jobkit/index.json").stat()
    indexed.collect()
    after = (indexed.root / ".jobkit/index.json").stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_too_many_other_files_are_not_watched(
    indexed: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension with a mountain of data goes without an index; others keep theirs."""
    monkeypatch.setattr(indexing, "_MOST_FILES", 1)
    indexed.collect()
    assert indexed.collect_job("one") is None
    assert indexed.collect_job("three") is not None
