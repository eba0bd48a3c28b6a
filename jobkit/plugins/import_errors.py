"""Why a plugin could not be imported, said to whoever uses or writes it: the line, the reason, what to do."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import JobkitError, PluginError
from jobkit.plugins.failures import place_of
from jobkit.redaction import Redactor
from jobkit.sanitising import text_of

if TYPE_CHECKING:
    from jobkit.plugins.installed import InstalledPlugin

_LONGEST = 500
_NOT_RUN = 'a plugin is imported, not run: put `if __name__ == "__main__":` before it'
_IN_HOOKS = "work belongs into a hook, not into the module"
#: What helps in a file of the project, where a job file would need something else.
_HELP = {
    "JK101": f"correct the line; {_IN_HOOKS}",
    "JK105": _NOT_RUN,
    "JK106": f"{_IN_HOOKS}; `[project] import_timeout` sets the limit",
}


class NothingThere(Exception):
    """An entry point, or a name, that leads to no object: the module or an attribute of it is missing."""


def resolve(value: str) -> object:
    """The object that ``module:attribute.attribute`` or ``module`` names; what importing raises goes through.

    NothingThere if there is no such object.
    """
    module, _, attributes = value.partition(":")
    module, attributes = module.strip(), attributes.partition("[")[0].strip()
    if not all(part.isidentifier() for part in module.split(".")):
        raise NothingThere(f"{module!r} is no name of a module")
    try:
        found: object = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise NothingThere(f"there is no module {error.name}") from None
        raise
    path = module
    for name in filter(None, attributes.split(".")):
        try:
            found = getattr(found, name)
        except AttributeError:
            close = difflib.get_close_matches(name, dir(found), n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise NothingThere(f"{path} has no attribute {name}{hint}") from None
        path += f".{name}"
    return found


def describe(error: BaseException, what: str, package: str, redactor: Redactor) -> PluginError:
    """What importing *what* raised: the place in the plugin's code, the reason and, if known, the cure.

    *package* is the package, or the module, that the plugin's code is in.
    """
    path, line = _place(error, package)
    if isinstance(error, JobkitError):
        return _of_ours(error, path, line, redactor)
    help = None
    if isinstance(error, SystemExit):
        code = "" if error.code is None else redactor.show(error.code, 60, multiline=False)
        reason = f"sys.exit({code}) was called while {what} was imported"
        help = _NOT_RUN
    elif isinstance(error, SyntaxError) and error.filename is not None:
        path, line = Path(error.filename), error.lineno
        reason = f"{what} is no valid Python: {type(error).__name__}: {error.msg}"
    else:
        text = redactor.show(text_of(error), _LONGEST, multiline=False)
        reason = f"importing {what} raised {type(error).__name__}: {text}"
        if isinstance(error, ModuleNotFoundError) and error.name is not None:
            missing = error.name.partition(".")[0]
            help = f"install what provides `{missing}` into the environment of {sys.executable}"
    described = PluginError(reason, code="JK709", path=path, line=line, help=help)
    described.__cause__ = error
    return described


def leads_nowhere(error: NothingThere, plugin: InstalledPlugin) -> PluginError:
    """For an entry point without the object that it promises; the place is where it is written."""
    return PluginError(
        f"the entry point {plugin.name} = {plugin.value} of {plugin.origin} leads nowhere: {error}",
        code="JK712",
        path=plugin.file,
        line=_line_of(plugin),
        help="correct it in the pyproject.toml of the plugin, and install that again",
    )


def _place(error: BaseException, package: str) -> tuple[Path | None, int | None]:
    """The last line of the plugin's own code that was executed; else what was, outside of jobkit."""
    trace, found = error.__traceback__, None
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__")
        if isinstance(module, str) and f"{module}.".startswith(f"{package}."):
            found = Path(trace.tb_frame.f_code.co_filename), trace.tb_lineno
        trace = trace.tb_next
    return found or place_of(error)


def _of_ours(error: JobkitError, path: Path | None, line: int | None, redactor: Redactor) -> PluginError:
    """Raised on purpose. The code stays of a plugin that refuses, and of a file that must not be executed."""
    code = error.code if error.code.startswith(("JK15", "JK7")) else "JK709"
    message = redactor.show(error.message, 2 * _LONGEST, multiline=True)
    if error.path is not None:
        path, line = error.path, error.line
    help = _HELP.get(error.code, error.help)
    described = PluginError(message, code=code, path=path, line=line, help=help)
    described.__cause__ = error
    return described


def _line_of(plugin: InstalledPlugin) -> int | None:
    try:
        lines = plugin.file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    for number, line in enumerate(lines, 1):
        name, sign, value = line.partition("=")
        if sign and name.strip() == plugin.name and value.strip() == plugin.value:
            return number
    return None
