"""A name belongs to one registration; claimed more often, it is nobody's."""

from __future__ import annotations

from tests.collection.conftest import JOB, ProjectFolder, only

JOBS = "extensions/web/jobs"


def test_two_files_claim_a_name(project: ProjectFolder) -> None:
    """An error on both (JK108), each naming the other; the job is listed once, with one of them."""
    first = project.job("work", f"{JOBS}/a.py")
    second = project.job("work", "extensions/mail/jobs/b.py")
    project.job("fine")
    result = project.collect()
    errors = {error.path: error for error in result.errors}
    assert {error.code for error in result.errors} == {"JK108"}
    assert errors.keys() == {first, second}
    assert "extensions/mail/jobs/b.py:8" in errors[first].message
    assert f"{JOBS}/a.py:8" in errors[second].message
    assert all((error.line, error.jobs) == (8, ("work",)) for error in result.errors)
    assert sorted(result.jobs) == ["fine", "work"]
    assert result.jobs["work"].error in result.errors
    assert result.jobs["fine"].error is None
    second.write_text(JOB.format(name="work").replace("(work)", "(work, name='other')"), encoding="utf-8")
    result = project.collect()
    assert (result.errors, sorted(result.jobs)) == ([], ["fine", "other", "work"])


def test_one_file_claims_a_name_twice(project: ProjectFolder) -> None:
    """One error, at the second call, that names the first; other jobs of the file work."""
    source = JOB.format(name="work") + "submit_job(work)\nsubmit_job(work, name='other')\n"
    project.file(f"{JOBS}/work.py", source)
    result = project.collect()
    error = only(result.errors)
    assert (error.code, error.line) == ("JK108", 9)
    assert f"{JOBS}/work.py:8" in error.message
    assert result.jobs["work"].error is error
    assert result.jobs["other"].error is None


def test_many_claims_are_named_in_bounds(project: ProjectFolder) -> None:
    """Twenty files, twenty errors of readable length."""
    for number in range(20):
        project.job("work", f"{JOBS}/file_{number:02d}.py")
    result = project.collect()
    assert len(result.errors) == 20
    assert all("and 14 more" in error.message and len(error.message) < 400 for error in result.errors)
    assert list(result.jobs) == ["work"]
