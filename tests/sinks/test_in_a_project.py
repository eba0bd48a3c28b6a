"""Sinks of a project's own files, with the real hooks around them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit import Project
from jobkit.sinks.delivery import Delivery
from jobkit.stores.base import Store
from tests.sinks.conftest import QUICK, eventually, finish

HOOKS = """
from pathlib import Path
from jobkit import Sink, hookimpl

class Note(Sink):
    def __init__(self, name):
        self.name = name

    async def emit(self, run):
        if self.name == "bad":
            raise OSError("disk full")
        with open(Path(__file__).with_name(f"{self.name}.txt"), "a") as file:
            file.write(f"{run.job}\\n")

class Nameless:
    async def emit(self, run): ...

@hookimpl
def jobkit_result_sinks(config):
    return [Note("bad"), Nameless(), object(), Note("good")]
"""
EXTENSION = HOOKS.replace('[Note("bad"), Nameless(), object(), Note("good")]', '[Note("own")]')


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    for path, text in (("hooks/notes.py", HOOKS), ("extensions/web/hooks.py", EXTENSION)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "jobkit.toml").write_text('[project]\nname = "shop"\n')
    project = Project.load(tmp_path)
    yield project
    project.close()


async def test_failures_are_counted_for_the_plugin(memory: Store, project: Project, tmp_path: Path) -> None:
    """The plugin stays active, its other sink is delivered to, and ``jobkit plugins`` shows the count."""
    async with Delivery(project.sinks, memory, hooks=project.hooks, pace=QUICK) as it:
        it.finished(await finish(memory, "tidy", extension="web"))
        it.finished(await finish(memory, "bill", extension="shop"))
        report = await it.once()
        await eventually(lambda: (tmp_path / "hooks/good.txt").exists())
    assert report.waiting == {"bad": 2}
    assert (tmp_path / "hooks/good.txt").read_text() == "tidy\nbill\n"
    info = project.plugins.info("notes")
    assert info is not None
    assert info.status == "active"
    assert info.failures == 4  # the one without a name, what is no sink, and one for each of two jobs
    assert "disk full" in str(info.error)


async def test_an_extensions_sink_gets_its_runs(memory: Store, project: Project, tmp_path: Path) -> None:
    """What ``extensions/web/hooks.py`` provides is for the jobs of ``web``."""
    async with Delivery(project.sinks, memory, hooks=project.hooks, pace=QUICK) as it:
        it.finished(await finish(memory, "bill", extension="shop"))
        it.finished(await finish(memory, "tidy", extension="web"))
        await it.once()
    assert (tmp_path / "extensions/web/own.txt").read_text() == "tidy\n"
