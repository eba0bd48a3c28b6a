"""The embedded store: one SQLite file, several processes, nothing to install.

``store`` is the outside, with its parts ``store_ledger``, ``store_queue`` and ``store_service``. Below it,
``database`` (a connection that writes, in a thread of its own, and some that read), ``wakes`` (how
processes tell each other), ``schema`` and ``location`` (what must be true before a file is used), and one
module of SQL per concept: ``runs``, ``leases``, ``overlaps``, ``queue``, ``claims``, ``spans``, ``control``,
``pauses``, ``replicas``, ``events``, ``history``, ``lines``, ``outbox``.
"""

from __future__ import annotations
