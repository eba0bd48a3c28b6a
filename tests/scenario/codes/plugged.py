"""JK17x: what plugins do to files and jobs while they are collected."""

from __future__ import annotations

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

SQL_FILE = "extensions/web/jobs/tidy.sql"
SQL = """from functools import partial

from jobkit import hookimpl, submit_job


def run(statement, ctx):
    pass


@hookimpl
def jobkit_collect_file(path, extension, config):
    if path.suffix == ".sql":
        statement = path.read_bytes().decode("ascii")
        submit_job(partial(run, statement), name=path.stem, description="SQL")
        return True
"""
JOB = """from jobkit import JobContext, submit_job


@submit_job
async def cleanup(ctx: JobContext) -> None:
    \"\"\"Clean up.\"\"\"
"""
PREFIXES = """from dataclasses import replace

from jobkit import hookimpl


@hookimpl
def jobkit_collection_modifyjobs(jobs, config):
    jobs[:] = [replace(job, name=f"web_{job.name}") for job in jobs]
"""


def _not_ascii(cli: CommandLine) -> Ended:
    cli.file("hooks/sql.py", SQL)
    cli.file(SQL_FILE, "delete from orders where name = 'Müller'\n")
    return cli("check")


def _ascii(cli: CommandLine) -> Ended:
    cli.file(SQL_FILE, "delete from orders where name = 'Miller'\n")
    return cli("check")


def _by_old_name(cli: CommandLine) -> Ended:
    cli.file("hooks/prefixes.py", PREFIXES)
    cli.file("extensions/web/jobs/cleanup.py", JOB)
    cli.file("jobkit.toml", '[jobs.cleanup]\ntimeout = "5m"\n')
    return cli("check")


def _by_new_name(cli: CommandLine) -> Ended:
    cli.file("jobkit.toml", '[jobs.web_cleanup]\ntimeout = "5m"\n')
    return cli("check")


WALKS = [
    Walk("JK170", _not_ascii, "mend the plugin (hooks/sql.py:13)", _ascii),
    Walk("JK171", _by_old_name, "`jobkit list --plugin no:prefixes` shows the jobs", _by_new_name),
]

#: What no command can show: the test that provokes and mends it.
ELSEWHERE: dict[str, str] = {}
