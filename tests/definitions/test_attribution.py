"""Whose registration a call is, and what happens when it is nobody's."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jobkit
from jobkit import submit_job
from jobkit.exceptions import CollectionError, JobkitWarning
from jobkit.registration import collecting, current
from jobkit.submit import to_spec

if TYPE_CHECKING:
    from tests.definitions.conftest import Load

HEAD = "from jobkit import submit_job\n"


async def work(ctx: object) -> None:
    """Work."""


def test_outside_of_collection_nothing_is_registered() -> None:
    """A unit test may import a job file: the call returns what it was given, and that is all."""
    assert current() is None
    assert submit_job(work, schedule="0 0 3 * * *") is work


def test_a_job_file_can_be_executed_by_hand(tmp_path: Path) -> None:
    """``python file.py`` has no side effect and prints nothing."""
    path = tmp_path / "job.py"
    path.write_text(HEAD + "@submit_job(schedule='@daily')\nasync def job(ctx): ...\n", encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(Path(jobkit.__file__).parents[1])}
    done = subprocess.run([sys.executable, path], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_line_is_that_of_the_call(load: Load) -> None:
    """A call over several lines counts from its first."""
    collected = load(HEAD + "async def job(ctx): ...\n\nsubmit_job(\n    job,\n    tags=['a'],\n)\n")
    assert [item.line for item in collected.registrations] == [4]


def test_a_call_in_a_function_of_the_file_has_its_line(load: Load) -> None:
    """The innermost line of the job file is shown."""
    text = "def register(name):\n    submit_job(lambda ctx: None, name=name)\nregister('a')\nregister('b')\n"
    collected = load(HEAD + text)
    assert [(item.options["name"], item.line) for item in collected.registrations] == [("a", 3), ("b", 3)]


def test_a_call_in_a_function_from_elsewhere_belongs_to_the_job_file(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is whose body is executing; the line is where that body called the function."""
    (tmp_path / "shop_jobs.py").write_text(
        HEAD + "def register(job):\n    submit_job(job)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    collected = load("import shop_jobs\nasync def job(ctx): ...\n\nshop_jobs.register(job)\n")
    assert [(item.options["name"], item.line) for item in collected.registrations] == [("job", 4)]
    assert collected.registrations[0].path.name == "example.py"


def test_an_ordinary_module_registers_nothing(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that a job file imports, and that is no job file, gets a warning at its line (JK132)."""
    outside = tmp_path / "outside_module.py"
    outside.write_text(HEAD + "async def job(ctx): ...\nsubmit_job(job)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(JobkitWarning, match=r"outside_module was imported.*JK132") as caught:
        collected = load("import outside_module\n")
    assert collected.registrations == []
    assert [(warning.filename, warning.lineno) for warning in caught] == [(str(outside), 3)]


def test_an_ordinary_module_may_be_imported_without_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning is about being ignored; where nothing is collected, nothing is ignored."""
    (tmp_path / "another_module.py").write_text(HEAD + "submit_job(lambda ctx: 0, name='x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("another_module")


def test_a_helper_registers_nothing(load: Load) -> None:
    """A registration in a file whose name starts with ``_`` is an error at its line (JK131)."""
    with pytest.raises(CollectionError) as caught:
        load(HEAD + "\nsubmit_job(lambda ctx: None, name='x')\n", accepts=False)
    assert (caught.value.code, caught.value.line) == ("JK131", 3)
    with pytest.raises(CollectionError) as caught:
        load(HEAD + "@submit_job()\ndef job(ctx): ...\n", accepts=False)
    assert (caught.value.code, caught.value.line) == ("JK131", 2)


def test_a_function_of_a_helper_may_register_for_a_job_file(load: Load) -> None:
    """Once the helper is imported, its functions register for whoever calls them (the way out of JK131)."""
    with collecting("jobkit_ext.web.jobs._helpers", Path("_helpers.py"), accepts=False):

        def register(job: object) -> None:
            submit_job(job)  # type: ignore[call-overload]  # any object, on purpose

    collected = load("def go(register, job):\n    register(job)\n")
    with collecting("jobkit_ext.web.jobs.other", Path("other.py")) as other:
        register(work)
    assert (len(other.registrations), len(collected.registrations)) == (1, 0)


def test_a_thread_of_a_job_file_registers_nothing(load: Load) -> None:
    """Collection is one thread's business."""
    text = (
        "import threading\ndef go():\n    submit_job(lambda ctx: None, name='x')\n"
        "thread = threading.Thread(target=go)\nthread.start()\nthread.join()\n"
    )
    assert load(HEAD + text).registrations == []


def test_a_decorator_that_is_not_applied_stays_pending(load: Load) -> None:
    """The loader sees it, with its line, when the file ends."""
    collected = load(HEAD + "\nsubmit_job(schedule='@daily')\nsubmit_job(tags=['a'])\n")
    assert [item.line for item in collected.pending.values()] == [3, 4]
    assert collected.registrations == []


def test_a_decorator_that_is_applied_is_not_pending(load: Load) -> None:
    """Neither when it is used once, nor when several jobs share it."""
    text = "nightly = submit_job(tags=['nightly'])\n@nightly\ndef a(ctx): ...\n@nightly\ndef b(ctx): ...\n"
    collected = load(HEAD + text)
    assert collected.pending == {}
    assert [item.options["name"] for item in collected.registrations] == ["a", "b"]


def test_a_decorator_from_another_module_registers_where_it_is_applied() -> None:
    """The module that applies it is the one that has the job."""
    with collecting("one", Path("one.py")) as one:
        nightly = submit_job(tags=["nightly"])
    with collecting("two", Path("two.py")) as two:
        nightly(work)
    assert (len(one.registrations), len(one.pending)) == (0, 0)
    assert [item.path for item in two.registrations] == [Path("two.py")]


def test_a_decorator_says_what_it_is() -> None:
    """Whoever prints it by mistake sees the place."""
    assert "test_attribution.py" in repr(submit_job(tags=["a"]))


def test_a_pending_decorator_is_no_job() -> None:
    """It cannot be turned into a specification."""
    with collecting("one", Path("one.py")) as one:
        submit_job(tags=["nightly"])
    with pytest.raises(ValueError, match="was not applied"):
        to_spec(next(iter(one.pending.values())), "web", "one")


def test_the_specification_remembers_where_options_were_said(load: Load) -> None:
    """Each option that was given has the line of the call as its origin; others have none."""
    [registration] = load(HEAD + "\nsubmit_job(lambda ctx: None, name='x', tags=['a'])\n").registrations
    spec = to_spec(registration, "web", "jobkit_ext.web.jobs.example")
    assert {name: (origin.layer, origin.line) for name, origin in spec.origins.items()} == {
        "name": ("code", 3),
        "tags": ("code", 3),
    }
    assert (spec.extension, spec.module) == ("web", "jobkit_ext.web.jobs.example")
