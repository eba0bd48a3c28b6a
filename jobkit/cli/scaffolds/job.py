"""The files of one new job: the job and its test."""

from __future__ import annotations

import keyword
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from jobkit.cli.scaffolds.files import Draft
from jobkit.cli.scaffolds.project import toml_text
from jobkit.exceptions import UsageError, relative_to
from jobkit.module_names import JOBS, SUFFIX, is_job_file
from jobkit.options import OPTIONS
from jobkit.redaction import mask_url

#: Folders of these names are no extensions.
_NO_EXTENSIONS = frozenset(("__pycache__", "node_modules"))

_JOB = '''\
from jobkit import JobContext, JobResult, submit_job


{decorator}
async def {name}(ctx: JobContext, *, limit: int = 10) -> JobResult:
    """{title}."""
    done = 0
    while done < limit:
        ctx.check_cancelled()
        done += 1
        ctx.progress(done, limit)
    return JobResult.success(f"{{done}} of at most {{limit}} done").with_stats(processed=done, errors=0)
'''

_TEST = '''\
"""What the job {name} does, run for real in a store in memory."""


def test_{name}_stops_at_its_limit(jobkit_run):
    record = jobkit_run("{name}", {{"limit": 3}})
    assert record.status == "succeeded"
    assert record.processed == 3
'''


def job_path(text: str, here: Path, root: Path, extensions: str) -> Path:
    """The job file that *text* means: a path from *here* or from the *root*, with or without ``.py``.

    UsageError (JK812) unless it is ``EXTENSIONS/<extension>/jobs/<file>.py``.
    """
    base = root / extensions
    for start in (here, root):
        path = Path(os.path.abspath(start / text))  # noqa: PTH100 – keeps links
        path = path if path.suffix == SUFFIX or not path.name else path.with_name(path.name + SUFFIX)
        if path.parent.name == JOBS and path.parent.parent.parent == base and _may_be_collected(path):
            return path
    shown = mask_url(text)
    name = Path(shown).name.removesuffix(".py") or "job"
    raise UsageError(
        f"a job file is {extensions}/<extension>/jobs/<file>.py, which {shown!r} is not",
        code="JK812",
        help=f"jobkit new job {extensions}/web/jobs/{name}.py",
    )


def _may_be_collected(path: Path) -> bool:
    extension = path.parent.parent.name
    return is_job_file(path.name) and not extension.startswith(".") and extension not in _NO_EXTENSIONS


def job_name(path: Path, taken: Collection[str]) -> str:
    """The name of the job in the file *path*, which is that of the file.

    UsageError (JK814) if it cannot be one, or if one of *taken* has it already.
    """
    name = path.stem.replace("-", "_")
    try:
        OPTIONS["name"].decode(name)
        if keyword.iskeyword(name):
            raise ValueError(f"{name!r} is a word of Python itself; write {name + '_job'!r}")
    except ValueError as error:
        raise UsageError(
            f"the job would be called after its file, and that does not do: {error}",
            code="JK814",
            help="give the file another name",
        ) from None
    if name in taken:
        raise UsageError(
            f"there is a job called {name!r} already",
            code="JK814",
            help=f"give the file another name; `jobkit show {name}` says where that job is",
        )
    return name


def job_drafts(root: Path, path: Path, name: str, schedule: str) -> Iterator[Draft]:
    """The files of the job *name*: UsageError (JK811) if one of them exists."""
    decorator = f"@submit_job(schedule={toml_text(schedule)})" if schedule else "@submit_job"
    title = name.replace("_", " ").strip().capitalize()
    job = Draft(path, _JOB.format(decorator=decorator, name=name, title=title), "the job")
    test = Draft(root / "tests" / f"test_{name}.py", _TEST.format(name=name), "its test")
    for draft in (job, test):
        if os.path.lexists(draft.path):
            raise UsageError(
                f"{relative_to(draft.path, root)} exists already, and is kept as it is",
                code="JK811",
                path=draft.path,
                help="give the new job another name, or move that file away first",
            )
        yield draft
