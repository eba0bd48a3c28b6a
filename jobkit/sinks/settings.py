"""The tables ``[plugins.console]`` and ``[plugins.jsonl]``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One line on standard error for each finished run."""

    enabled: Annotated[bool, msgspec.Meta(description="whether it is written")] = False


class JsonlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a line of JSON is appended to for each finished run."""

    path: Annotated[Path, msgspec.Meta(description="the file, from the project's root on")] | None = None
