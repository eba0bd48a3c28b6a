"""The embedded store: one SQLite file, several processes, nothing to install.

``store`` is the outside. Below it, ``database`` (a connection that writes, in a thread of its own,
and some that read), ``schema`` and ``location`` (what must be true before a file is used), and one
module of SQL per concept: ``runs``, ``leases``, ``history``, ``lines``,
``outbox``.
"""

from __future__ import annotations
