"""What a plugin declared: its table, its settings of single jobs, its options of the command line.

Nothing is imported here that reads values: most commands meet no declaration at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from jobkit.values.base import Kind
    from jobkit.values.structures import StructureKind


class PluginOption(NamedTuple):
    """An option of the command line: *flag* with its dashes, *kind* of its values; a flag takes none."""

    flag: str
    kind: Kind
    default: Any = None
    help: str = ""
    is_flag: bool = False


class Declared:
    """Everything that the plugin *name* declared. Filled while the plugins are loaded, then only read.

    ``later`` gives the fields of a table whose struct is imported when somebody looks at the table.
    """

    __slots__ = ("_table", "later", "name", "options", "settings")

    def __init__(self, name: str) -> None:
        self.name = name
        self.settings: StructureKind | None = None
        self.options: dict[str, PluginOption] = {}
        self.later: Callable[[], StructureKind] | None = None
        self._table: StructureKind | None = None

    @property
    def table(self) -> StructureKind | None:
        """The fields of its table, None if it has none."""
        if self._table is None and self.later is not None:
            self._table = self.later()
        return self._table

    @table.setter
    def table(self, fields: StructureKind) -> None:
        self._table = fields

    @property
    def has_table(self) -> bool:
        """Whether it has a table; nothing is imported to tell."""
        return self._table is not None or self.later is not None
