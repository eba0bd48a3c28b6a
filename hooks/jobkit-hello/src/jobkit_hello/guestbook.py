"""The sink: it is told how every run ended, at least once, in order for each job."""

from __future__ import annotations

import json
from pathlib import Path

from jobkit import RunRecord, Sink


class Guestbook(Sink):
    """Writes one line of JSON for every finished run."""

    name = "hello"

    def __init__(self, path: Path) -> None:
        self.path = path

    def emit(self, run: RunRecord) -> None:
        """Raising means: not taken, try again later. A plain function is called in a thread."""
        line = {"id": run.id, "job": run.job, "status": run.status.value, "message": run.message}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
