"""A registration belongs to the module whose body is executing; a file registers all or nothing."""

from __future__ import annotations

import sys

import pytest

from tests.collection.conftest import JOB, ProjectFolder, only

REGISTER = """from jobkit import submit_job


def register(name):
    async def work(ctx): ...
    return submit_job(work, name=name)
"""


def test_a_sibling_keeps_its_own_jobs(project: ProjectFolder) -> None:
    """A job file that another one imports first is credited with what it registers, once."""
    project.file("extensions/web/jobs/a_first.py", "from . import second\n" + JOB.format(name="first"))
    project.job("second")
    result = project.collect()
    assert {path.path.stem: path.jobs for path in result.files} == {
        "a_first": ("first",),
        "second": ("second",),
    }
    assert result.jobs["second"].module == "jobkit_ext.web.jobs.second"
    assert (result.errors, result.warnings) == ([], [])


def test_a_helper_function_credits_the_file_that_calls_it(project: ProjectFolder) -> None:
    """``register()`` is defined elsewhere; file and line are those of the job file's call."""
    project.file("extensions/web/jobs/_register.py", REGISTER)
    for name in ("one", "two"):
        source = f"from ._register import register\n\nregister('{name}')\n"
        project.file(f"extensions/web/jobs/{name}.py", source)
    result = project.collect()
    assert {name: (spec.path.name, spec.line) for name, spec in result.jobs.items()} == {
        "one": ("one.py", 3),
        "two": ("two.py", 3),
    }


def test_a_sibling_may_register_on_demand(project: ProjectFolder) -> None:
    """Called from another job file, a sibling's function registers for the caller."""
    project.file("extensions/web/jobs/a_tools.py", REGISTER + "\nregister('tools')\n")
    project.file("extensions/web/jobs/work.py", "from .a_tools import register\n\n\nregister('work')\n")
    result = project.collect()
    assert result.jobs["tools"].path.name == "a_tools.py"
    assert (result.jobs["work"].path.name, result.jobs["work"].line) == ("work.py", 4)


@pytest.mark.parametrize(
    ("helper", "line"),
    [
        ("extensions/web/jobs/_helper.py", "from . import _helper"),
        ("extensions/web/lib/tools.py", "from ..lib import tools"),
        ("extensions/web/__init__.py", "x = 1"),
        ("extensions/web/jobs/__init__.py", "x = 1"),
    ],
)
def test_a_helper_registers_nothing(project: ProjectFolder, helper: str, line: str) -> None:
    """``submit_job`` in the body of anything but a job file is an error that names that line."""
    project.file(helper, JOB.format(name="stray"))
    project.file("extensions/web/jobs/work.py", f"{line}\n" + JOB.format(name="work"))
    result = project.collect()
    error = only(result.errors)
    assert error.code == "JK131"
    assert error.message.startswith(f"{helper}:8: ")
    assert error.path.name == "work.py"
    assert result.jobs == {}


def test_a_file_registers_all_or_nothing(project: ProjectFolder) -> None:
    """What a file registered before it failed is not taken."""
    project.file("extensions/web/jobs/half.py", JOB.format(name="early") + "raise ValueError('late')\n")
    project.job("work")
    result = project.collect()
    assert result.jobs.keys() == {"work"}
    assert only(result.errors).line == 9


def test_a_decorator_has_to_be_applied(project: ProjectFolder) -> None:
    """``submit_job(...)`` alone on a line registers nothing, so the file is in error there (JK109)."""
    source = "from jobkit import submit_job\n\nsubmit_job(schedule='0 0 3 * * *')\n\ndef work(ctx): ...\n"
    path = project.file("extensions/web/jobs/work.py", source)
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK109", 3)
    path.write_text(
        source.replace("submit_job(s", "@submit_job(s").replace("\n\ndef", "\ndef"), encoding="utf-8"
    )
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])


def test_a_failed_module_is_gone(project: ProjectFolder) -> None:
    """Neither it, nor what was imported while it was half executed, stays in ``sys.modules``."""
    project.file("extensions/web/lib/before.py")
    project.file("extensions/web/jobs/a_good.py", "from ..lib import before\n" + JOB.format(name="good"))
    project.file("extensions/web/jobs/broken.py", "from . import partner\nraise ValueError\n")
    project.file("extensions/web/jobs/partner.py", "from . import broken\n" + JOB.format(name="partner"))
    result = project.collect()
    assert {error.path.name: error.line for error in result.errors if error.path} == {
        "broken.py": 2,
        "partner.py": 1,
    }
    assert result.jobs.keys() == {"good"}
    left = {name for name in sys.modules if name.startswith("jobkit_ext.")}
    assert left == {
        "jobkit_ext.web",
        "jobkit_ext.web.jobs",
        "jobkit_ext.web.jobs.a_good",
        "jobkit_ext.web.lib",
        "jobkit_ext.web.lib.before",
    }
    assert not hasattr(sys.modules["jobkit_ext.web.jobs"], "partner")


def test_an_optional_import_may_fail(project: ProjectFolder) -> None:
    """A file that catches the failure of its helper is fine, and the helper leaves nothing behind."""
    project.file("extensions/web/jobs/_fast.py", "from . import _faster\nimport no_such_library\n")
    project.file("extensions/web/jobs/_faster.py")
    source = "try:\n    from . import _fast\nexcept ImportError:\n    _fast = None\n" + JOB.format(
        name="work"
    )
    project.file("extensions/web/jobs/work.py", source)
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])
    assert "jobkit_ext.web.jobs._faster" not in sys.modules


def test_files_that_import_each_other(project: ProjectFolder) -> None:
    """Two errors, one for each, that name the circle and the way out."""
    project.file("extensions/web/jobs/hen.py", "from .egg import egg\n" + JOB.format(name="hen"))
    project.file("extensions/web/jobs/egg.py", "from .hen import hen\n" + JOB.format(name="egg"))
    result = project.collect()
    assert [(error.path.name, error.line) for error in result.errors if error.path] == [
        ("egg.py", 1),
        ("hen.py", 1),
    ]
    assert all(error.help and "_helpers.py" in error.help for error in result.errors)


def test_threads_of_a_file_register_nothing(project: ProjectFolder) -> None:
    """Only the body itself registers: a thread would come too early or too late."""
    source = JOB.format(name="work") + (
        "import threading\n"
        "async def other(ctx): ...\n"
        "thread = threading.Thread(target=submit_job, args=(other,))\n"
        "thread.start()\nthread.join()\n"
    )
    project.file("extensions/web/jobs/work.py", source)
    assert project.collect().jobs.keys() == {"work"}


def test_a_package_that_registers_is_told_so(project: ProjectFolder) -> None:
    """A module that the loader did not load registers nothing, and collection warns of it (JK132)."""
    project.file("shop/__init__.py")
    project.file("shop/jobs.py", JOB.format(name="stray"))
    project.file("extensions/web/jobs/work.py", "import shop.jobs\n" + JOB.format(name="work"))
    answer = project.collect_alone()
    assert list(answer["jobs"]) == ["work"]
    [warning] = answer["warnings"]
    assert (warning["code"], warning["path"], warning["line"]) == ("JK132", "shop/jobs.py", 8)
    assert "shop.jobs" in warning["message"]


def test_a_file_may_put_an_object_in_its_place(project: ProjectFolder) -> None:
    """A module that replaces itself in ``sys.modules`` is a module; its jobs count."""
    source = JOB.format(name="work") + (
        "import sys, types\nsys.modules[__name__] = types.SimpleNamespace(work=work)\n"
    )
    project.file("extensions/web/jobs/work.py", source)
    result = project.collect()
    assert (result.errors, list(result.jobs)) == ([], ["work"])


def test_a_file_must_not_take_itself_away(project: ProjectFolder) -> None:
    """A module that deletes itself cannot be imported by anybody: an error (JK162) until it stays."""
    path = project.file(
        "extensions/web/jobs/work.py", JOB.format(name="work") + "import sys\ndel sys.modules[__name__]\n"
    )
    error = only(project.collect().errors)
    assert error.code == "JK162"
    path.write_text(JOB.format(name="work"), encoding="utf-8")
    assert project.collect().errors == []


def test_too_many_jobs_in_a_file(project: ProjectFolder) -> None:
    """A loop that registers without end is stopped, and takes no other file with it (JK165)."""
    source = (
        "from jobkit import submit_job\ndef work(ctx): ...\n"
        "for n in range({count}):\n    submit_job(work, name=f'work-{{n}}')\n"
    )
    path = project.file("extensions/web/jobs/loop.py", source.format(count=10_001))
    project.job("fine")
    result = project.collect()
    assert (only(result.errors).code, list(result.jobs)) == ("JK165", ["fine"])
    path.write_text(source.format(count=10), encoding="utf-8")
    assert len(project.collect().jobs) == 11
