"""Who imports whom among the modules of a project, as their source says.

Python keeps no note of it. So the text of each module that is loaded is asked: quickly, whether the name
occurs at all, and only then by its syntax tree.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType

from jobkit.module_names import from_part

#: Whoever imports by a name that is put together may import anything.
_DYNAMIC = re.compile(rb"\bimport_module\b|\b__import__\b")


def importers(names: Collection[str], modules: Mapping[str, ModuleType]) -> set[str]:
    """*names* and all of *modules* that import one of them, directly or by way of others.

    A package counts for everything below it. What cannot be read imports nothing.
    """
    found = set(names)
    fresh = set(names)
    while fresh:
        pattern = _pattern(fresh)
        fresh = {
            name
            for name, module in modules.items()
            if name not in found and (_below(name, fresh) or _imports(module, fresh, pattern))
        }
        found |= fresh
    return found


def imported_by(name: str, modules: Mapping[str, ModuleType]) -> set[str]:
    """Those of *modules* that *name* needs, directly or by way of others, the packages above included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        module = modules.get(one)
        if one in found or module is None:
            continue
        found.add(one)
        waiting += [above for above in _above(one) if above not in found]
        waiting += [target for target in _targets(module) if target not in found]
    found.discard(name)
    return found


def _pattern(names: Collection[str]) -> re.Pattern[bytes]:
    parts = {from_part(name.rpartition(".")[2]) for name in names}
    return re.compile(rb"(?<!\w)(?:%b)(?!\w)" % b"|".join(re.escape(part.encode()) for part in sorted(parts)))


def _imports(module: ModuleType, names: Collection[str], pattern: re.Pattern[bytes]) -> bool:
    source = _source(module)
    if _DYNAMIC.search(source):
        return True
    if not pattern.search(source):
        return False
    return any(target in names or _below(target, names) for target in _targets(module))


def _below(name: str, packages: Collection[str]) -> bool:
    return any(above in packages for above in _above(name))


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _source(module: ModuleType) -> bytes:
    path = getattr(module, "__file__", None)
    try:
        with open(path or "", "rb") as file:
            return file.read()
    except (OSError, ValueError, TypeError):
        return b""


def _targets(module: ModuleType) -> frozenset[str]:
    package = module.__spec__.parent if module.__spec__ is not None else ""
    return _targets_in(_source(module), package or "")


@functools.lru_cache(maxsize=256)
def _targets_in(source: bytes, package: str) -> frozenset[str]:
    """What the text imports: modules, and whatever is taken from them, which may be modules too."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])
