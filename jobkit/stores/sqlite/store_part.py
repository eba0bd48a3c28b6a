"""What the parts of the embedded store share: its database and its clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jobkit.stores.sqlite.database import Database


class StorePart:
    """The base of the parts of :class:`~jobkit.stores.sqlite.store.SqliteStore`."""

    _database: Database
    _now: Callable[[], datetime]
