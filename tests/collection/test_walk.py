"""Which files are collected: regular ones, or links to one inside the project, each once."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from jobkit import collection
from jobkit.collection import walk as walking
from tests.collection.conftest import ProjectFolder, only

JOBS = "extensions/web/jobs"


def warnings_of(project: ProjectFolder) -> dict[str, str]:
    """Name of the file → code of the warning about it."""
    result = project.collect()
    assert result.errors == []
    assert result.jobs.keys() == {"work"}
    return {error.path.name: error.code for error in result.warnings if error.path is not None}


@pytest.mark.parametrize(
    "path",
    [
        f"{JOBS}/_helper.py",
        f"{JOBS}/.hidden.py",
        f"{JOBS}/#autosave.py",
        f"{JOBS}/conftest.py",
        f"{JOBS}/notes.txt",
        f"{JOBS}/work.pyc",
        f"{JOBS}/work.py~",
        f"{JOBS}/__pycache__/cached.py",
        f"{JOBS}/deeper/work.py",
        "extensions/loose.py",
        "extensions/web/loose.py",
        "extensions/.git/jobs/work.py",
        "extensions/__pycache__/jobs/work.py",
        "extensions/node_modules/jobs/work.py",
        "jobs/work.py",
    ],
)
def test_other_files_are_passed_over(project: ProjectFolder, path: str) -> None:
    """Helpers, hidden files, caches and what lies elsewhere is never executed, and nothing is said."""
    project.job("work")
    project.file(path, "raise RuntimeError('executed')\n")
    assert warnings_of(project) == {}


def test_a_virtual_environment_is_no_extension(project: ProjectFolder) -> None:
    """A folder with ``pyvenv.cfg`` holds other people's packages."""
    project.job("work")
    project.file("extensions/env/pyvenv.cfg")
    project.file("extensions/env/jobs/work.py", "raise RuntimeError('executed')\n")
    assert warnings_of(project) == {}


def test_what_is_no_file_is_skipped_with_a_hint(project: ProjectFolder) -> None:
    """A folder, a named pipe, a socket called ``x.py``: opening one could wait for ever (JK155)."""
    project.job("work")
    folder = project.root / JOBS
    (folder / "folder.py").mkdir()
    os.mkfifo(folder / "pipe.py")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)  # the name of a socket may have a hundred bytes only
        server.bind("socket.py")
        os.chdir(here)
        assert warnings_of(project) == dict.fromkeys(("folder.py", "pipe.py", "socket.py"), "JK155")
    for name in ("folder.py", "pipe.py", "socket.py"):
        path = folder / name
        path.rename(folder / f"_{name}")  # as the page advises
    assert warnings_of(project) == {}


def test_a_device_is_skipped(project: ProjectFolder) -> None:
    """A device file is not read; a link to one leads out of the project."""
    project.job("work")
    (project.root / JOBS / "null.py").symlink_to("/dev/null")
    result = project.collect()
    assert only(result.errors).code == "JK156"
    assert result.jobs.keys() == {"work"}


def test_jobs_in_a_single_file_are_noticed(project: ProjectFolder) -> None:
    """``jobs.py``, or a file called ``jobs``, where a folder is expected: a hint, not silence."""
    project.job("work")
    project.job("lost", "extensions/mail/jobs.py")
    project.file("extensions/shop/jobs")
    assert warnings_of(project) == {"jobs.py": "JK155", "jobs": "JK155"}


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (f"{JOBS}/again.py", "work.py"),
        (f"{JOBS}/a_first_by_name.py", "work.py"),
        ("extensions/mail/jobs/again.py", f"../../../{JOBS}/work.py"),
        ("extensions/mail/jobs", "../web/jobs"),
        ("extensions/a_first_by_name/jobs", "../web/jobs"),
        ("extensions/mail", "web"),
        ("extensions/a_first_by_name", "web"),
        ("extensions/web/again", "."),
    ],
)
def test_a_second_way_to_a_file_is_no_second_file(project: ProjectFolder, link: str, target: str) -> None:
    """Links to files, to ``jobs`` folders, to extensions, loops: the real path wins, whatever the names."""
    project.job("work")
    path = project.root / link
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])
    assert result.jobs["work"].path == project.root / JOBS / "work.py"
    hints = [(error.code, error.path) for error in result.warnings]
    assert hints == ([] if link == "extensions/web/again" else [("JK157", path)])


def test_a_hard_link_is_no_second_file(project: ProjectFolder) -> None:
    """Two names for one file: the first by name is collected, the second gets a hint (JK157)."""
    path = project.job("work")
    os.link(path, path.with_name("zz_again.py"))
    assert warnings_of(project) == {"zz_again.py": "JK157"}
    path.with_name("zz_again.py").unlink()
    assert warnings_of(project) == {}


def test_a_link_inside_the_project_is_followed(project: ProjectFolder) -> None:
    """Shared code may be linked from where it lies; the link's name is the module's."""
    project.job("work", "shared/somewhere.py")
    (project.root / JOBS).mkdir(parents=True)
    link = project.root / JOBS / "linked.py"
    link.symlink_to("../../../shared/somewhere.py")
    result = project.collect()
    assert result.jobs["work"].path == link
    assert result.jobs["work"].module == "jobkit_ext.web.jobs.linked"


@pytest.mark.parametrize("target", ["nowhere.py", "outside", "itself.py"])
def test_a_link_that_leads_astray_is_an_error(project: ProjectFolder, tmp_path: Path, target: str) -> None:
    """Nowhere, in a circle, out of the project: the file was meant to be there, so it is not skipped."""
    project.job("work")
    outside = tmp_path.parent / f"{tmp_path.name}-outside.py"
    outside.write_text("raise RuntimeError('executed')\n", encoding="utf-8")
    link = project.root / JOBS / "itself.py"
    link.symlink_to(outside if target == "outside" else target)
    result = project.collect()
    error = only(result.errors)
    assert (error.code, error.path, list(result.jobs)) == ("JK156", link, ["work"])
    link.unlink()
    assert warnings_of(project) == {}


def test_a_helper_must_not_be_linked_from_outside(project: ProjectFolder, tmp_path: Path) -> None:
    """What job files import is held to the same rule."""
    outside = tmp_path.parent / f"{tmp_path.name}-lib"
    outside.mkdir()
    (outside / "tool.py").write_text("EXECUTED = True\n", encoding="utf-8")
    project.job("work")
    (project.root / "extensions/web/lib").symlink_to(outside)
    project.file(f"{JOBS}/one.py", "from ..lib import tool\n")
    (project.root / JOBS / "_tool.py").symlink_to(outside / "tool.py")
    project.file(f"{JOBS}/two.py", "x = 1\nfrom . import _tool\n")
    result = project.collect()
    assert [(error.code, error.path.name, error.line) for error in result.errors if error.path] == [
        ("JK156", "one.py", 1),
        ("JK156", "two.py", 2),
    ]


def test_a_circle_of_folders_ends(project: ProjectFolder) -> None:
    """Links from an extension to what is above it do not lead round and round."""
    project.job("work")
    (project.root / "extensions/loop").symlink_to("..")
    (project.root / "extensions/self").symlink_to("self")
    (project.root / "extensions/web/jobs/up").symlink_to("../..")
    result = project.collect()
    assert result.jobs.keys() == {"work"}
    assert [error.path.name for error in result.errors if error.path] == ["self"]


def test_a_name_that_is_no_text_is_an_error(project: ProjectFolder) -> None:
    """Bytes that are not UTF-8 cannot be written into any answer (JK154); renaming mends it."""
    project.job("work")
    strange = os.fsencode(project.root / JOBS) + b"/caf\xe9.py"
    with open(strange, "wb") as file:
        file.write(b"raise RuntimeError('executed')\n")
    error = only(project.collect().errors)
    assert error.code == "JK154"
    Path(os.fsdecode(strange)).rename(project.root / JOBS / "_café.py")
    assert warnings_of(project) == {}


def test_an_extension_whose_name_is_no_text(project: ProjectFolder) -> None:
    """The same for a folder."""
    project.job("work")
    (project.root / os.fsdecode(b"extensions/caf\xe9/jobs")).mkdir(parents=True)
    assert only(project.collect().errors).code == "JK154"


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_missing_folder_is_a_hint(project: ProjectFolder, kind: str) -> None:
    """No ``extensions`` folder means no jobs, and somebody should know (JK164)."""
    if kind == "file":
        project.file("extensions")
    result = project.collect()
    assert (result.errors, result.jobs) == ([], {})
    assert only(result.warnings).code == "JK164"
    if kind == "file":
        (project.root / "extensions").unlink()
    project.job("work")  # makes the folder
    assert warnings_of(project) == {}


def test_the_folder_can_be_elsewhere(project: ProjectFolder) -> None:
    """``[project] extensions`` names it; names of modules stay the same."""
    project.file("jobkit.toml", '[project]\nextensions = "src/parts"\n')
    project.job("work", "src/parts/web/jobs/work.py")
    project.file("src/parts/web/jobs/old.py", "import src.parts.web\n")
    result = project.collect()
    assert result.jobs["work"].module == "jobkit_ext.web.jobs.work"
    assert "write `jobkit_ext` instead of `src.parts`" in only(result.errors).message


def test_a_huge_file_is_not_read(project: ProjectFolder) -> None:
    """More than eight megabytes are refused (JK153), in a job file and in what it imports."""
    project.job("work")
    big = project.file(f"{JOBS}/big.py")
    with big.open("wb") as file:
        file.truncate(8 * 1024 * 1024 + 1)
    helper = project.file("extensions/web/lib/big.py")
    with helper.open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    project.file(f"{JOBS}/other.py", "\nfrom ..lib import big\n")
    result = project.collect()
    assert [(error.code, error.path.name, error.line) for error in result.errors if error.path] == [
        ("JK153", "big.py", None),
        ("JK153", "other.py", 2),
    ]
    big.unlink()
    helper.write_bytes(b"")
    project.file(f"{JOBS}/other.py", "from ..lib import big\nfrom .work import work\n")
    assert project.collect().errors == []


def test_too_many_files_are_not_all_collected(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a bound, and reaching it is an error (JK165)."""
    monkeypatch.setattr(walking, "MOST_FILES", 3)
    for number in range(5):
        project.job(f"work_{number}")
    result = project.collect()
    assert (only(result.errors).code, len(result.jobs)) == ("JK165", 3)


def test_the_order_is_that_of_the_names(project: ProjectFolder) -> None:
    """Whatever order the disk has, files are executed in the order of their paths."""
    for name in ("z", "a", "m"):
        project.job(name)
        project.job(f"{name}_too", f"extensions/{name}/jobs/{name}.py")
    files = [file.path for file in project.collect().files]
    assert files == sorted(files)


def test_nothing_is_opened_by_looking(project: ProjectFolder) -> None:
    """The walk stands alone: it finds a file that could not even be compiled, and its status."""
    path = project.file(f"{JOBS}/broken.py", "(")
    finder = collection.attach(project.config)
    [file] = walking.walk(finder.extensions, finder.permissions).files
    assert (file.path, file.size, file.inode) == (str(path), 1, path.stat().st_ino)
    assert stat.S_ISREG(path.stat().st_mode)
