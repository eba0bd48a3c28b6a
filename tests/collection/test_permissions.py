"""Code that everybody could change is not executed; code that nobody may read harms only itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collection.conftest import ProjectFolder, only

JOBS = "extensions/web/jobs"
NOBODY = 65534

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are no such permissions")


def follow_advice(project: ProjectFolder, command: str | None) -> None:
    """Run what the error says."""
    assert command is not None
    assert command.startswith("chmod ")
    subprocess.run(["/bin/sh", "-c", command], cwd=project.root, check=True)


@pytest.mark.parametrize("path", [f"{JOBS}/evil.py", JOBS, "extensions/web", "extensions", "."])
def test_what_everybody_may_write_to_is_refused(project: ProjectFolder, path: str) -> None:
    """File, folder, the root: one error (JK150), nothing below is executed, and ``chmod`` mends it."""
    project.job("other", "extensions/mail/jobs/other.py")
    project.job("evil")
    config = project.config  # which would not be read from a folder of that kind either
    target = project.root / path
    target.chmod(target.stat().st_mode | 0o002)
    result = project.collect(config)
    error = only(result.errors)
    assert (error.code, error.path) == ("JK150", target)
    assert "evil" not in result.jobs
    assert ("other" in result.jobs) == (path not in ("extensions", "."))
    follow_advice(project, error.help)
    result = project.collect()
    assert (result.errors, sorted(result.jobs)) == ([], ["evil", "other"])


@pytest.mark.parametrize("path", ["extensions/web/lib/tool.py", "extensions/web/lib"])
def test_helpers_are_held_to_the_same_rule(project: ProjectFolder, path: str) -> None:
    """What a job file imports is executed too; the error stands at the import."""
    project.file("extensions/web/lib/tool.py", "EXECUTED = True\n")
    project.file(f"{JOBS}/work.py", "x = 1\nfrom ..lib import tool\n")
    target = project.root / path
    target.chmod(target.stat().st_mode | 0o002)
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK150", 2)
    assert error.message.startswith(f"{path}: ")
    follow_advice(project, error.help)
    assert project.collect().errors == []


def test_the_target_of_a_link_counts(project: ProjectFolder) -> None:
    """A link is as safe as what it leads to, and the folder that lies in."""
    project.job("work", "shared/work.py")
    (project.root / JOBS).mkdir(parents=True)
    (project.root / JOBS / "work.py").symlink_to("../../../shared/work.py")
    (project.root / "shared").chmod(0o777)
    error = only(project.collect().errors)
    assert (error.code, error.path) == ("JK150", project.root / "shared")
    follow_advice(project, error.help)
    assert project.collect().jobs.keys() == {"work"}


def test_a_sticky_folder_is_safe(project: ProjectFolder) -> None:
    """Where nobody can replace the files of others, as in ``/tmp``, everybody may write."""
    project.job("work")
    (project.root / JOBS).chmod(0o1777)
    assert project.collect().errors == []


def test_a_quoted_advice(project: ProjectFolder) -> None:
    """The command can be pasted, whatever the file is called."""
    path = project.job("work", f"{JOBS}/it's; $(here).py")
    path.chmod(0o666)
    error = only(project.collect().errors)
    follow_advice(project, error.help)
    assert project.collect().errors == []


def test_trust_can_be_configured(project: ProjectFolder) -> None:
    """``trust_permissions`` is for file systems that know no permissions."""
    project.job("work").chmod(0o666)
    project.file("jobkit.toml", "[project]\ntrust_permissions = true\n")
    result = project.collect()
    assert (result.errors, result.warnings, list(result.jobs)) == ([], [], ["work"])


def test_what_the_group_may_write_to_is_a_warning(project: ProjectFolder) -> None:
    """It is executed, and said (JK151); the command mends all of it at once."""
    for name in ("one", "two"):
        project.job(name).chmod(0o664)
    result = project.collect()
    assert sorted(result.jobs) == ["one", "two"]
    warning = only(result.warnings)
    assert warning.code == "JK151"
    assert "1 more" in warning.message
    follow_advice(project, warning.help)
    assert project.collect().warnings == []


def test_an_entry_of_pythonpath_is_held_to_the_rule(project: ProjectFolder) -> None:
    """Packages of the project are executed as well; what does not exist is a warning (JK166)."""
    project.file("jobkit.toml", '[project]\npythonpath = ["src", "gone"]\n')
    project.file("src/shop.py")
    project.job("work")
    (project.root / "src").chmod(0o777)
    result = project.collect()
    assert (only(result.errors).code, only(result.warnings).code) == ("JK150", "JK166")
    follow_advice(project, result.errors[0].help)
    (project.root / "gone").mkdir()
    result = project.collect()
    assert (result.errors, result.warnings) == ([], [])


@pytest.fixture
def open_project() -> Iterator[ProjectFolder]:
    """A project that users without privileges can reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield ProjectFolder(folder)
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def as_nobody(project: ProjectFolder, **order: Any) -> dict[str, Any]:
    """Collect as a user without privileges, also where the tests run as root."""
    user = {"user": NOBODY} if os.geteuid() == 0 else {}
    return project.collect_alone(**user, **order)


def test_unreadable_files_harm_only_themselves(open_project: ProjectFolder) -> None:
    """A file, a ``jobs`` folder, an extension that may not be read: an error each (JK152)."""
    open_project.job("work")
    open_project.job("file").chmod(0o000)
    open_project.job("hidden", "extensions/mail/jobs/hidden.py")
    (open_project.root / "extensions/mail/jobs").chmod(0o000)
    open_project.job("deeper", "extensions/shop/jobs/deeper.py")
    (open_project.root / "extensions/shop").chmod(0o000)
    answer = as_nobody(open_project)
    assert list(answer["jobs"]) == ["work"]
    errors = {error["path"]: error["code"] for error in answer["errors"]}
    assert errors == dict.fromkeys((f"{JOBS}/file.py", "extensions/mail/jobs", "extensions/shop"), "JK152")
    for error in answer["errors"]:
        (open_project.root / error["path"]).chmod(0o755)
    assert as_nobody(open_project)["errors"] == []


def test_a_project_that_is_only_read_works(open_project: ProjectFolder) -> None:
    """No index, no note of what is executed, no bytecode – and no complaint."""
    open_project.job("work")
    for path in [open_project.root, *open_project.root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    answer = as_nobody(open_project)
    assert (list(answer["jobs"]), answer["errors"], answer["warnings"]) == (["work"], [], [])
    assert "unknown" in as_nobody(open_project, job="work")
    assert sorted(path.name for path in open_project.root.iterdir()) == ["extensions", "jobkit.toml"]
    open_project.root.chmod(0o755)
    (open_project.root / "extensions").chmod(0o755)
