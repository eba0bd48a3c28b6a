"""Where the database of a project lies: the rules of the run store, in words of their own."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Final

from jobkit.exceptions import DatabaseError
from jobkit.stores.sqlite.location import Location

# A place that will not do is one thing, whatever lies there; its errors have the codes of who asks.
_CODES: Final = {
    "JK606": "JK415",
    "JK610": "JK413",
    "JK611": "JK412",
    "JK612": "JK417",
    "JK613": "JK414",
    "JK614": "JK417",
}


class DatabaseLocation(Location):
    """The place of the database behind the service ``db``."""

    __slots__ = ()

    thing: ClassVar[str] = "the database"
    setting: ClassVar[str] = "[plugins.sqlite] url"
    harm: ClassVar[str] = "could change what jobs rely on"
    example: ClassVar[str] = "sqlite:///build/site.db"
    #: The file is private to this user; the folder is the project's, and may hold what others are to read.
    folder_mode: ClassVar[int] = 0o755
    empty_is_lost: ClassVar[bool] = False

    def error(self, code: str, message: str, help: str, path: Path | None = None) -> DatabaseError:
        return DatabaseError(message, code=_CODES[code], path=path or self.path, help=help)
