"""Which plugins are installed: the entry points of the group ``jobkit``.

Python's own answer takes 50 ms, most of them for importing what gives it. So what a distribution said is
kept in ``.jobkit/installed.json``, under the path of its metadata folder and with the status of the file
that says it. Which such folders there are is looked up each time, in one listing for each entry of
``sys.path``: whatever was installed, replaced or removed a moment ago is noticed, and no time stamp of a
folder has to be believed. What is missing, or has changed, is read by ``importlib.metadata``.
"""

# ruff: noqa: PTH100, PTH116, PTH119, PTH208 - what happens for each of hundreds of distributions happens on plain texts

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jobkit.plugins.remembered import Memory, PluginCommands

if TYPE_CHECKING:
    from importlib.metadata import Distribution

#: The group of entry points that plugins are found by.
GROUP = "jobkit"

_FOLDERS = (".dist-info", ".egg-info")
_ENTRY_POINTS = "entry_points.txt"
#: A file younger than this, in nanoseconds, may change once more without another time stamp or size.
_YOUNG = 2_000_000_000


class InstalledPlugin(NamedTuple):
    """One entry point of an installed distribution: nothing of it was imported.

    *value* is ``module`` or ``module:attribute``; *metadata* is the folder that says so.
    """

    name: str
    value: str
    distribution: str
    version: str
    metadata: str

    def means(self, word: str) -> bool:
        """Whether *word* is the name of this plugin, or of its distribution."""
        return word == self.name or normalised(word) == normalised(self.distribution)

    @property
    def origin(self) -> str:
        """The distribution as people write it: ``jobkit-notify 1.2``."""
        return f"{self.distribution} {self.version}".rstrip()

    @property
    def file(self) -> Path:
        """The file that the entry point stands in."""
        return Path(self.metadata, _ENTRY_POINTS)


class Installed(NamedTuple):
    """What is installed for this interpreter, as ``sys.path`` is now.

    ``plugins`` are in the order of ``sys.path``, then by distribution and name; a distribution that is there
    twice counts where it is imported from. ``distributions`` are the normalised names of all. ``unreadable``
    maps metadata files that are damaged to the reason.
    """

    plugins: tuple[InstalledPlugin, ...]
    distributions: frozenset[str]
    unreadable: Mapping[Path, str]


def installed_plugins(root: Path | None = None, *, remember: bool = True) -> Installed:
    """Find the plugins that are installed, by the memory of the project in *root* if there is one.

    Nothing is imported of them. Without *remember* nothing is written; nor is it in a folder where that is
    impossible. Never raises for what distributions say.
    """
    memory = Memory.of(root)
    plugins: list[InstalledPlugin] = []
    unreadable: dict[Path, str] = {}
    seen: set[str] = set()
    for folder, name, distribution in _distributions():
        if name in seen:
            continue
        seen.add(name)
        try:
            plugins += _plugins_of(folder, distribution, memory)
        except Exception as error:  # whatever a damaged file makes the parser do
            unreadable[Path(folder, _ENTRY_POINTS)] = f"{type(error).__name__}: {error}"
    if remember:
        memory.save()
    return Installed(tuple(plugins), frozenset(seen), unreadable)


def remember_commands(root: Path, commands: Iterable[PluginCommands], *, remember: bool = True) -> None:
    """Let ``jobkit --help`` know, without importing a plugin, what the plugins of *root* add to it.

    *commands* are those of all plugins that are active; earlier ones are forgotten.
    """
    if remember:
        memory = Memory.of(root)
        memory.note_commands(commands)
        memory.save()


def remembered_commands(root: Path) -> list[PluginCommands]:
    """What plugins added to the command line when the project was last loaded; nothing is imported.

    A plugin whose file has changed since, or that is not installed any more, is left out until the next time.
    """
    known = Memory.of(root).commands()
    if not any(item.distribution for item in known):
        return known
    installed = installed_plugins(root, remember=False).distributions
    return [item for item in known if not item.distribution or normalised(item.distribution) in installed]


def normalised(name: str) -> str:
    """The name of a distribution as it is compared: ``Jobkit_Notify`` is ``jobkit-notify``."""
    plain = name.lower().replace("_", "-").replace(".", "-")
    return re.sub("-+", "-", plain) if "--" in plain else plain


# -- where distributions are ----------------------------------------------------------------------------


def _distributions() -> Iterator[tuple[str, str, Distribution | None]]:
    """Metadata folder and name of each; where that is no folder on a disk, also the object."""
    for entry in dict.fromkeys(item for item in sys.path if isinstance(item, str)):
        try:
            path = os.path.abspath(
                entry
            )  # of an empty text it is the working directory, if that still exists
            names = os.listdir(path)
        except NotADirectoryError:
            yield from _named(_in_archive(path))
        except OSError:
            continue
        else:
            for name, folder in _metadata_in(path, names):
                yield f"{path}{os.sep}{folder}", name, None
    for finder in sys.meta_path:
        # Somebody may keep distributions where no folder is: frozen programs do.
        if finder is not PathFinder and hasattr(finder, "find_distributions"):
            yield from _named(_of_finder(finder))


def _metadata_in(path: str, names: list[str]) -> list[tuple[str, str]]:
    """Of the *names* in the folder *path*, those that describe distributions, in a fixed order."""
    if path.lower().endswith(".egg"):
        return [(_name_of(path, name), name) for name in names if name.lower() == "egg-info"]
    # What pip could not delete lies about under a name with a tilde.
    folders = [name for name in names if name.lower().endswith(_FOLDERS) and not name.startswith("~")]
    found = sorted((_name_of(path, folder), folder) for folder in folders)
    if len({name for name, _ in found}) < len(found):
        # An upgrade by `pip install --target` leaves the old one where it was: the last written counts.
        found.sort(key=lambda item: (item[0], -_modified(f"{path}{os.sep}{item[1]}")))
    return found


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _name_of(path: str, name: str) -> str:
    stem = os.path.basename(path) if name.lower() == "egg-info" else name.rpartition(".")[0]
    return normalised(stem.partition("-")[0])


def _in_archive(path: str) -> Iterable[Distribution]:
    from importlib.metadata import distributions

    return distributions(path=[path])


def _of_finder(finder: Any) -> Iterable[Distribution]:
    from importlib.metadata import DistributionFinder

    try:
        return [*finder.find_distributions(DistributionFinder.Context())]
    except (
        Exception
    ):  # it may have the method and mean something else by it: then it knows of no distribution
        return []


def _named(found: Iterable[Distribution]) -> Iterator[tuple[str, str, Distribution]]:
    for distribution in found:
        try:
            name = normalised(distribution.metadata["Name"])
        except Exception:  # nothing can be said of a distribution without a name, not even that it is damaged
            continue
        yield str(getattr(distribution, "_path", "")), name, distribution


# -- what they offer ------------------------------------------------------------------------------------


def _plugins_of(folder: str, distribution: Distribution | None, memory: Memory) -> list[InstalledPlugin]:
    if distribution is not None:
        return _read(distribution, folder)
    try:
        status = os.stat(f"{folder}{os.sep}{_ENTRY_POINTS}")
    except OSError:
        return []  # it has no entry points
    # The time stamp of the content can be anything; nobody can set that of the last change.
    signature = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    known = memory.plugins(folder, signature)
    if known is not None:
        return [
            InstalledPlugin(name, value, distribution_name, version, folder)
            for name, value, distribution_name, version in known
        ]
    found = _look(folder)
    keep = status.st_ctime_ns < time.time_ns() - _YOUNG
    memory.note(
        folder, signature if keep else None, [[p.name, p.value, p.distribution, p.version] for p in found]
    )
    return found


def _look(folder: str) -> list[InstalledPlugin]:
    if f"[{GROUP}]".encode() not in Path(folder, _ENTRY_POINTS).read_bytes():
        return []
    from importlib.metadata import PathDistribution

    return _read(PathDistribution(Path(folder)), folder)


def _read(distribution: Distribution, folder: str) -> list[InstalledPlugin]:
    points = sorted(distribution.entry_points.select(group=GROUP), key=lambda point: point.name)
    if not points:
        return []
    about = distribution.metadata
    name = about["Name"] or _name_of("", os.path.basename(folder))
    return [
        InstalledPlugin(point.name, point.value, name, about["Version"] or "", folder) for point in points
    ]
