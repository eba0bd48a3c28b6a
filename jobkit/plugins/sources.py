"""Where plugins come from besides what is installed: a choice, jobkit itself, files of the project."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from jobkit.exceptions import PluginError, UsageError, relative_to
from jobkit.module_names import EXTENSIONS, HOOKS, SUFFIX, as_part, is_job_file

if TYPE_CHECKING:
    from jobkit.plugins.tracing import HookCall

#: Names of plugins to be loaded, with commas between them.
PLUGINS = "JOBKIT_PLUGINS"
#: Set to anything but a word for no: entry points are not loaded by themselves.
DISABLE_AUTOLOAD = "JOBKIT_DISABLE_PLUGIN_AUTOLOAD"

_BLOCK = "no:"
_NO = frozenset(("", "0", "false", "no", "off"))
_NO_EXTENSIONS = frozenset(("__pycache__", "node_modules"))
_HOOKS_FILE = f"hooks{SUFFIX}"


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """Which plugins the user wants, besides those that are there.

    *load* are names of entry points, of distributions, or of modules. What *block* names (a plugin or a
    distribution) is not even imported. Without *autoload* no entry point is loaded that nobody named. With
    *strict* what would be a warning is an error. *trace* is told of every call of a hook. *objects* are
    plugins that a program brings itself, with their names; no other process has those.
    """

    load: tuple[str, ...] = ()
    block: tuple[str, ...] = ()
    autoload: bool = True
    strict: bool = False
    trace: Callable[[HookCall], None] | None = None
    objects: tuple[tuple[str, object], ...] = ()

    @classmethod
    def of(
        cls,
        words: Iterable[str],
        *,
        disable_autoload: bool = False,
        strict: bool = False,
        trace: Callable[[HookCall], None] | None = None,
    ) -> Self:
        """What ``--plugin NAME`` and ``--plugin no:NAME`` say; UsageError for an empty name."""
        load: list[str] = []
        block: list[str] = []
        for word in words:
            name = word.strip().removeprefix(_BLOCK).strip()
            if not name:
                raise UsageError(
                    f"--plugin {word!r} names no plugin",
                    code="JK711",
                    help="write --plugin NAME to load one, --plugin no:NAME to leave one out",
                )
            (block if word.strip().startswith(_BLOCK) else load).append(name)
        return cls(tuple(load), tuple(block), autoload=not disable_autoload, strict=strict, trace=trace)


def named_by(variables: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The plugins that ``JOBKIT_PLUGINS`` asks for, and those that it leaves out with ``no:NAME``."""
    words = [word for text in variables.get(PLUGINS, "").split(",") if (word := text.strip())]
    wanted = [word for word in words if not word.startswith(_BLOCK)]
    left_out = [word.removeprefix(_BLOCK).strip() for word in words if word.startswith(_BLOCK)]
    if "" in left_out:
        raise UsageError(
            f"{PLUGINS}: {_BLOCK!r} names no plugin",
            code="JK711",
            help=f"write {PLUGINS}=NAME to load one, {PLUGINS}=no:NAME to leave one out",
        )
    return wanted, left_out


def autoloads(choice: PluginChoice, variables: Mapping[str, str]) -> bool:
    """Whether entry points that nobody named are loaded."""
    return choice.autoload and variables.get(DISABLE_AUTOLOAD, "").strip().lower() in _NO


class Builtin(NamedTuple):
    """A plugin of jobkit itself. *load* imports it; without an *essential* one nothing works."""

    name: str
    load: Callable[[], object]
    essential: bool = False


# -- files of the project -------------------------------------------------------------------------------


class PluginFile(NamedTuple):
    """One file that is a plugin: ``hooks/<name>.py``, or the ``hooks.py`` of *extension*.

    *error* says why it is not executed.
    """

    name: str
    path: Path
    module: str
    extension: str | None = None
    error: PluginError | None = None


def plugin_files(root: Path, extensions: str = "extensions") -> list[PluginFile]:
    """The plugins among the files of a project: first those of ``hooks/``, then those of extensions, by name.

    Nothing is opened. Folders in ``hooks/`` are left alone: they are packages of its files, or whole
    distributions, which are found when they are installed.
    """
    files = [*_of_project(root), *_of_extensions(root, root / extensions)]
    seen: dict[tuple[int, int], PluginFile] = {}
    # A file in its own right comes before links to it, whatever they are called.
    judged = {
        file.path: _judged(file, root, seen)
        for file in sorted(files, key=lambda file: file.path.is_symlink())
    }
    return [judged[file.path] for file in files]


def _of_project(root: Path) -> Iterator[PluginFile]:
    for name in _names_in(root / "hooks"):
        if is_job_file(name):
            stem = name.removesuffix(SUFFIX)
            yield PluginFile(stem, root / "hooks" / name, f"{HOOKS}.{as_part(stem)}")


def _of_extensions(root: Path, folder: Path) -> Iterator[PluginFile]:
    for name in _names_in(folder):
        path = folder / name / _HOOKS_FILE
        if name.startswith(".") or name in _NO_EXTENSIONS or not os.path.lexists(path):
            continue
        if not os.path.lexists(folder / name / "pyvenv.cfg"):
            yield PluginFile(f"{name}.hooks", path, f"{EXTENSIONS}.{as_part(name)}.hooks", name)


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []  # not there; what a collection cannot read, it reports


def _judged(file: PluginFile, root: Path, seen: dict[tuple[int, int], PluginFile]) -> PluginFile:
    """*file* with the reason why it must not be executed, if there is one that its status tells."""
    found = _refusal(file, root, seen)
    if found is None:
        return file
    code, message, help = found
    error = PluginError(message, code=code, path=file.path, help=help)
    name = file.name.encode(errors="backslashreplace").decode()
    return PluginFile(name, file.path, file.module, file.extension, error)


def _refusal(
    file: PluginFile, root: Path, seen: dict[tuple[int, int], PluginFile]
) -> tuple[str, str, str | None] | None:
    try:
        str(file.path).encode()
        status = file.path.stat()
    except UnicodeEncodeError:
        return "JK154", "the name of the file is not valid UTF-8", "rename it"
    except OSError as error:
        if file.path.is_symlink():
            return "JK156", "the link leads nowhere, or to itself", "mend the link, or delete it"
        return "JK152", f"the file cannot be looked at: {error.strerror}", None
    if not stat.S_ISREG(status.st_mode):
        return "JK155", "this is no file with Python in it", "let its name not end in .py, or start with `_`"
    if not file.path.resolve().is_relative_to(root.resolve()):
        help = "copy the file into the project, or install it as a package with an entry point"
        return "JK156", "the link leads out of the project", help
    first = seen.setdefault((status.st_dev, status.st_ino), file)
    if first is not file and status.st_ino:
        shown = relative_to(first.path, root)
        return "JK157", f"this is another way to {shown}, which is loaded already", "delete it"
    return None
