"""What a file must not change for all others while it is imported, and how it is put back.

The environment is left alone: setting variables is how files configure the libraries that they import.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

# The public function makes enumeration members of the answers, which takes ten times as long.
_handler_of: Callable[[int], Any] = getattr(importlib.import_module("_signal"), "getsignal", signal.getsignal)
# The module `locale` would have to be imported only for this.
_C_LOCALE = importlib.import_module("_locale")
_setlocale: Callable[[int, str | None], str] | None = getattr(_C_LOCALE, "setlocale", None)
_HAS_MASK = hasattr(signal, "pthread_sigmask")
_SIGNALS = tuple(
    int(number)
    for number in signal.valid_signals()
    if number not in (getattr(signal, "SIGKILL", None), getattr(signal, "SIGSTOP", None)) and number < 32
)


class ProcessState:
    """How the process was when this object was made; :meth:`restore` puts back what has changed.

    Call it from one thread. Signal handlers and the signal mask belong to the main thread and are
    looked after only there.
    """

    def __init__(self) -> None:
        self._recursion = sys.getrecursionlimit()
        self._folder = _working_directory()
        self._umask = _umask()
        self._trace = sys.gettrace()
        self._path, self._path_was = sys.path, list(sys.path)
        self._finders = list(sys.meta_path)
        self._filters = list(warnings.filters)
        self._modules, self._modules_were = sys.modules, dict(sys.modules)
        self._registration = sys.modules.get("jobkit.registration")
        self._builtins = dict(vars(builtins))
        self._locale = _locale()
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._handlers = list(map(_handler_of, _SIGNALS))
            self._mask = _mask()

    def restore(self) -> list[str]:
        """Put everything back; what had been changed, in words."""
        changed = []
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
            changed.append("the recursion limit")
        if sys.gettrace() is not self._trace:
            sys.settrace(self._trace)
            changed.append("the trace function")
        if self._builtins_differ():
            changed.append("built-in functions")
        if self._main and self._signals_differ():
            changed.append("signal handlers")
        if _working_directory() != self._folder and self._folder is not None:
            os.chdir(self._folder)
            changed.append("the working directory")
        if _umask() != self._umask:
            os.umask(self._umask)
            changed.append("the file mode mask")
        if (sys.path is not self._path or sys.path != self._path_was) and self._path_differs():
            changed.append("sys.path")
        if self._imports_differ():
            changed.append("the import system")
        if warnings.filters != self._filters and self._filters_differ():
            changed.append("the warning filters")
        if _locale() != self._locale and self._locale is not None:
            _set_locale(self._locale)
            changed.append("the locale")
        return changed

    def _builtins_differ(self) -> bool:
        now = vars(builtins)
        try:
            if now == self._builtins:
                return False
        except Exception:
            pass  # what stands there now cannot even be compared
        differ = False
        for name, value in self._builtins.items():
            if now.get(name) is not value:
                now[name] = value
                differ = True
        self._builtins = dict(now)
        return differ

    def _signals_differ(self) -> bool:
        mask = _mask()
        if mask == self._mask and list(map(_handler_of, _SIGNALS)) == self._handlers:
            return False
        if mask != self._mask:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in zip(_SIGNALS, self._handlers, strict=True):
            # None stands for a handler that was not set from Python: there is no way to set it again.
            if handler is not None and _handler_of(number) is not handler:
                signal.signal(number, handler)
        return True

    def _path_differs(self) -> bool:
        """What was put in front could shadow anything: it moves to the end. What was appended stays."""
        now = list(sys.path) if isinstance(sys.path, list) else []
        count = len(self._path_was)
        harmless = sys.path is self._path and now[:count] == self._path_was
        if not harmless:
            sys.path = self._path
            sys.path[:] = [*self._path_was, *(entry for entry in now if entry not in self._path_was)]
        self._path_was = list(sys.path)
        return not harmless

    def _imports_differ(self) -> bool:
        differ = False
        if sys.modules is not self._modules:
            sys.modules = self._modules
            differ = True
        if sys.modules.get("jobkit.registration") is not self._registration:
            sys.modules.update(self._modules_were)
            differ = True
        self._note_modules()
        if sys.meta_path != self._finders:
            now = list(sys.meta_path)
            missing = [finder for finder in self._finders if finder not in now]
            if missing:
                added = [finder for finder in now if finder not in self._finders]
                sys.meta_path[:] = [*self._finders, *added]
                differ = True
            self._finders = list(sys.meta_path)
        return differ

    def _note_modules(self) -> None:
        """Remember what was imported since: new modules stand at the end."""
        count = len(sys.modules) - len(self._modules_were)
        if count > 0:
            self._modules_were.update(itertools.islice(reversed(sys.modules.items()), count))

    def _filters_differ(self) -> bool:
        """Filters that hide warnings stay. One that makes errors of them would break other files."""
        now = list(warnings.filters)
        lost = [item for item in self._filters if item not in now]
        strict = [item for item in now if item[0] == "error" and item not in self._filters]
        if lost or strict:
            kept = [item for item in now if item not in strict and item not in self._filters]
            with warnings.catch_warnings():
                pass  # leaving it tells the warnings module that the filters have changed
            warnings.filters[:] = [*kept, *self._filters]  # type: ignore[index]
        self._filters = list(warnings.filters)
        return bool(lost or strict)


def _working_directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it was deleted


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _mask() -> set[int]:
    return signal.pthread_sigmask(signal.SIG_BLOCK, ()) if _HAS_MASK else set()


def _locale() -> str | None:
    return _setlocale(_C_LOCALE.LC_ALL, None) if _setlocale is not None else None


def _set_locale(text: str) -> None:
    try:
        if _setlocale is not None:
            _setlocale(_C_LOCALE.LC_ALL, text)
    except _C_LOCALE.Error:
        pass  # it was deleted from the system meanwhile
