"""News fragments have names that towncrier understands."""

from __future__ import annotations

import tomllib
from pathlib import Path


def test_every_fragment_has_a_known_type(root: Path, tree: list[Path]) -> None:
    """A fragment is called ``+words.type.md``, and its type is one of pyproject.toml's."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    types = {entry["directory"] for entry in settings["tool"]["towncrier"]["type"]}
    fragments = [path for path in tree if path.parts[0] == "changelog.d" and path.name != "README.md"]
    wrong = [
        str(path)
        for path in fragments
        if not path.name.startswith("+")
        or path.suffixes[-2:-1] != [f".{_type(path)}"]
        or _type(path) not in types
    ]
    assert not wrong


def _type(path: Path) -> str:
    return path.with_suffix("").suffix.removeprefix(".")
