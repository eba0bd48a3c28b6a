"""What to write instead, when a file imports something that cannot be found."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections import deque

from jobkit.collection.finder import ExtensionFinder
from jobkit.module_names import EXTENSIONS, SUFFIX, from_part

_MOST_FOLDERS = 2000
_DEEPEST = 3
_NOT_SEARCHED = frozenset(("__pycache__", "node_modules", "site-packages"))
_NO_SUCH_NAME = re.compile(r"cannot import name '([^']{1,200})' from '([^']{1,400})'")


def advice(error: ImportError, path: str, finder: ExtensionFinder) -> str | None:
    """How to mend the import in the file *path* that raised *error*; None if nothing helpful is known."""
    text = str(error)
    if "partially initialized module" in text:
        return (
            "the files import each other: move what both need to a `_helpers.py`, or import in the function"
        )
    if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str):
        parent, _, part = error.name.rpartition(".")
        if parent in sys.modules:
            return _closest(from_part(part), parent, path, finder)
        return _elsewhere(error.name, path, finder)
    if match := _NO_SUCH_NAME.search(text):
        return _closest(match[1], match[2], path, finder)
    return None


def _elsewhere(name: str, path: str, finder: ExtensionFinder) -> str | None:
    """Where the module *name* lies, if it lies in the project at all."""
    top = name.partition(".")[0]
    folder = os.path.dirname(path)
    above = os.path.dirname(folder)
    if _holds(folder, top):
        return f"the module lies beside this file: write `from . import {top}`"
    if _holds(above, top) and above.startswith(finder.extensions):
        return f"the module lies in the same extension: write `from .. import {top}`"
    found = _search(finder, top)
    if found is not None and found.startswith(finder.extensions):
        module = finder.module_of(os.path.join(found, top + SUFFIX))
        return f"modules of extensions are imported by their full names: write `from {module} import …`"
    if found is not None and found not in finder.pythonpath.entries:
        entry = os.path.relpath(found, finder.root).replace(os.sep, "/")
        return f'it lies in {entry}/: add "{entry}" to `[project] pythonpath`'
    if top == name:
        return f"install what provides `{top}` into the environment of {sys.executable}"
    return None


def _closest(name: str, package: str, path: str, finder: ExtensionFinder) -> str | None:
    """What there is in the module *package* that looks like *name*."""
    module = sys.modules.get(package)
    contents = vars(module) if module is not None else {}
    places = [place for place in contents.get("__path__") or () if isinstance(place, str)]
    names = {entry.removesuffix(SUFFIX) for place in places for entry in _entries(place)}
    names |= {each for each in (*contents, *contents.get("__all__", ())) if isinstance(each, str)}
    names.discard(os.path.basename(path).removesuffix(SUFFIX))
    close = difflib.get_close_matches(name, sorted(names), n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    if places and package.partition(".")[0] == EXTENSIONS:
        shown = os.path.relpath(places[0], finder.root).replace(os.sep, "/")
        return f"there is no {name}{SUFFIX} in {shown}/"
    return None


def _search(finder: ExtensionFinder, top: str) -> str | None:
    """The folder nearest to the root that holds the module *top*."""
    waiting = deque([(finder.root, 0)])
    looked = 0
    while waiting and looked < _MOST_FOLDERS:
        folder, depth = waiting.popleft()
        looked += 1
        if _holds(folder, top):
            return folder
        if depth < _DEEPEST:
            waiting += [(inside, depth + 1) for inside in _folders(folder)]
    return None


def _holds(folder: str, top: str) -> bool:
    path = os.path.join(folder, top)
    return os.path.isfile(path + SUFFIX) or os.path.isdir(path)


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.path
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and not entry.name.startswith(".")
                and entry.name not in _NOT_SEARCHED
                and not os.path.lexists(os.path.join(entry.path, "pyvenv.cfg"))
            )
    except OSError:
        return []


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
