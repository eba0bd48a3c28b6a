"""The reference page lists every key with its type, its default and its meaning, as the code has them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.config.schema import KEYS
from jobkit.durations import format_duration
from jobkit.options import OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration-files.md"


def shown(value: Any) -> str:
    """A default as a file would write it."""
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(repr(item) for item in value)}]`".replace("'", '"')
    if isinstance(value, dict):
        return "`{}`"
    return f"`{value}`" if value not in ("", None) else ""


def rows(table: str) -> list[str]:
    """The lines of the table of keys, in the order of the schema."""
    return [
        f"| `{key.name}` | {key.shape.type} | {key.default_text or shown(key.default)} | {key.summary} |"
        for key in KEYS[table].values()
    ]


@pytest.mark.parametrize("table", list(KEYS))
def test_every_key_is_in_the_reference(table: str) -> None:
    """Exactly the keys of the schema, each with what the code says about it."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"\n## [{table}]\n")[2].partition("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("| `")]
    assert found == rows(table), "\n".join(rows(table))


def test_every_option_of_a_job_is_in_the_reference() -> None:
    """Those that configuration may give, and no others."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("\n## [jobs.NAME]\n")[2].partition("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("| `")]
    expected = [
        f"| `{option.name}` | {option.type} | {option.summary} |"
        for option in OPTIONS.values()
        if option.in_config
    ]
    assert found == expected, "\n".join(expected)
