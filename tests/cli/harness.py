"""The command line under test: in this process where that is enough, else in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.cli.main import run
from jobkit.clock import SystemClock

#: When everything on a golden screen is looked at: a Sunday in winter.
NOW = datetime(2026, 11, 22, 13, 4, 8, tzinfo=UTC)


class FixedClock(SystemClock):
    """The machine's clock, but the wall clock stands still."""

    def now(self) -> datetime:
        return NOW

    async def sleep_until(self, instant: datetime) -> None:
        await super().sleep_until(datetime.now(UTC) + timedelta(milliseconds=1))


_CHECKOUT = str(Path(__file__).parents[2])
_ABSENT = str(Path(__file__).parent / "absent")
_WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exit code, and what stands on its two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    @property
    def data(self) -> Any:
        return self.json["data"]


class Stream(io.TextIOWrapper):
    """A text stream in memory that may say it is a terminal."""

    def __init__(self, *, tty: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty and super().isatty() is not None  # a closed one raises, as they do

    @property
    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode(self.encoding)


class CommandLine:
    """``jobkit ARGUMENTS``, in the folder of a project."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._patch = monkeypatch

    def __call__(
        self, *arguments: str, tty: bool = False, encoding: str = "utf-8", fixed: bool = True
    ) -> Ended:
        """Execute the command line in this process, with the wall clock standing still if *fixed*."""
        out, err = Stream(tty=tty, encoding=encoding), Stream(tty=tty, encoding=encoding)
        with self._patch.context() as patch:
            patch.chdir(self.root)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = run(arguments, clock=FixedClock() if fixed else None)
        return Ended(code, out.text, err.text)

    def process(
        self, *arguments: str, environ: Mapping[str, str] | None = None, unprivileged: bool = False
    ) -> Ended:
        """Execute it as a program of its own; *unprivileged* means that permissions hold for root, too."""
        lead = _WITHOUT_PRIVILEGES if unprivileged and os.geteuid() == 0 else []
        done = subprocess.run(
            [*lead, sys.executable, "-m", "jobkit", *arguments],
            cwd=self.root,
            env=self.environ(**(environ or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def environ(self, **more: str) -> dict[str, str]:
        """The variables of such a program: jobkit is found where these tests found it."""
        paths = [_ABSENT, _CHECKOUT, *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}

    def file(self, path: str, text: str) -> Path:
        """Write a file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target
