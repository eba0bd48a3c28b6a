"""What plugins there are, and what has become of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from jobkit import hookspecs
from jobkit.exceptions import PluginError
from jobkit.plugins.failures import Fault, definition_of, place_of
from jobkit.plugins.guards import is_ours_to_pass
from jobkit.plugins.implementations import (
    Implementation,
    faults_of,
    hooks_of,
    implementations_in,
    is_special,
)
from jobkit.sanitising import safe_text

if TYPE_CHECKING:
    from jobkit.plugins.facade import Hooks
    from jobkit.plugins.failures import PluginFailure
    from jobkit.plugins.sources import PluginChoice
    from jobkit.plugins.tracing import HookCall
    from jobkit.redaction import Redactor

Source = Literal["built-in", "option", "entry point", "variable", "project", "extension"]
Status = Literal["active", "blocked", "broken", "unregistered"]

_SAME_NAME = "JK707"
#: So many different failures of one plugin are kept; the others are counted.
MOST_FAULTS = 20


@dataclass(eq=False, slots=True)
class PluginInfo:
    """One plugin and what has become of it.

    *status*: ``active``; ``blocked``, and not even imported; ``broken``, it could not be loaded or
    registered; ``unregistered``, it failed in a hook of the kind ``call``. *failures* counts isolated
    failures, *faults* are the different ones among them, the first of very many; *error* is why it is not
    active, or its last failure. Counting belongs to the thread that calls hooks.
    """

    name: str
    source: Source
    version: str | None = None
    distribution: str | None = None
    path: Path | None = None
    line: int | None = None
    extension: str | None = None
    required: bool = False
    plugin: object | None = field(default=None, repr=False)
    status: Status = "active"
    hooks: tuple[str, ...] = ()
    failures: int = 0
    faults: list[Fault] = field(default_factory=list)
    error: PluginError | None = None

    @property
    def switch(self) -> str:
        """What turns it off, for error texts."""
        return f"--plugin no:{self.name}"

    def count(self, hook: str, message: str, error: PluginError) -> None:
        """Count a failure that was isolated, and keep it if there was none like it."""
        self.failures += 1
        self.error = error
        same = next((fault for fault in self.faults if (fault.hook, fault.message) == (hook, message)), None)
        if same is not None:
            same.times += 1
        elif len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(hook, message, error))


class _Manager(pluggy.PluginManager):
    """Looks for hooks where they can be: looking at everything takes longer than all the rest."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        return None if is_special(name) else super().parse_hookimpl_opts(plugin, name)

    def parse_hookspec_opts(self, module_or_class: Any, name: str) -> Any:
        return super().parse_hookspec_opts(module_or_class, name) if name in hookspecs.RULES else None


class PluginRegistry:
    """All plugins of a loaded project. With *strict*, whatever would be a warning is raised.

    Registering belongs to one thread; hooks may then be called from the event loop and from the thread that
    loads the project.
    """

    def __init__(self, *, strict: bool = False, redactor: Redactor | None = None) -> None:
        from jobkit.plugins.facade import Hooks

        self.strict = strict
        #: Masks secrets in what plugins raise, once the configuration is known.
        self.redactor = redactor
        #: What is to be shown: one for each faulty plugin.
        self.warnings: list[PluginError] = []
        #: Told of every call, where somebody wants to know.
        self.trace: Callable[[HookCall], None] | None = None
        #: What the user has chosen; a process of the same project, made for a job, loads the same.
        self.choice: PluginChoice | None = None
        #: Where set, failures are neither counted, logged nor told here, but given to it: another process
        #: is to do so.
        self.relay: Callable[[PluginFailure], None] | None = None
        self._infos: list[PluginInfo] = []
        self._active: dict[str, PluginInfo] = {}
        self._manager = _Manager("jobkit")
        self._manager.add_hookspecs(hookspecs)
        self._implementations: dict[str, tuple[Implementation, ...]] = {}
        self.hooks: Hooks = Hooks(self)

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """All plugins, those that are not active included, in the order in which they were met."""
        return tuple(self._infos)

    def info(self, name: str) -> PluginInfo | None:
        """The plugin called *name*; the active one if several claim the name."""
        return self._active.get(name) or next((info for info in self._infos if info.name == name), None)

    @property
    def fingerprint(self) -> str:
        """A text that differs whenever other plugins take part, or other versions or files of them."""
        parts = [
            f"{info.name}\0{info.version}\0{info.source}\0{_stamp(info)}"
            for info in self._infos
            if info.status == "active" and info.source != "built-in"
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16] if parts else ""

    def implementations(self, hook: str) -> tuple[Implementation, ...]:
        """The implementations of *hook*, in the order in which they are asked."""
        known = self._implementations.get(hook)
        if known is None:
            known = self._implementations[hook] = implementations_in(self._manager, self._active, hook)
        return known

    def shown(self, text: str) -> str:
        """*text* from a plugin's error, with secrets masked."""
        return self.redactor.show(text, 4096) if self.redactor is not None else text

    # -- coming and going -------------------------------------------------------------------------------

    def register(self, plugin: object, name: str, *, source: Source, **facts: Any) -> PluginInfo:
        """Take *plugin* in – a module, an object, or a class that is made one – under *name*.

        *facts* are further members of :class:`PluginInfo`. One that cannot be used is ``broken``, with a
        warning that names all its faults. Raises PluginError instead if it is required, or when strict. The
        same object a second time is the same plugin.
        """
        same = next((known for known in self._active.values() if known.plugin is plugin), None)
        if same is not None:
            return same
        info = PluginInfo(name, source, **facts)
        self._infos.append(info)
        try:
            info.plugin = plugin() if isinstance(plugin, type) else plugin
            if info.path is None:
                info.path, info.line = _home(info.plugin)
            faults = faults_of(info.plugin, of_extension=info.extension is not None)
            info.hooks = hooks_of(info.plugin)
        except BaseException as error:
            if is_ours_to_pass(error):
                raise
            path, line = place_of(error)
            what = f"it cannot be read: {type(error).__name__}: {safe_text(error, 500)}"
            faults = [PluginError(what, code="JK701", path=path, line=line)]
        taken = self._active.get(name)
        if taken is not None:
            faults.append(_name_taken(taken, info))
        if faults:
            return self._broken(info, faults)
        self._active[name] = info
        self._manager.register(info.plugin, name)
        self._implementations.clear()
        return info

    def add_broken(self, name: str, error: PluginError, *, source: Source, **facts: Any) -> PluginInfo:
        """Note a plugin that could not be loaded. Raises *error* if it is required, or when strict."""
        info = PluginInfo(name, source, **facts)
        self._infos.append(info)
        return self._broken(info, [error])

    def add_blocked(self, name: str, *, source: Source, **facts: Any) -> PluginInfo:
        """Note a plugin that somebody has blocked; nothing of it was imported."""
        info = PluginInfo(name, source, status="blocked", **facts)
        self._infos.append(info)
        return info

    def unregister(self, info: PluginInfo, error: PluginError) -> None:
        """Take a plugin out that failed where it must not. Raises *error* if required, or when strict."""
        if self._active.pop(info.name, None) is None:
            return
        self._manager.unregister(info.plugin)
        self._implementations.clear()
        info.status, info.error = "unregistered", error
        self._warn(info, error)

    def _broken(self, info: PluginInfo, faults: list[PluginError]) -> PluginInfo:
        first = faults[0]
        more = "".join(f"; {fault.message}{_at(fault)}" for fault in faults[1:])
        message = f"plugin {info.name} is left out: {first.message}{more}"
        help = first.help or f"{info.switch} leaves it out"
        if "--plugin no:" not in help and first.code != _SAME_NAME:  # which would leave both out
            help += f"; or leave it out: {info.switch}"
        error = PluginError(message, code=first.code, path=first.path, line=first.line, help=help)
        error.__cause__ = first.__cause__
        info.status, info.error = "broken", error
        self._warn(info, error)
        return info

    def _warn(self, info: PluginInfo, error: PluginError) -> None:
        if self.strict or info.required:
            raise error
        self.warnings.append(error)


def _at(error: PluginError) -> str:
    return f" ({error.path.name}:{error.line})" if error.path is not None else ""


def _home(plugin: object) -> tuple[Path | None, int | None]:
    file = getattr(plugin, "__file__", None)
    if isinstance(file, str):
        return Path(file), 1
    path, line = definition_of(getattr(type(plugin), "__init__", None))
    if path is not None:
        return path, line
    import sys

    module = sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    return (Path(file), None) if isinstance(file, str) else (None, None)


def _stamp(info: PluginInfo) -> str:
    try:
        status = info.path.stat() if info.path is not None else None
    except OSError:
        return "gone"
    return f"{info.path}:{status.st_mtime_ns}:{status.st_size}" if status is not None else ""


def rename_one(first: PluginInfo, second: PluginInfo) -> str:
    """How to have one of two plugins of a name, or both. ``no:NAME`` would block both."""
    files = [info.path.name for info in (second, first) if info.source == "project" and info.path is not None]
    ways = [f"rename hooks/{files[0]}" if files else "give one of them another name"]
    if first.distribution != second.distribution:
        ways += [
            f"`--plugin no:{info.distribution}` {effect}"
            for info, effect in ((second, "keeps the first"), (first, "takes the other instead"))
            if info.distribution is not None and info.distribution.lower() != info.name.lower()
        ]
    return "; ".join(ways)


def _name_taken(taken: PluginInfo, info: PluginInfo) -> PluginError:
    def described(one: PluginInfo) -> str:
        origin = one.distribution or (one.path.as_posix() if one.path is not None else one.source)
        return f"{origin} ({one.source})"

    return PluginError(
        f"two plugins are called {info.name!r}: {described(taken)}, which was first, and {described(info)}",
        code=_SAME_NAME,
        path=info.path,
        help=rename_one(taken, info),
    )
