"""A value in the tree of settings and where it stands, inside lists too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobkit.config.layers import DeepPath, Setting, Statement
from jobkit.origin import DEFAULT, Origin


@dataclass(frozen=True, slots=True)
class Node:
    """One value. *setting* is set while layers can be told apart, which ends in lists.

    *written* is the text of a variable, of which *value* is one reading; *expanded* says that a ``${NAME}``
    is in it. *below* leads here from the list around it, *places* has the origins of what is in that list.
    """

    path: DeepPath
    value: Any
    origin: Origin = DEFAULT
    setting: Setting | None = None
    written: str | None = None
    expanded: bool = False
    below: DeepPath = ()
    places: Mapping[DeepPath, Origin] = field(default_factory=dict)

    @classmethod
    def of(cls, path: DeepPath, setting: Setting) -> Node:
        """The value in force of *setting*, which stands at *path*."""
        node = cls.said(path, setting.stack[-1])
        return replace(node, value=setting.value, setting=setting, expanded=setting.expanded is not None)

    @classmethod
    def said(cls, path: DeepPath, statement: Statement) -> Node:
        """What one layer said."""
        places = dict(statement.inside)
        return cls(path, statement.value, statement.origin, written=statement.written, places=places)

    def child(self, key: str | int) -> Node:
        """The value under *key* of a table, or number *key* of a list."""
        path = (*self.path, key)
        if self.setting is not None and self.setting.parts is not None and isinstance(key, str):
            return Node.of(path, self.setting.parts[key])
        below = (*self.below, key)
        origin = self.places.get(below, self.origin)
        value = self.value[key]
        return replace(self, path=path, value=value, origin=origin, setting=None, written=None, below=below)

    @property
    def beginning(self) -> Origin:
        """For a table, the lowest layer that has it."""
        return self.setting.stack[0].origin if self.setting is not None else self.origin

    @property
    def holds_expanded(self) -> bool:
        """Whether a ``${NAME}`` was expanded in it or below it."""
        leaves = self.setting.leaves() if self.setting is not None else ()
        return self.expanded or any(leaf.expanded is not None for _, leaf in leaves)
