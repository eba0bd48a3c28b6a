"""``.jobkit/installed.json``: what distributions said when they were last read, and verbs of plugins.

A hint, as everything in that folder: missing, damaged or changed by others it is made anew. It names code
that will be imported, so it is believed only if nobody but its owner can have written it.
"""

# ruff: noqa: PTH112, PTH116 - as in `installed`

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

from jobkit.state import FOLDER, open_state, write_state

_NAME = "installed.json"
_FORMAT = 1

Signature = list[int]


class Offered(NamedTuple):
    """A verb (``hello``) or an option (``--flag``) of a plugin, and the first line of its help."""

    name: str
    help: str = ""


class PluginCommands(NamedTuple):
    """What the plugin called *plugin* adds to the command line. *path* is its file."""

    plugin: str
    verbs: tuple[Offered, ...] = ()
    options: tuple[Offered, ...] = ()
    distribution: str | None = None
    path: str | None = None


class Memory:
    """What is remembered for one project; without a *root*, nothing is. Not thread-safe."""

    def __init__(self, root: Path | None, content: dict[str, Any]) -> None:
        self._root = root
        self._records: dict[str, Any] = _mapping(content.get("distributions"))
        self._commands: list[Any] = _sequence(content.get("commands"))
        self._changed = False

    @classmethod
    def of(cls, root: Path | None) -> Self:
        """The memory of the project in *root*; an empty one if there is none that can be believed."""
        content = _read(root) if root is not None else {}
        return cls(root, content if content.get("format") == _FORMAT else {})

    def plugins(self, folder: str, signature: Signature) -> list[list[str]] | None:
        """What the distribution described in *folder* offers, if its file still is as *signature* says."""
        match self._records.get(folder):
            case [known, [*plugins]] if known == signature and all(map(_is_texts, plugins)):
                return plugins
        return None

    def note(self, folder: str, signature: Signature | None, plugins: list[list[str]]) -> None:
        """Remember what *folder* says; without a *signature*, that it cannot be remembered yet."""
        before = self._records.pop(folder, None)
        if signature is not None:
            self._records[folder] = [signature, plugins]
        self._changed |= before != self._records.get(folder)

    def commands(self) -> list[PluginCommands]:
        """What plugins added when they were last asked, of those whose files are as they were then."""
        return [known for known in map(_commands, self._commands) if known is not None]

    def note_commands(self, commands: Iterable[PluginCommands]) -> None:
        """Remember what all plugins add now."""
        now = [[_signature(item.path), _plain(item)] for item in commands]
        now = json.loads(json.dumps(now))  # as it will be read
        self._changed |= now != self._commands
        self._commands = now

    def save(self) -> None:
        """Write what has changed, as a whole; silently not where that is not possible."""
        if self._root is None or not self._changed:
            return
        records = {path: record for path, record in self._records.items() if os.path.isdir(path)}
        content = {"format": _FORMAT, "distributions": records, "commands": self._commands}
        write_state(self._root, _NAME, json.dumps(content, separators=(",", ":")).encode())
        self._changed = False


def _read(root: Path) -> dict[str, Any]:
    try:
        if (
            os.name == "posix"
            and os.stat(root / FOLDER).st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH
        ):
            return {}
        with os.fdopen(open_state(root, _NAME, os.O_RDONLY), "rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return {}
            return _mapping(json.load(file))
    except (OSError, ValueError, RecursionError):
        return {}


def _commands(item: Any) -> PluginCommands | None:
    match item:
        case [
            signature,
            {"plugin": str(plugin), "verbs": [*verbs], "options": [*options], "path": str(path), **more},
        ] if signature is not None and signature == _signature(path):
            distribution = more.get("distribution")
            known = distribution if isinstance(distribution, str) else None
            return PluginCommands(plugin, _offered(verbs), _offered(options), known, path)
    return None


def _plain(item: PluginCommands) -> dict[str, Any]:
    verbs, options = ([each._asdict() for each in some] for some in (item.verbs, item.options))
    return {**item._asdict(), "verbs": verbs, "options": options}


def _offered(items: list[Any]) -> tuple[Offered, ...]:
    return tuple(
        Offered(name, help)
        for item in items
        for name, help in [(_mapping(item).get("name"), _mapping(item).get("help"))]
        if isinstance(name, str) and isinstance(help, str)
    )


def _signature(path: object) -> Signature | None:
    """What changes when the file *path* does; None if there is no such file."""
    try:
        status = os.stat(path) if isinstance(path, str) else None
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino] if status is not None else None


def _is_texts(item: object) -> bool:
    return isinstance(item, list) and len(item) == 4 and all(isinstance(text, str) for text in item)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
