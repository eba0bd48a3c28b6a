"""The plugin ``jsonl``: where ``[plugins.jsonl] path`` is set, each finished run goes to a file."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jobkit.exceptions import PluginError
from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.plugins.parser import Parser
    from jobkit.plugins.provided import Provided
    from jobkit.records import RunRecord
    from jobkit.sinks.settings import JsonlSettings

NAME: Final = "jsonl"


class JsonlPlugin:
    """Provides the sink, if a file is named."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        parser.lazy_table("jobkit.sinks.settings:JsonlSettings")

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> Iterable[Any]:
        if config.table_setting("plugins", NAME) is None:
            return []
        settings: JsonlSettings = config.plugin(NAME)
        return [] if settings.path is None else [JsonlSink(config.root / settings.path, config.root)]


class JsonlSink:
    """Appends each run's JSON to *path* as one line, which only the owner of the file may read.

    The file is opened for each line, so that it can be moved away at any time. Several processes may write
    to one file: a line is one write. A folder below *root* is made, for its owner only; another is not.
    """

    name = NAME
    local = True

    def __init__(self, path: Path, root: Path | None = None) -> None:
        self.path = Path(os.path.normpath(path))
        self._root = root

    def fault(self) -> PluginError | None:
        """Why no line can be written, as far as looking tells; None if one probably can."""
        place = self.path
        if place.exists():
            if not place.is_file():
                return self._refused("it is not a file")
        else:
            place = place.parent
            while not place.exists() and self._is_ours(place):
                place = place.parent
            if not place.is_dir():
                return self._refused(f"there is no folder {self._shown(place)}")
        if not os.access(place, os.W_OK):
            return self._refused(f"{self._shown(place)} may not be written to")
        return None

    def emit(self, run: RunRecord) -> None:
        # Escapes keep it one line, whatever a reader takes for the end of one.
        line = json.dumps(run.to_json(), separators=(",", ":")).encode("ascii") + b"\n"
        try:
            try:
                self._append(line)
            except FileNotFoundError:
                if not self._is_ours(self.path.parent):
                    raise
                self._make(self.path.parent)
                self._append(line)
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from error

    def _append(self, line: bytes) -> None:
        # Opening a pipe that nobody reads would wait for a reader.
        descriptor = os.open(
            self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600
        )
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._refused("it is not a file")
            _lock(descriptor)
            status = os.fstat(descriptor)
            if status.st_size:
                os.lseek(descriptor, -1, os.SEEK_END)
                if os.read(descriptor, 1) != b"\n":
                    line = b"\n" + line  # a full disk, or a crash, has left half a line
            written = os.write(descriptor, line)
        finally:
            os.close(descriptor)
        if written < len(line):
            raise self._refused("there is no room for a whole line")

    def _is_ours(self, folder: Path) -> bool:
        return self._root is not None and self._root in folder.parents

    def _make(self, folder: Path) -> None:
        # `mkdir(parents=True)` would let everybody into those in between.
        if self._is_ours(folder.parent):
            self._make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _shown(self, path: Path) -> str:
        inside = self._root is not None and path != self._root and path.is_relative_to(self._root)
        return str(path.relative_to(self._root) if inside and self._root is not None else path)

    def _refused(self, why: str) -> PluginError:
        return PluginError(
            f"runs cannot be appended to {self._shown(self.path)}: {why}",
            code="JK735",
            path=self.path,
            help=f"let the user that runs jobkit write to {self._shown(self.path.parent)}, or let "
            "`[plugins.jsonl] path` name a file in a folder that exists and may be written to",
        )


def unwritable(sinks: Sequence[Provided[Any]]) -> list[PluginError]:
    """What is in the way of those of *sinks* that are files."""
    faults = [given.value.fault() for given in sinks if isinstance(given.value, JsonlSink)]
    return [fault for fault in faults if fault is not None]


def _lock(descriptor: int) -> None:
    """Wait until nobody else is in the middle of a line; closing the file lets the next one in."""
    if sys.platform != "win32":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
