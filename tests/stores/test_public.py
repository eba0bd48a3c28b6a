"""What store builders import has a home, is complete, and is named in the docs."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import jobkit.plugin
import jobkit.plugin.rows
import jobkit.plugin.stores
import jobkit.stores.rows

_ROWS = jobkit.stores.rows.__name__
ROOT = Path(__file__).parents[2]


def _names(module: ModuleType) -> set[str]:
    """The names that *module* exports by ``import … as`` the same."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {each.asname for node in found for each in node.names if each.asname is not None}


@pytest.mark.parametrize("module", [jobkit.plugin, jobkit.plugin.stores], ids=lambda module: module.__name__)
def test_type_checkers_see_what_is_there(module: ModuleType) -> None:
    """The names that are imported when they are used, and no others."""
    assert _names(module) == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name


def test_rows_are_exported_whole() -> None:
    """Every function that turns a row into a record or back, and every list of columns."""
    shown = {name: value for name, value in vars(jobkit.stores.rows).items() if not name.startswith("_")}
    functions = {name for name, value in shown.items() if getattr(value, "__module__", "") == _ROWS}
    columns = {name for name, value in shown.items() if name.isupper() and isinstance(value, str)}
    assert functions | columns | {"Row"} == _names(jobkit.plugin.rows)


@pytest.mark.parametrize(
    "module", [jobkit.plugin.stores, jobkit.plugin.rows], ids=lambda module: module.__name__
)
def test_each_name_is_on_the_page(module: ModuleType) -> None:
    """Whoever looks for what a store is built from finds it there."""
    page = (ROOT / "docs" / "reference" / "stores.md").read_text(encoding="utf-8")
    assert _names(module) <= set(re.findall(r"`(\w+)`", page))


@pytest.mark.parametrize("plugin", sorted((ROOT / "hooks").iterdir()), ids=lambda folder: folder.name)
def test_plugins_import_what_is_public(plugin: Path) -> None:
    """Those of this repository are built like anybody's: from ``jobkit``, ``jobkit.plugin`` and
    ``jobkit.testing``."""
    wrong = []
    for path in (plugin / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                names = [node.module]
            wrong += [
                f"{path.name}: {name}"
                for name in names
                if name.split(".")[0] == "jobkit" and not re.match(r"jobkit($|\.plugin\b|\.testing\b)", name)
            ]
    assert not wrong
