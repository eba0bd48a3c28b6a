"""What went wrong with a file, said to the person who wrote it: the line, the reason, what to do.

Only frames of the project's own code are shown, none of jobkit or the import system. Texts come from code
that nobody has checked: they are made safe, searched for secrets and bounded, and asking for them is left
to the guard, because even ``str(error)`` can loop for ever.
"""

from __future__ import annotations

import io
import linecache
import os
import stat
import tokenize
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from jobkit.collection.finder import ExtensionFinder
from jobkit.collection.importing import ImportLimit
from jobkit.collection.loader import LARGEST
from jobkit.collection.missing import advice
from jobkit.durations import format_duration, parse_duration
from jobkit.exceptions import CollectionError, JobkitError, relative_to
from jobkit.redaction import Redactor
from jobkit.sanitising import text_of

LONGEST_MESSAGE = 500
LONGEST_TRACEBACK = 16 * 1024
_MOST_FRAMES = 20
_DEEPEST_CHAIN = 3
_OURS = str(Path(__file__).parent.parent) + os.sep
_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_CAUSE = "The above exception was the direct cause of the following exception:"
_CONTEXT = "During handling of the above exception, another exception occurred:"

Frame = tuple[str, int, str]


class Reporter:
    """Turns what a file raised into a CollectionError; *limit* is the import limit in seconds."""

    def __init__(self, finder: ExtensionFinder, redactor: Redactor, limit: float | None) -> None:
        self._finder = finder
        self._redactor = redactor
        self._limit = limit
        self._root = Path(finder.root)

    def describe(self, path: str, error: BaseException) -> CollectionError:
        """The one error of the file *path*, whose import raised *error*. May call code of the file."""
        frames = list(self._frames(error.__traceback__))
        line = next((line for name, line, _ in reversed(frames) if name == path), None)
        if isinstance(error, JobkitError):
            return self._of_ours(path, line, error)
        report = (
            self._of_ending(error)
            or (self._of_source(path, error) if line is None or isinstance(error, SyntaxError) else None)
            or self._of_import(path, error)
            or self._of_others(error)
        )
        message, code, help, own_line = report
        return CollectionError(
            self._redactor.show(message, LONGEST_MESSAGE, multiline=False),
            code=code,
            path=path,
            line=own_line if own_line is not None else line,
            help=help,
            traceback=self._traceback(error),
        )

    # -- the kinds ------------------------------------------------------------------------------------

    def _of_ours(self, path: str, line: int | None, error: JobkitError) -> CollectionError:
        """An error that jobkit raised on purpose: about this file, or about one that it imports."""
        message = error.message
        if error.path is not None and str(error.path) != path:
            message = f"{error.location(self._root)}: {message}"
        elif error.line is not None:
            line = error.line
        shown = self._redactor.show(message, LONGEST_MESSAGE, multiline=True)
        jobs = error.jobs if isinstance(error, CollectionError) else ()
        return CollectionError(shown, code=error.code, path=path, line=line, help=error.help, jobs=jobs)

    def _of_ending(self, error: BaseException) -> tuple[str, str, str, None] | None:
        if isinstance(error, ImportLimit):
            limit = format_duration(parse_duration(self._limit or 0))
            help = "work belongs into the job, not into the module; `[project] import_timeout` sets the limit"
            return f"importing the file took longer than {limit}", "JK106", help, None
        if isinstance(error, SystemExit):
            code = "" if error.code is None else self._redactor.show(error.code, 60, multiline=False)
            help = 'a job file is imported, not run: put `if __name__ == "__main__":` before it'
            return f"sys.exit({code}) was called while the file was imported", "JK105", help, None
        if not isinstance(error, Exception) and not isinstance(error, BaseExceptionGroup):
            help = "raise it in the job, not in the module"
            return f"{_said(error)} was raised while the file was imported", "JK105", help, None
        return None

    def _of_source(self, path: str, error: BaseException) -> tuple[str, str, str | None, int | None] | None:
        """The file was read or compiled in vain: no line of it has been executed."""
        if isinstance(error, SyntaxError) and error.filename not in (path, None):
            other = self._shown(str(error.filename))
            return f"{other}:{error.lineno}: {type(error).__name__}: {error.msg}", "JK102", None, None
        if isinstance(error, SyntaxError | ValueError) and (found := _undecodable(path)) is not None:
            reason, line = found
            help = "save the file as UTF-8, or name its encoding in the first line: # -*- coding: latin-1 -*-"
            if "NUL" in reason:
                help = (
                    "restore the file, or save it as UTF-8; if it is no source, let its name not end in .py"
                )
            return reason, "JK103", help, line
        if isinstance(error, SyntaxError):
            line = error.lineno if isinstance(error.lineno, int) and error.lineno > 0 else None
            return f"{type(error).__name__}: {error.msg}", "JK102", None, line
        if isinstance(error, RecursionError | MemoryError):
            help = "split the expression, or keep the data in a file of its own"
            return "the source is nested too deeply to be compiled", "JK107", help, None
        if isinstance(error, OSError) and error.filename == path:
            help = f"chmod u+r {self._finder.permissions.shown(path)}"
            return f"the file cannot be read: {error.strerror}", "JK152", help, None
        return None

    def _of_import(self, path: str, error: BaseException) -> tuple[str, str, str | None, None] | None:
        if not isinstance(error, ImportError):
            return None
        return _said(error), "JK104", advice(error, path, self._finder), None

    def _of_others(self, error: BaseException) -> tuple[str, str, str | None, None]:
        if isinstance(error, RecursionError | MemoryError):
            return _said(error), "JK107", "the file calls itself without an end, or asks for too much", None
        inner = error
        while isinstance(inner, BaseExceptionGroup) and len(inner.exceptions) == 1:
            inner = inner.exceptions[0]
        help = "correct the line; what can fail when it is executed belongs into the job, not into the module"
        return _said(inner), "JK101", help, None

    # -- frames ---------------------------------------------------------------------------------------

    def _frames(self, trace: TracebackType | None) -> Iterator[Frame]:
        """The frames of the project's own code, the innermost last."""
        while trace is not None:
            code = trace.tb_frame.f_code
            if self._is_theirs(code.co_filename):
                yield code.co_filename, trace.tb_lineno or 0, code.co_name
            trace = trace.tb_next

    def _is_theirs(self, name: str) -> bool:
        if name.startswith("<"):
            return not name.startswith("<frozen ")
        if name.startswith(_OURS) or any(library in name for library in _LIBRARIES):
            return False
        return self._finder.permissions.contains(name)

    def _traceback(self, error: BaseException) -> str | None:
        blocks: list[str] = []
        current: BaseException | None = error
        while current is not None and len(blocks) < 2 * _DEEPEST_CHAIN:
            blocks.insert(0, self._block(current))
            if current.__cause__ is not None:
                current = current.__cause__
                blocks.insert(0, _CAUSE)
            elif isinstance(current, ImportLimit):
                current = None  # whatever was handled just then is not why
            elif current.__context__ is not None and not current.__suppress_context__:
                current = current.__context__
                blocks.insert(0, _CONTEXT)
            else:
                current = None
        text = "\n\n".join(blocks[-2 * _DEEPEST_CHAIN + 1 :])
        return self._redactor.show(text, LONGEST_TRACEBACK) if text else None

    def _block(self, error: BaseException) -> str:
        frames = list(self._frames(error.__traceback__))
        lines = ["Traceback (most recent call last):"] if frames else []
        dropped = len(frames) - _MOST_FRAMES
        for index, (name, line, function) in enumerate(frames):
            if dropped > 0 and index == _MOST_FRAMES // 2:
                lines.append(f"  … {dropped} frames left out …")
            if dropped <= 0 or not _MOST_FRAMES // 2 <= index < _MOST_FRAMES // 2 + dropped:
                lines.append(f'  File "{name[:1000]}", line {line}, in {function[:200]}')
                if source := _source_line(name, line):
                    lines.append(f"    {source}")
        if isinstance(error, SyntaxError):
            lines += [part.rstrip("\n") for part in traceback.format_exception_only(error)]
        else:
            lines.append(_said(error, whole=True))
        return "\n".join(lines)

    def _shown(self, path: str) -> str:
        return relative_to(Path(path), self._root)


def _said(error: BaseException, *, whole: bool = False) -> str:
    """Class and message of *error*, of which only the first line with a word unless *whole*."""
    kind = "the import limit" if isinstance(error, ImportLimit) else type(error).__qualname__
    text = text_of(error)
    if text == type(error).__name__:
        text = ""  # what text_of says of an exception without a text
    if not whole:
        text = next((line.strip() for line in text[: 4 * LONGEST_MESSAGE].splitlines() if line.strip()), "")
    return f"{kind}: {text}" if text else kind


def _source_line(name: str, line: int) -> str:
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return ""
    # The name is whatever compile() was told: reading it could wait for ever, or fill the memory.
    if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
        return ""
    return linecache.getline(name, line).strip()[:400]


def _undecodable(path: str) -> tuple[str, int | None] | None:
    """Why the file *path* is no text, and the line of the first byte that is none; None if it is text."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError:
        return None
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file holds a NUL byte, so it is no Python source", _line_of(content, content.index(b"\0"))
    declared = None
    encoding = "utf-8"
    try:
        encoding = tokenize.detect_encoding(io.BytesIO(content).readline)[0]
    except SyntaxError as error:
        declared = error.msg
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        byte = content[error.start]
        return (
            f"the file is not valid {encoding}: byte 0x{byte:02x} cannot be decoded",
            _line_of(content, error.start),
        )
    return (f"the encoding that the file declares cannot be used: {declared}", 1) if declared else None


def _line_of(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
