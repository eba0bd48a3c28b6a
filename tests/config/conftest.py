"""A project on disk, as small as a test needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobkit.config import Config, load_config
from jobkit.exceptions import ConfigError


class Tree:
    """Files below a root, and what jobkit makes of them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str | bytes = "") -> Path:
        """Write a file, with the folders it needs."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def load(
        self,
        env: str | None = None,
        variables: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Config:
        """The configuration, read with no more of the environment than is given."""
        return load_config(self.root, env=env, variables=variables or {}, options=options)

    def errors(
        self,
        env: str | None = None,
        variables: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> list[ConfigError]:
        """What is wrong with the configuration; the test fails if nothing is."""
        with pytest.raises(ConfigError) as caught:
            self.load(env, variables, options)
        return list(caught.value.errors)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A project whose ``jobkit.toml`` is empty."""
    tree = Tree(tmp_path.resolve())
    tree.write("jobkit.toml")
    return tree
