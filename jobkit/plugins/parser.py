"""What ``jobkit_addoption`` gets: where a plugin declares its table, its per-job settings and its options."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobkit.config.plugin_declared import Declared, PluginOption
from jobkit.exceptions import PluginError
from jobkit.plugins.flags import JOBKIT_FLAGS
from jobkit.sanitising import bounded, safe_text

if TYPE_CHECKING:
    from jobkit.plugins.registry import PluginInfo
    from jobkit.values.structures import StructureKind

_FLAG = re.compile(r"--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST_FLAG = 64


class Parser:
    """One plugin declares here what it has; each method raises PluginError, with file and line of the call.

    Belongs to ``jobkit_addoption``: what is declared later is too late.
    """

    def __init__(self, info: PluginInfo, parsers: Parsers) -> None:
        self.declared = Declared(info.name)
        self._info = info
        self._parsers = parsers

    @property
    def name(self) -> str:
        """The plugin's NAME: its table is ``[plugins.NAME]``."""
        return self._info.name

    @property
    def active(self) -> bool:
        """Whether the plugin still takes part."""
        return self._info.status == "active"

    def table(self, struct: type) -> None:
        """Declare ``[plugins.NAME]``: *struct* is a msgspec struct, which ``config.plugin(NAME)`` then gives.

        A field without a default has to be in the configuration. ``Secret`` fields are shown nowhere,
        ``timedelta`` is written as a duration, a relative ``Path`` begins at the project's root.
        """
        self._check_first_table()
        self.declared.table = self._fields("table", struct)

    def lazy_table(self, place: str) -> None:
        """The same for a plugin that does nothing until it is configured; all fields have defaults.

        The struct at *place*, ``"module:Name"``, is imported when the table is in the configuration, or when
        somebody looks at it.
        """
        self._check_first_table()
        module, _, name = place.partition(":")
        self.declared.later = lambda: self._fields("lazy_table", getattr(import_module(module), name))

    def job_settings(self, struct: type) -> None:
        """Declare what single jobs say to the plugin, in ``[jobs.NAME.plugins.<plugin>]`` or in code.

        Every field of *struct* has a default: most jobs say nothing.
        """
        if self.declared.settings is not None:
            raise self._wrong("JK740", "it declares its job settings twice", "declare one struct")
        fields = self._fields("job_settings", struct)
        required = [key for key, item in fields.fields.items() if item.required]
        if required:
            what = f"job_settings({struct.__name__}): `{required[0]}` has no default"
            raise self._wrong("JK740", what, "give it one: most jobs say nothing to a plugin")
        try:
            struct()
        except Exception as error:
            what = f"job_settings({struct.__name__}): its defaults are refused: {safe_text(error, 200)}"
            raise self._wrong("JK740", what, "let `__post_init__` accept what holds by default") from error
        self.declared.settings = fields

    def option(
        self, flag: str, *, type: Any = str, default: Any = None, help: str = "", is_flag: bool = False
    ) -> None:
        """Declare an option of the command line, ``--like-this``; ``config.option(flag)`` gives its value.

        *type* is what a job parameter may be; with *is_flag* the option takes no value and is True or False.
        """
        if not isinstance(flag, str) or not _FLAG.fullmatch(flag) or len(flag) > _LONGEST_FLAG:
            what = f"{safe_text(flag, 80)!r} is no option"
            raise self._wrong("JK741", what, "write it like --dry-deliver: lower case, digits, single dashes")
        owner = self._parsers.owner_of(flag)
        if owner is not None:
            hint = f"put its own name in front: --{_dashed(self.name)}-{flag[2:]}"
            raise self._wrong("JK741", f"the option {flag} belongs to {owner}", hint)
        from jobkit.values.types import kind_for

        try:
            kind = kind_for(bool if is_flag else type)
        except TypeError as error:
            raise self._wrong(
                "JK741", f"option {flag}: {error}", "choose a type that text can give"
            ) from None
        if is_flag and default is None:
            default = False
        self.declared.options[flag] = PluginOption(flag, kind, default, _line(help), bool(is_flag))

    def _check_first_table(self) -> None:
        if self.declared.has_table:
            raise self._wrong("JK740", "it declares its table twice", "declare one struct, with all the keys")

    def _fields(self, method: str, struct: Any) -> StructureKind:
        from jobkit.config.plugin_structs import described

        shown = bounded(getattr(struct, "__name__", None) or type(struct).__name__, 80)
        config = getattr(struct, "__struct_config__", None)
        if config is None or not isinstance(struct, type):
            what = f"{method}({shown}): it is no msgspec struct"
            raise self._wrong("JK740", what, f"write `class {shown}(msgspec.Struct, frozen=True):`")
        if config.array_like:
            what = f"{method}({shown}): an array_like struct has no keys"
            raise self._wrong("JK740", what, "leave array_like out")
        try:
            return described(struct)
        except TypeError as error:
            hint = "use types that TOML can write: text, numbers, dates, lists, tables, other structs"
            raise self._wrong("JK740", f"{method}({shown}): {safe_text(error, 300)}", hint) from None

    @staticmethod
    def _wrong(code: str, what: str, help: str) -> PluginError:
        path, line = _caller()
        return PluginError(what, code=code, path=path, line=line, help=help)


class Parsers(Mapping[str, Parser]):
    """The parsers of a project, by the plugin's name. *reserved* are the options that plugins cannot have."""

    def __init__(self, reserved: Collection[str] = JOBKIT_FLAGS) -> None:
        self._reserved = frozenset(reserved)
        self._parsers: dict[str, Parser] = {}

    def of(self, info: PluginInfo) -> Parser:
        """The parser of that plugin, made when it is first asked for."""
        if info.name not in self._parsers:
            self._parsers[info.name] = Parser(info, self)
        return self._parsers[info.name]

    def owner_of(self, flag: str) -> str | None:
        """Who has that option already, in words."""
        if flag in self._reserved:
            return "jobkit"
        for parser in self._parsers.values():
            if parser.active and flag in parser.declared.options:
                return f"the plugin {parser.name}"
        return None

    def __getitem__(self, name: str) -> Parser:
        return self._parsers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsers)

    def __len__(self) -> int:
        return len(self._parsers)


def _caller() -> tuple[Path | None, int | None]:
    """The line in the plugin that called: the first frame outside of this file."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    return (Path(frame.f_code.co_filename), frame.f_lineno) if frame is not None else (None, None)


def _dashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _line(text: object) -> str:
    return bounded(" ".join(str(text).split()), 200)
