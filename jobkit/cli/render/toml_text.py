"""Values as a TOML file would have them, on one line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jobkit.redaction import MASK
from jobkit.sanitising import escape_controls

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(value: Any) -> str:
    """``"10m"``, ``true``, ``["a", "b"]``, ``{ db = 2 }``; a secret is ``***``, nothing at all ``none``."""
    if value is None:
        return "none"
    if value == MASK:
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return escape_controls(json.dumps(value, ensure_ascii=False))
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(key))} = {toml_text(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_text, value))}]"
    return escape_controls(str(value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else escape_controls(json.dumps(key, ensure_ascii=False))
