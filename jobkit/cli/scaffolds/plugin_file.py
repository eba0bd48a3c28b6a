"""Where a plugin that is one file of a project lies, and what it and what is in it are called."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from jobkit.exceptions import UsageError
from jobkit.module_names import EXTENSIONS, HOOKS, SUFFIX, as_part, is_job_file
from jobkit.redaction import mask_url

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST = 48
_NO_EXTENSIONS = frozenset(("__pycache__", "node_modules"))


@dataclass(frozen=True, slots=True)
class PluginFilePlace:
    """A plugin's file, and the *stem* that things in it are called after; *extension* if it is one's."""

    path: Path
    stem: str
    extension: str | None = None

    @property
    def name(self) -> str:
        """What is in it is called so."""
        return self.stem.replace("-", "_")

    @property
    def title(self) -> str:
        """The same as a class is called."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def plugin(self) -> str:
        """The plugin's NAME."""
        return self.stem if self.extension is None else f"{self.extension}.hooks"

    @property
    def module(self) -> str:
        """What a test imports."""
        if self.extension is None:
            return f"{HOOKS}.{as_part(self.stem)}"
        return f"{EXTENSIONS}.{as_part(self.extension)}.hooks"


def plugin_file_place(text: str, here: Path, root: Path, extensions: str, *, kind: str) -> PluginFilePlace:
    """The file that *text* means: a path from *here* or from the *root*, with or without ``.py``.

    UsageError (JK812) unless it is ``hooks/<file>.py`` or ``EXTENSIONS/<extension>/hooks.py``.
    """
    for start in (here, root):
        path = Path(os.path.abspath(start / text))  # noqa: PTH100 – keeps links
        path = path if path.suffix == SUFFIX or not path.name else path.with_name(path.name + SUFFIX)
        if path.parent == root / "hooks" and is_job_file(path.name):
            return PluginFilePlace(path, path.stem)
        extension = path.parent.name
        in_extension = path.name == f"hooks{SUFFIX}" and path.parent.parent == root / extensions
        if in_extension and not extension.startswith(".") and extension not in _NO_EXTENSIONS:
            return PluginFilePlace(path, extension, extension)
    shown = mask_url(text)
    name = Path(shown).name.removesuffix(SUFFIX) or "acme"
    raise UsageError(
        f"a plugin's file is hooks/<file>.py or {extensions}/<extension>/hooks.py, which {shown!r} is not",
        code="JK812",
        help=f"jobkit new {kind} hooks/{name}.py",
    )


def check_name(place: PluginFilePlace, kind: str, taken: Collection[str], plugins: Collection[str]) -> None:
    """UsageError (JK814) if a *kind* of thing cannot be called after *place*, or one of *taken* is already.

    *plugins* are the names that plugins have.
    """
    what = "extension" if place.extension is not None else "file"
    name = place.name
    why = None
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        why = f"{name[:80]!r} is not at most {_LONGEST} lower-case letters, digits and single `_`"
    elif keyword.iskeyword(name):
        why = f"{name!r} is a word of Python itself"
    elif name in taken:
        why = f"there is a {kind} called {name!r} already"
    elif place.plugin in plugins:
        why = f"there is a plugin called {place.plugin!r} already"
    if why is not None:
        raise UsageError(
            f"the {kind} would be called after its {what}, and that does not do: {why}",
            code="JK814",
            help=f"give the {what} another name",
        )
