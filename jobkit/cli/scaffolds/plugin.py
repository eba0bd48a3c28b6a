"""The files of a plugin that is a distribution of its own: ``hooks/jobkit-hello`` under another name."""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jobkit.cli.scaffolds.files import Draft
from jobkit.exceptions import UsageError, relative_to

_TEMPLATE = Path(__file__).with_name("plugin_template")
_PREFIX = "jobkit-"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST = 32
#: Packages of these names would stand in the way of others.
_TAKEN = sys.stdlib_module_names | {"jobkit", "click", "msgspec", "test", "tests"}

#: Each file, what is in it in few words, and where it goes; a name of the template ends in ``.txt``.
_FILES = (
    ("src/plugin.py", "src/{{package}}/plugin.py", "says what there is: the place to begin"),
    ("src/greeter.py", "src/{{package}}/greeter.py", "a service"),
    ("src/guestbook.py", "src/{{package}}/guestbook.py", "a sink"),
    ("src/settings.py", "src/{{package}}/settings.py", "its table in jobkit.toml"),
    ("src/__init__.py", "src/{{package}}/__init__.py", "what others import"),
    ("src/py.typed", "src/{{package}}/py.typed", "marks it as typed"),
    ("tests/test_plugin.py", "tests/test_plugin.py", "its tests"),
    ("README.md", "README.md", "what it is, for people"),
    ("pyproject.toml", "pyproject.toml", "its name, its entry point"),
)


@dataclass(frozen=True, slots=True)
class PluginNames:
    """What a plugin is called: ``jobkit-acme-mail``, ``jobkit_acme_mail``, ``acme-mail``, ``AcmeMail``."""

    distribution: str

    @property
    def package(self) -> str:
        """What is imported."""
        return self.distribution.replace("-", "_")

    @property
    def name(self) -> str:
        """The plugin's NAME: its entry point, its table, its verb."""
        return self.distribution.removeprefix(_PREFIX)

    @property
    def variable(self) -> str:
        """The same as a parameter can be called."""
        return self.name.replace("-", "_")

    @property
    def title(self) -> str:
        """The same as a class is called."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    def fill(self, text: str) -> str:
        """*text* of the template with the names in it."""
        return re.sub(r"\{\{(\w+)\}\}", lambda found: str(getattr(self, found[1])), text)


def plugin_names(
    folder: Path, *, verbs: Collection[str], plugins: Collection[str], services: Collection[str]
) -> PluginNames:
    """The names of a plugin in *folder*, which is called like the distribution.

    UsageError (JK814) if they cannot be that, or if something of jobkit's own has the name: one of *verbs*,
    *plugins* or *services*.
    """
    names = PluginNames(folder.name)
    why = _refusal(names, verbs, plugins, services)
    if why is not None:
        raise UsageError(
            f"the plugin would be called after its folder, and that does not do: {why}",
            code="JK814",
            help="give the folder another name: jobkit new plugin jobkit-acme",
        )
    return names


def _refusal(
    names: PluginNames, verbs: Collection[str], plugins: Collection[str], services: Collection[str]
) -> str | None:
    name = names.name
    if not _NAME.fullmatch(names.distribution) or len(names.distribution) > _LONGEST:
        shown = names.distribution[:80]
        return f"{shown!r} is not at most {_LONGEST} lower-case letters, digits and single dashes"
    if not _NAME.fullmatch(name):
        return f"{name!r}, what follows {_PREFIX!r}, does not begin with a letter"
    if keyword.iskeyword(names.variable) or keyword.iskeyword(names.package):
        return f"{name!r} is a word of Python itself"
    if names.package in _TAKEN:
        return f"there is a package called {names.package!r} already"
    if name in verbs:
        return f"`jobkit {name}` is a verb of jobkit"
    if name in plugins:
        return f"a plugin of jobkit itself is called {name!r}"
    if names.variable in services:
        return f"a service of jobkit itself is called {names.variable!r}"
    if names.variable == "ctx":
        return "jobs call their context 'ctx'"
    return None


def plugin_drafts(folder: Path, names: PluginNames) -> Iterator[Draft]:
    """The files of the distribution."""
    for source, target, purpose in _FILES:
        text = (_TEMPLATE / f"{source}.txt").read_text(encoding="utf-8")
        yield Draft(folder / names.fill(target), names.fill(text), purpose)


def refuse_existing(drafts: Iterable[Draft], base: Path) -> None:
    """UsageError (JK811) if one of them exists; paths are shown relative to *base*."""
    for draft in drafts:
        if os.path.lexists(draft.path):
            raise UsageError(
                f"{relative_to(draft.path, base)} exists already, and is kept as it is",
                code="JK811",
                path=draft.path,
                help="choose another name, or move that file away first",
            )
