"""The files of a new project: small enough to be read whole, and each there to be kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.cli.scaffolds.files import Draft
from jobkit.config.json_schema import json_schema

if TYPE_CHECKING:
    from jobkit.config.plugin_declared import Declared

#: What editors check the configuration with; the first line of each file refers to it.
SCHEMA = "jobkit.schema.json"

_MARK = """\
#:schema jobkit.schema.json
# The developers' file. It marks the root of the project, and every clone starts from it.
# `jobkit help environments` says which other files there can be, and which of them wins.

[project]
name = {name}

[scheduler]
timezone = "UTC"        # the zone of schedules that name none
retention = "30d"       # finished runs and their logs that are older are pruned
"""

_OPERATORS = """\
#:schema ../../jobkit.schema.json
# The operators' file: what runs here, and how. It wins over jobkit.toml and over the code.
# For one environment only: config.production.toml beside it, chosen by `--env production`.

[jobs.hello]
enabled = true
parameters = { name = "world" }
"""

_JOB = '''\
"""A job to begin with: `jobkit run hello -p name=Ada` runs it now."""

from jobkit import JobContext, JobResult, submit_job


@submit_job(schedule="0 0 9 * * *", tags=["example"])  # seconds first: every day at 9:00:00
async def hello(ctx: JobContext, *, name: str = "world") -> JobResult:
    """Say hello."""
    ctx.log.info("greeting", name=name)
    return JobResult.success(f"Hello {name}!").with_stats(processed=1, errors=0)
'''

_TEST = '''\
"""What the example job does, run for real in a store in memory."""


def test_hello_greets_by_name(jobkit_run):
    record = jobkit_run("hello", {"name": "Ada"})
    assert record.status == "succeeded"
    assert record.message == "Hello Ada!"
    assert record.processed == 1
'''

_IGNORED = """\
# What jobkit keeps beside the code: the run store and the index of job files.
.jobkit/
# Written by `jobkit enable` and `jobkit disable`, for this checkout only.
services/scheduler/overrides*.toml
__pycache__/
"""


def project_drafts(root: Path, name: str) -> Iterator[Draft]:
    """The files of a project in the folder *root* that is called *name*.

    The one that makes it a project comes last: until then ``init`` can be repeated.
    """
    yield Draft(root / "extensions/example/jobs/hello.py", _JOB, "a job")
    yield Draft(root / "tests/test_hello.py", _TEST, "its test")
    yield Draft(root / "services/scheduler/config.toml", _OPERATORS, "for operators: what runs here")
    schema = json.dumps(json_schema(_own_tables()), indent=2) + "\n"
    yield Draft(root / SCHEMA, schema, "for editors: keys, types, defaults")
    yield Draft(root / ".gitignore", _IGNORED, "keeps run history out of git")
    yield Draft(root / "jobkit.toml", _MARK.format(name=toml_text(name)), "marks the project's root")


def _own_tables() -> dict[str, Declared]:
    """What the plugins that jobkit itself brings have declared: they are in every project."""
    from jobkit.plugins.parser import Parsers
    from jobkit.plugins.registry import PluginRegistry
    from jobkit.project_plugins import builtin_plugins

    registry, parsers = PluginRegistry(), Parsers()
    for builtin in builtin_plugins():
        registry.register(builtin.load(), builtin.name, source="built-in")
    registry.hooks.addoption(parsers.of)
    return {name: parser.declared for name, parser in parsers.items()}


def project_name(folder: Path) -> str:
    """A name for the project in *folder*, from the folder's own."""
    shown = "".join(sign for sign in folder.name if sign.isprintable())[:128].strip()
    return shown or "project"


def toml_text(text: str) -> str:
    """*text*, which can be printed, as a TOML string."""
    return json.dumps(text, ensure_ascii=False)
