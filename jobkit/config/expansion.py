"""``${NAME}`` in configuration files: the value of an environment variable, kept out of what is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from jobkit.config.addresses import secrets_of_address
from jobkit.config.layers import Path, Setting
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.sanitising import bounded

# `$${` stands for `${` itself. A brace that is not closed is a mistake, not text.
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Where the address of the run store stands.
STORE: Final[Path] = ("scheduler", "store")
# What the environment or the command line says was expanded by a shell, if anybody wanted that; code has
# better ways.
_TAKEN_AS_THEY_ARE = ("variable", "command-line", "code")


class Expansion:
    """Expands the variables of the values in force; what lower layers say and lose is left alone.

    *secrets* collects the values that were put in, *errors* what could not be. Where a variable holds the
    whole address of the run store, only what is secret in it counts: people have to see which store it is.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.secrets: set[str] = set()
        self._is_address = False
        self.errors: list[ConfigError] = []

    def expand(self, setting: Setting, path: Path = ()) -> Setting:
        """*setting*, which stands at *path*, with all variables in it and below it expanded."""
        if setting.parts is not None:
            parts = {key: self.expand(part, (*path, key)) for key, part in setting.parts.items()}
            return replace(setting, parts=parts)
        if not expands_variables(setting.origin) or not holds_variable(setting.stack[-1].value):
            return setting
        self._is_address = path == STORE
        return replace(setting, expanded=self._value(setting.stack[-1].value, setting))

    def _value(self, value: Any, setting: Setting) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda match: self._variable(match, setting), value)
        if isinstance(value, list):
            return [self._value(item, setting) for item in value]
        if isinstance(value, Mapping):  # a table inside a list
            return {key: self._value(item, setting) for key, item in value.items()}
        return value

    def _variable(self, match: re.Match[str], setting: Setting) -> str:
        name = match["name"]
        if name is None:
            return "${"
        if not match["end"] or not _NAME.fullmatch(name):
            shown = bounded(match[0], 60)
            self._wrong(
                setting, f"`{shown}` is not a variable", "write ${NAME}; `$${` stands for `${` itself"
            )
        elif name not in self._variables:
            import difflib

            close = difflib.get_close_matches(name, self._variables, n=1, cutoff=0.8)
            also = f" (there is {close[0]})" if close else ""
            self._wrong(setting, f"the environment variable {name} is not set", f"set {name}{also}")
        else:
            value = self._variables[name]
            whole = self._is_address and match[0] == match.string
            parts = secrets_of_address(value) if whole else None
            self.secrets |= {value} if parts is None else parts
            return value
        return match[0]

    def _wrong(self, setting: Setting, what: str, help: str) -> None:
        origin = setting.origin
        message = f"{setting.name}: {what}"
        self.errors.append(ConfigError(message, code="JK208", path=origin.path, line=origin.line, help=help))


def expands_variables(origin: Origin) -> bool:
    """Whether a ``${NAME}`` at *origin* stands for a variable: in files, and nowhere else."""
    return origin.layer not in _TAKEN_AS_THEY_ARE


def empty_variable(setting: Setting) -> str | None:
    """The variable that is all of an expanded *setting*, and has no text; None if it is not so."""
    if setting.expanded != "" or not isinstance(setting.stack[-1].value, str):
        return None
    match = _VARIABLE.fullmatch(setting.stack[-1].value)
    return match["name"] if match is not None else None


def holds_variable(value: Any) -> bool:
    """Whether a text in *value* has a ``${``."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(holds_variable(item) for item in value.values())
    return isinstance(value, list) and any(holds_variable(item) for item in value)
