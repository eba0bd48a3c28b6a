"""The tree of broken files, made in a folder."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from tests.scenario.broken_tree import (
    definition_kinds,
    execution_kinds,
    healthy_files,
    import_kinds,
    source_kinds,
)
from tests.scenario.broken_tree.kinds import LIMIT, Healthy, Kind

KINDS: list[Kind] = [
    *source_kinds.KINDS,
    *execution_kinds.KINDS,
    *import_kinds.KINDS,
    *definition_kinds.KINDS,
]
HEALTHY: list[Healthy] = healthy_files.FILES
BROKEN = "extensions/broken/jobs"

_JOB = """
from jobkit import submit_job


async def healthy_{number}(ctx):
    return None


submit_job(healthy_{number})
"""


def make_tree(root: Path) -> None:
    """Write every broken file, the helpers they need, and the healthy ones among them."""
    jobs = root / BROKEN
    jobs.mkdir(parents=True)
    (root / "jobkit.toml").write_text(f'[project]\nimport_timeout = "{LIMIT}"\n', encoding="utf-8")
    for kind in KINDS:
        kind.write(jobs / f"{kind.name}.py")
    for name, content in import_kinds.HELPERS.items():
        (jobs / name).write_bytes(content.encode() if isinstance(content, str) else content)
    for number, file in enumerate(HEALTHY):
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(file, number))
    _make_entries_that_are_no_files(jobs)


def healthy_jobs() -> dict[str, str]:
    """Name of the job → path of the file, for every healthy file."""
    return {f"healthy_{number}": file.path for number, file in enumerate(HEALTHY)}


def _content(file: Healthy, number: int) -> bytes:
    before = file.before.encode() if isinstance(file.before, str) else file.before
    return before + (_JOB.format(number=number) + file.after).encode()


def _make_entries_that_are_no_files(jobs: Path) -> None:
    (jobs / "folder.py").mkdir()
    os.mkfifo(jobs / "pipe.py")
    (jobs / "second_way.py").symlink_to("middle.py")
    os.link(jobs / "middle.py", jobs / "zzzz_hard_link.py")
    before = Path.cwd()
    os.chdir(jobs)  # the name of a socket may have a hundred bytes only
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.py")
    finally:
        os.chdir(before)
