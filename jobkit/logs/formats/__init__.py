"""How an entry is written: one module per format, each with a ``render(entry) -> bytes``."""

from __future__ import annotations
