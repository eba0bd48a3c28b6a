"""The files of a new sink of a project: a plugin's file, and its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jobkit.cli.scaffolds.files import Draft
from jobkit.cli.scaffolds.plugin_file import PluginFilePlace

_SINK = '''\
"""The sink `{name}`: it is told how every run ended, at least once, in order for each job."""

from __future__ import annotations

import json
from pathlib import Path

from jobkit import RunRecord, Sink, hookimpl
from jobkit.plugin import Config


class {title}(Sink):
    """Writes one line of JSON for every finished run."""

    name = "{name}"

    def __init__(self, path: Path) -> None:
        self.path = path

    def emit(self, run: RunRecord) -> None:
        """Raising means: not taken, try again later; `Sink.Reject` means never."""
        line = json.dumps({{"id": run.id, "job": run.job, "status": run.status.value}})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\\n")


@hookimpl
def jobkit_result_sinks(config: Config) -> list[Sink]:
    """From now on every run that finishes is kept for it until it was taken."""
    return [{title}(config.root / ".jobkit" / "{name}.jsonl")]
'''

_TEST = '''\
"""What the sink {name} does with runs."""

import json

import pytest
from jobkit.testing.conformance.sink import SinkConformance, finished_run
from {module} import {title}


def test_{name}_writes_one_line_for_each_run(tmp_path):
    {name} = {title}(tmp_path / "runs.jsonl")
    for number in (1, 2):
        {name}.emit(finished_run(number))
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["job"] for line in lines] == ["nightly", "nightly"]


class Test{title}(SinkConformance):
    """What is true of every good sink."""

    @pytest.fixture
    def make_sink(self, tmp_path):
        return lambda: {title}(tmp_path / "runs.jsonl")
'''


def sink_drafts(root: Path, place: PluginFilePlace) -> Iterator[Draft]:
    """The file with the sink, and its test."""
    words = {"name": place.name, "title": place.title, "module": place.module}
    yield Draft(place.path, _SINK.format(**words), "the sink")
    yield Draft(root / "tests" / f"test_{place.name}_sink.py", _TEST.format(**words), "its test")
