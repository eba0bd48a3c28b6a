"""``${NAME}`` in configuration files: the value of an environment variable, kept out of what is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobkit.config.layers import Setting
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.sanitising import bounded

# `$${` stands for `${` itself. A brace that is not closed is a mistake, not text.
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<name>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the environment or the command line says was expanded by a shell, if anybody wanted that; code has
# better ways.
_TAKEN_AS_THEY_ARE = ("variable", "command-line", "code")


class Expansion:
    """Expands the variables of the values in force; what lower layers say and lose is left alone.

    *secrets* collects the values that were put in, *errors* what could not be.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.secrets: set[str] = set()
        self.errors: list[ConfigError] = []

    def expand(self, setting: Setting) -> Setting:
        """*setting* with all variables in it and below it expanded."""
        if setting.parts is not None:
            parts = {key: self.expand(part) for key, part in setting.parts.items()}
            return replace(setting, parts=parts)
        if not expands_variables(setting.origin) or not holds_variable(setting.stack[-1].value):
            return setting
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
            self.secrets.add(self._variables[name])
            return self._variables[name]
        return match[0]

    def _wrong(self, setting: Setting, what: str, help: str) -> None:
        origin = setting.origin
        message = f"{setting.name}: {what}"
        self.errors.append(ConfigError(message, code="JK208", path=origin.path, line=origin.line, help=help))


def expands_variables(origin: Origin) -> bool:
    """Whether a ``${NAME}`` at *origin* stands for a variable: in files, and nowhere else."""
    return origin.layer not in _TAKEN_AS_THEY_ARE


def holds_variable(value: Any) -> bool:
    """Whether a text in *value* has a ``${``."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(holds_variable(item) for item in value.values())
    return isinstance(value, list) and any(holds_variable(item) for item in value)
