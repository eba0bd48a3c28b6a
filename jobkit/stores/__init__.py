"""Where runs are kept: ``base`` is the promise, ``opening`` finds the store of an address."""

from __future__ import annotations
