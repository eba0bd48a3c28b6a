"""The sinks that jobkit brings along: lines on standard error, and lines of JSON in a file."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobkit import Project
from jobkit.exceptions import PluginError
from jobkit.records import RunRecord
from jobkit.sinks.checking import checked_sinks
from jobkit.sinks.console import ConsoleSink
from jobkit.sinks.jsonl import JsonlSink
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Store
from tests.sinks.conftest import Delivering, Hooks, finish


def record(**members: Any) -> RunRecord:
    return RunRecord(
        **{
            "id": "0190-run",
            "number": 7,
            "job": "tidy",
            "extension": "web",
            "status": RunStatus.SUCCEEDED,
            "trigger": Trigger.MANUAL,
            "finished_at": datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC),
            "duration_ms": 12,
            **members,
        }
    )


def project(tmp_path: Path, settings: str = "") -> list[Any]:
    (tmp_path / "jobkit.toml").write_text(f'[project]\nname = "shop"\n{settings}')
    loaded = Project.load(tmp_path)
    try:
        return [given.value for given in loaded.sinks if given.plugin in ("console", "jsonl")]
    finally:
        loaded.close()


def test_they_are_off_unless_configured(tmp_path: Path) -> None:
    """A project without settings has neither."""
    assert project(tmp_path) == []


def test_they_are_switched_on_in_their_tables(tmp_path: Path) -> None:
    """``[plugins.console]`` and ``[plugins.jsonl]``; a path begins at the project's root."""
    settings = '[plugins.console]\nenabled = true\n[plugins.jsonl]\npath = "runs.jsonl"\n'
    sinks = {sink.name: sink for sink in project(tmp_path, settings)}
    assert sinks.keys() == {"console", "jsonl"}
    assert sinks["jsonl"].path == tmp_path / "runs.jsonl"
    assert all(sink.local for sink in sinks.values())


def test_they_are_sinks(tmp_path: Path) -> None:
    """By the same rules as those of plugins."""
    from tests.sinks.conftest import provided

    hooks = Hooks()
    assert len(checked_sinks(provided(ConsoleSink(), JsonlSink(tmp_path / "f")), hooks)) == 2
    assert not hooks.failures


# -- console -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ({}, "2026-03-01T12:00:00Z tidy 7 succeeded in 12 ms"),
        ({"message": "3 pages"}, "2026-03-01T12:00:00Z tidy 7 succeeded in 12 ms: 3 pages"),
        ({"message": "a\x1b[31m\nb"}, "2026-03-01T12:00:00Z tidy 7 succeeded in 12 ms: a\\x1b[31m\\nb"),
        (
            {"status": RunStatus.LOST, "duration_ms": None, "number": None, "finished_at": None},
            "tidy lost",
        ),
    ],
)
def test_a_run_is_a_line(capsys: pytest.CaptureFixture[str], members: dict[str, Any], line: str) -> None:
    """On standard error, whatever its texts are."""
    ConsoleSink().emit(record(**members))
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_narrow_encoding_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost and nothing raised."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(raw, encoding="ascii"))
    ConsoleSink().emit(record(message="für"))
    assert raw.getvalue().endswith(b": f\\xfcr\n")


def test_without_standard_error_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without one goes on."""
    monkeypatch.setattr(sys, "stderr", None)
    ConsoleSink().emit(record())


# -- jsonl -------------------------------------------------------------------------------------------


async def test_each_run_is_a_line_of_json(memory: Store, delivery: Delivering, tmp_path: Path) -> None:
    """The run's JSON, in order, readable by its owner only."""
    path = tmp_path / "runs.jsonl"
    async with delivery(memory, JsonlSink(path)) as it:
        records = [await finish(memory, data={"text": "a\nb\u2028\ud800"}) for _ in range(3)]
        for found in records:
            it.finished(found)
    lines = path.read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [found.to_json() for found in records]
    assert path.read_text(encoding="ascii").count("\n") == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_appends(tmp_path: Path) -> None:
    """What was there stays, also when the file was moved away in between."""
    sink = JsonlSink(tmp_path / "runs.jsonl")
    sink.emit(record(number=1))
    sink.emit(record(number=2))
    sink.path.rename(tmp_path / "old.jsonl")
    sink.emit(record(number=3))
    numbers = [
        [json.loads(line)["number"] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("old.jsonl", "runs.jsonl")
    ]
    assert numbers == [[1, 2], [3]]


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    """After a crash in the middle of a line the next one begins anew."""
    path = tmp_path / "runs.jsonl"
    path.write_text('{"id":"01')
    JsonlSink(path).emit(record())
    half, whole = path.read_text().splitlines()
    assert half == '{"id":"01'
    assert json.loads(whole)["number"] == 7


def test_lines_of_several_writers_do_not_mix(tmp_path: Path) -> None:
    """Each is one write."""
    path = tmp_path / "runs.jsonl"

    def write(number: int) -> None:
        sink = JsonlSink(path)
        for _ in range(50):
            sink.emit(record(number=number, message="x" * 3000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [json.loads(line)["number"] for line in path.read_text().splitlines()]
    assert sorted(numbers) == sorted([0, 1, 2, 3] * 50)


def test_a_folder_of_the_project_is_made(tmp_path: Path) -> None:
    """For its owner only, each that is missing; nothing is made elsewhere."""
    root = tmp_path / "shop"
    root.mkdir()
    sink = JsonlSink(root / "var/runs/runs.jsonl", root)
    assert sink.fault() is None
    sink.emit(record())
    assert [stat.S_IMODE((root / name).stat().st_mode) for name in ("var", "var/runs")] == [0o700, 0o700]
    outside = JsonlSink(root / "../else/runs.jsonl", root)
    with pytest.raises(PluginError, match=r"cannot be appended to .*/else/runs\.jsonl: No such file"):
        outside.emit(record())
    assert outside.fault() is not None
    assert not (tmp_path / "else").exists()


@pytest.mark.parametrize("what", ["no folder", "a folder", "a pipe"])
def test_a_file_that_cannot_be_written(tmp_path: Path, what: str) -> None:
    """JK735 says which and why; with a file in a folder that exists it works."""
    path = tmp_path / "there" / "runs.jsonl"
    if what != "no folder":
        path.parent.mkdir()
    if what == "a folder":
        path.mkdir()
    if what == "a pipe":
        os.mkfifo(path)
    with pytest.raises(PluginError) as found:
        JsonlSink(path).emit(record())
    assert found.value.code == "JK735"
    assert "folder that exists" in (found.value.help or "")
    JsonlSink(tmp_path / "runs.jsonl").emit(record())
    assert (tmp_path / "runs.jsonl").exists()


async def test_what_it_says_reaches_the_hooks(memory: Store, delivery: Delivering, tmp_path: Path) -> None:
    """A file that cannot be written fails no run."""
    hooks = Hooks()
    async with delivery(memory, JsonlSink(tmp_path), hooks=hooks) as it:
        it.finished(await finish(memory))
    [(_, hook, error, _)] = hooks.failures
    assert hook == "sink jsonl"
    assert isinstance(error, PluginError)
    assert error.code == "JK735"
