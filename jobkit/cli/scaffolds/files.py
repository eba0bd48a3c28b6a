"""Writing files that nobody has written yet: what is there stays as it is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jobkit.cli.render.table import Cell, Column, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.exceptions import UsageError, relative_to
from jobkit.sanitising import escape_controls

#: ``planned`` is what a dry run says of a file that would be created; ``kept`` was there before.
State = Literal["created", "planned", "kept"]

_STYLES = {"created": "good", "planned": "accent", "kept": "dim"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to be written: its *path*, what is in it, and what it is for, in a few words."""

    path: Path
    text: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Filed:
    """A file of a scaffold, and what became of it."""

    draft: Draft
    state: State

    def to_json(self, root: Path) -> dict[str, Any]:
        """An item of ``files`` in the answer; the path is relative to *root*."""
        return {
            "path": relative_to(self.draft.path, root),
            "state": self.state,
            "purpose": self.draft.purpose,
        }


def file_drafts(drafts: Iterable[Draft], *, dry_run: bool = False) -> list[Filed]:
    """Write each of *drafts* whose path is free, in this order. With *dry_run* nothing is touched.

    UsageError (JK813) if the system does not let us; what was written until then stays, and doing it again
    goes on from there.
    """
    filed: list[Filed] = []
    for draft in drafts:
        if dry_run:
            filed.append(Filed(draft, "kept" if os.path.lexists(draft.path) else "planned"))
        else:
            filed.append(Filed(draft, "created" if _write(draft) else "kept"))
    return filed


def _write(draft: Draft) -> bool:
    """False if something is there already, a dangling link included."""
    try:
        _make_folder(draft.path.parent)
        # Not by the user's mask alone: job files that everybody may write to are never executed.
        descriptor = os.open(draft.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        if os.path.lexists(draft.path):
            return False
        raise _refused(draft.path, "a file stands where a folder is needed") from None
    except OSError as error:
        raise _refused(draft.path, error.strerror or type(error).__name__) from error
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(draft.text)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.path.unlink()  # half a file would be kept by the next attempt
        raise _refused(draft.path, error.strerror or type(error).__name__) from error
    return True


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o755, exist_ok=True)


def _refused(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"cannot be written: {reason}",
        code="JK813",
        path=path,
        help="choose another folder, or make this one writable; what exists already is kept",
    )


def screen(
    what: str, filed: Iterable[Filed], steps: Iterable[str], root: Path, terminal: Terminal
) -> list[str]:
    """*what* was made, a line for each file that says what became of it, and what to type next."""
    rows: list[Row] = [
        [
            Cell(f"  {each.state}", _STYLES[each.state]),
            escape_controls(relative_to(each.draft.path, root)),
            Cell(each.draft.purpose, "dim"),
        ]
        for each in filed
    ]
    columns = [Column(""), Column(""), Column("", shrink_to=10, optional=1)]
    return [
        terminal.style(escape_controls(what), "strong"),
        "",
        *table(columns, rows, terminal)[1:],
        "",
        "Next:",
        *(f"  {escape_controls(step)}" for step in steps),
    ]
