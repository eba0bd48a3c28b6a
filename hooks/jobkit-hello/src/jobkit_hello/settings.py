"""What the plugin can be told."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins.hello]``: a relative path begins at the project's root."""

    greeting: str = "Welcome"
    guestbook: Path | None = None
