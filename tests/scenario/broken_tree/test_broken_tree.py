"""Two hundred kinds of broken job files: one clear error each, and every healthy job works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobkit.codes import all_codes
from tests.scenario.broken_tree.healthy_files import SKIPPED
from tests.scenario.broken_tree.kinds import ANYWHERE, Kind
from tests.scenario.broken_tree.tree import BROKEN, KINDS, healthy_jobs, make_tree

TOP = Path(__file__).parents[3]
_FRAME = re.compile(r'^ *File "(.*?)", line \d+', flags=re.MULTILINE)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff]")

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the tree."""
    root = tmp_path_factory.mktemp("broken") / "project"
    root.mkdir()
    make_tree(root)
    return root


def collect(root: Path, **order: Any) -> Answer:
    """Collect in a process of its own; its standard output has to be one JSON object."""
    command = [sys.executable, "-m", "tests.collection.child", json.dumps({"root": str(root), **order})]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    child = subprocess.run(
        command, cwd=TOP, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert child.returncode == 0, f"exit status {child.returncode}: {child.stderr[-2000:]}"
    answer: Answer = json.loads(child.stdout)
    return answer


@pytest.fixture(scope="module")
def answer(tree: Path) -> Answer:
    """What the first collection of the tree says."""
    return collect(tree)


@pytest.fixture(scope="module")
def errors(answer: Answer) -> dict[str, list[Answer]]:
    """Path of the file → its errors."""
    found: dict[str, list[Answer]] = {}
    for error in answer["errors"]:
        found.setdefault(error["path"], []).append(error)
    return found


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_broken_file_has_one_clear_error(tree: Path, errors: dict[str, list[Answer]], kind: Kind) -> None:
    """At that file, with the right code, line and words; the user's frames only; bounded and harmless."""
    [error] = errors[f"{BROKEN}/{kind.name}.py"]
    assert error["code"] == kind.code, error
    if kind.line == ANYWHERE:
        assert error["line"] is None or error["line"] > 0
    else:
        assert error["line"] == kind.line, error
    assert kind.words in error["message"], error
    assert 0 < len(error["message"]) <= 500
    traceback = error["traceback"] or ""
    assert len(traceback) <= 16 * 1024
    for text in (error["message"], traceback, error["help"] or ""):
        assert not _CONTROLS.search(text)
    for frame in _FRAME.findall(traceback):
        assert frame.startswith((str(tree), "<string>")), "no frames of jobkit, the import system, libraries"
    assert error["code"] in all_codes()


def test_there_are_about_two_hundred_kinds() -> None:
    """Each with a name of its own."""
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 200


def test_nothing_else_is_wrong(errors: dict[str, list[Answer]]) -> None:
    """No error without a kind that explains it."""
    assert set(errors) == {f"{BROKEN}/{kind.name}.py" for kind in KINDS}


def test_every_healthy_job_is_there(answer: Answer) -> None:
    """Whatever the file is called, does, and stands between."""
    working = {name for name, job in answer["jobs"].items() if job["error"] is None}
    assert working == set(healthy_jobs())
    places = {name: answer["jobs"][name]["place"].rpartition(":")[0] for name in working}
    assert places == healthy_jobs()


def test_names_claimed_twice_are_listed_once(answer: Answer) -> None:
    """With their error, among the jobs."""
    assert {name for name, job in answer["jobs"].items() if job["error"]} == {"claimed", "twice"}


def test_what_is_no_file_is_a_hint(answer: Answer) -> None:
    """Folders, pipes, sockets, and second ways to a file."""
    hints = {
        Path(warning["path"]).name for warning in answer["warnings"] if warning["code"] in ("JK155", "JK157")
    }
    assert hints == set(SKIPPED)


def test_the_process_is_as_it_was(answer: Answer) -> None:
    """Working directory, signal handlers, recursion limit; and nothing broken stays imported."""
    assert answer["same_state"]
    broken = {f"jobkit_ext.broken.jobs.{kind.name}" for kind in KINDS if kind.code != "JK108"}
    assert broken.isdisjoint(answer["executed"])


def test_the_second_time_is_as_the_first(tree: Path, answer: Answer) -> None:
    """With an index, bytecode and notes of the first collection there: the same answer."""
    again = collect(tree)
    assert _without_chance(again["errors"]) == _without_chance(answer["errors"])
    assert again["jobs"] == answer["jobs"]


def _without_chance(errors: list[Answer]) -> list[Answer]:
    """Where exactly a file was when its time was over differs."""
    return [{**error, "line": 0, "traceback": ""} if error["code"] == "JK106" else error for error in errors]


def test_one_healthy_job_can_be_had_alone(tree: Path, answer: Answer) -> None:
    """In the middle of all that, one file is imported for one job."""
    name = next(name for name, path in healthy_jobs().items() if path.endswith("/middle.py"))
    alone = collect(tree, job=name)
    assert [module for module in alone["executed"] if module.count(".") == 3] == [
        "jobkit_ext.broken.jobs.middle"
    ]
    assert len(alone["errors"]) == len(answer["errors"])


def test_the_command_line_answers_all_the_same(tree: Path, answer: Answer) -> None:
    """``list --json`` is one JSON object with every job and every error; a healthy job runs."""
    command = [sys.executable, "-m", "jobkit", "-C", str(tree), "--json"]
    listed = subprocess.run([*command, "list"], cwd=TOP, capture_output=True, timeout=110, check=False)
    body = json.loads(listed.stdout)
    assert {job["name"] for job in body["data"]} == set(answer["jobs"])
    assert {error["path"] for error in body["errors"]} == {error["path"] for error in answer["errors"]}
    ran = subprocess.run(
        [*command, "run", "healthy_0"], cwd=TOP, capture_output=True, timeout=110, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert [run["status"] for run in json.loads(ran.stdout)["data"]] == ["succeeded"]
