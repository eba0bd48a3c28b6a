"""The sinks that jobkit brings along, as plugins."""

from __future__ import annotations

from typing import Final

#: The plugin's name, and where its class is.
PLUGINS: Final = [
    ("console", "jobkit.sinks.console:ConsolePlugin"),
    ("jsonl", "jobkit.sinks.jsonl:JsonlPlugin"),
]
