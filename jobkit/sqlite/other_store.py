"""The database of jobs is not the run store: their tables, and a restored backup, would ruin each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from jobkit.exceptions import ConfigError

if TYPE_CHECKING:
    from jobkit.config import Config

_TABLE = ("plugins", "sqlite")


def check_other_store(config: Config) -> None:
    """Refuse a ``[plugins.sqlite] url`` that names the file of the run store, in whatever way. ConfigError."""
    said = config.table_setting(*_TABLE)
    if said is None or (setting := said.at(("url",))) is None or not isinstance(setting.value, str):
        return
    mine, store = _file(setting.value, config.root), _file(config.scheduler.store, config.root)
    if mine is None or store is None or not _same(mine, store):
        return
    origin = setting.origin
    where = f"{origin.name}: " if origin.path is None and origin.name is not None else ""
    raise ConfigError(
        f"{where}[plugins.sqlite] url: it names the run store, which is no place for the data of jobs",
        code="JK745",
        path=origin.path,
        line=origin.line,
        help='name a file of its own: url = "sqlite:///data/jobs.db"',
    )


def _file(url: str, root: Path) -> Path | None:
    """The file that an SQLite *url* names; None for anything else."""
    try:
        parts = urlsplit(url)
        path = unquote(parts.path, errors="surrogateescape").removeprefix("/")
        if parts.scheme.lower() != "sqlite" or not path:
            return None
        return (root / path).resolve()
    except (OSError, ValueError, RuntimeError):  # not a path: whoever opens it says so
        return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False  # one of them is not there yet
