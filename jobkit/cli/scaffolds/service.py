"""The files of a new service of a project: a plugin's file, and its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobkit.cli.scaffolds.files import Draft
from jobkit.cli.scaffolds.plugin_file import PluginFilePlace

_SERVICE = '''\
"""The service `{name}`: what jobs ask for instead of making it themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jobkit import ServiceSpec, hookimpl


class {title}:
    """What jobs get. A real one would hold a connection, or a client."""

    def __init__(self) -> None:
        self.closed = False

    def answer(self, question: str) -> str:
        """Answer *question*."""
        return f"{name} was asked: {{question}}"


async def open_{name}() -> AsyncIterator[{title}]:
    """Opened when a job first asks for it; what follows the `yield` closes it when the process ends."""
    {name} = {title}()
    try:
        yield {name}
    finally:
        {name}.closed = True


@hookimpl
def jobkit_services() -> list[ServiceSpec]:
    """Jobs get it by its type, or by its name: `def job(ctx, {name})`."""
    return [ServiceSpec(open_{name}, name="{name}")]
'''

_TEST = '''\
"""What jobs get from the service {name}."""

from jobkit import JobResult


def test_jobs_can_ask_{name}(jobkit_run):
    def asks(ctx, {name}):
        return JobResult.success({name}.answer("ready?"))

    record = jobkit_run(asks)
    assert record.message == "{name} was asked: ready?"
'''

# A function of a test belongs to no extension, so it is given what an extension's own jobs would get.
_EXTENSION_TEST = '''\
"""What jobs of the extension get from its service {name}."""

from jobkit import JobResult
from {module} import {title}


def test_jobs_can_ask_{name}(jobkit_run):
    def asks(ctx, {name}):
        return JobResult.success({name}.answer("ready?"))

    record = jobkit_run(asks, services={{"{name}": {title}()}})
    assert record.message == "{name} was asked: ready?"
'''


def service_drafts(root: Path, place: PluginFilePlace) -> Iterator[Draft]:
    """The file with the service, and its test."""
    words = {"name": place.name, "title": place.title, "module": place.module}
    yield Draft(place.path, _SERVICE.format(**words), "the service")
    test = _TEST if place.extension is None else _EXTENSION_TEST
    yield Draft(root / "tests" / f"test_{place.name}_service.py", test.format(**words), "its test")
