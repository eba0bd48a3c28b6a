"""The example of the documentation works as it stands there."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobkit import Project, Sink
from jobkit.sinks.delivery import Delivery
from jobkit.statuses import RunStatus
from jobkit.stores.base import Store
from tests.sinks.conftest import Hooks, finish

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def room() -> Iterator[tuple[str, list[Any]]]:
    """A chat room's address, and what was said in it."""
    said: list[Any] = []

    class Room(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing on standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Room) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/room", said
        server.shutdown()
        thread.join()


async def test_the_first_sink(
    memory: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: tuple[str, list[Any]]
) -> None:
    """Saved as the page says, it is provided by the project, and told what did not go well."""
    url, said = room
    monkeypatch.setenv("CHAT_URL", url)
    page = (DOCS / "how-to/write-a-sink.md").read_text(encoding="utf-8")
    example = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)[0]
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/chat.py").write_text(example, encoding="utf-8")
    (tmp_path / "jobkit.toml").write_text('[project]\nname = "shop"\n')
    project = Project.load(tmp_path)
    hooks = Hooks()
    try:
        async with Delivery(project.sinks, memory, hooks=hooks) as it:
            await finish(memory)
            await finish(memory, status=RunStatus.FAILED, message="no such table")
            report = await it.once()
    finally:
        project.close()
    assert not hooks.failures
    assert report.words() == []
    assert said == [{"text": "job failed: no such table"}]


def test_every_member_is_in_the_reference() -> None:
    """With its default."""
    page = (DOCS / "reference/sinks.md").read_text(encoding="utf-8")
    table = page.partition("## Members")[2].partition("## ")[0]
    members = {name for name in vars(Sink) if not name.startswith("_")} | {"name"}
    named = {name.removeprefix("Sink.") for name in re.findall(r"`([\w.]+)(?:\((?:run|job)\))?`", table)}
    assert members <= named
    assert f"`{Sink.timeout}`" in table
    assert f"{Sink.max_age.days} days" in table
