"""SQLite for jobs: the service ``db``, and the same database for programs and tests.

``from jobkit.sqlite import Database``. A database has one thread that writes (``writer``) and a few that
read (``readers``); ``transaction`` says whose turn it is, ``statements`` what may be executed,
``database`` is the outside. ``plugin`` makes the service out of ``[plugins.sqlite]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlite3 import Row as Row

    from jobkit.exceptions import DatabaseError as DatabaseError
    from jobkit.sqlite.database import Database as Database
    from jobkit.sqlite.database import SyncDatabase as SyncDatabase
    from jobkit.sqlite.statements import Result as Result
    from jobkit.sqlite.transaction import SyncTransaction as SyncTransaction
    from jobkit.sqlite.transaction import Transaction as Transaction

# Imported on first use: every project looks into this room, and few have a database.
_HOMES = {
    "Database": "jobkit.sqlite.database",
    "DatabaseError": "jobkit.exceptions",
    "Result": "jobkit.sqlite.statements",
    "Row": "sqlite3",
    "SyncDatabase": "jobkit.sqlite.database",
    "SyncTransaction": "jobkit.sqlite.transaction",
    "Transaction": "jobkit.sqlite.transaction",
}

__all__ = ["Database", "DatabaseError", "Result", "Row", "SyncDatabase", "SyncTransaction", "Transaction"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
