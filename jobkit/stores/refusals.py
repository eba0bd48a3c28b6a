"""What every store refuses, in the same words."""

from __future__ import annotations

from pathlib import Path

from jobkit.exceptions import RunNotFound, StoreError
from jobkit.sanitising import escape_controls, shorten


def not_found(reference: int | str) -> RunNotFound:
    """There is no run of that number or id."""
    # Numbers beyond any store's may be longer than the interpreter writes out.
    beyond = isinstance(reference, int) and reference.bit_length() > 64
    shown = "of that number" if beyond else shorten(escape_controls(str(reference)), 80)
    return RunNotFound(
        f"there is no run {shown}",
        help="`jobkit history` lists the runs; finished ones are deleted after [scheduler] retention",
    )


def id_taken(run_id: str, number: int | None) -> StoreError:
    """A run of that id exists, and it is not the one that was to be started."""
    return StoreError(
        f"the id {shorten(escape_controls(run_id), 80)} belongs to run {number}, which was started before",
        code="JK621",
        help="make a new id for every run",
    )


def no_position(text: str) -> StoreError:
    """That text was not given out as the ``next`` of a page."""
    return StoreError(
        f"'{shorten(escape_controls(text), 40)}' does not continue a page of runs",
        code="JK619",
        help="pass the `next` of the page before as it is, or nothing for the first page",
    )


def not_open() -> StoreError:
    """The store was not entered, or has been left."""
    return StoreError("the run store is not open", code="JK618", help="enter it first: `async with store:`")


def open_already() -> StoreError:
    """The store was entered and not left."""
    return StoreError(
        "the run store is open already", code="JK618", help="enter it once, or make a second store object"
    )


def other_project(
    shown: str, owner: str, project: str, *, path: Path | None = None, place: str = "[scheduler] store"
) -> StoreError:
    """The store's runs are those of another project; *place* is where another store would be named."""
    names = [escape_controls(shorten(name, 80)) for name in (owner, project)]
    return StoreError(
        f"the run store {shown} belongs to the project '{names[0]}', not to '{names[1]}'",
        code="JK616",
        path=path,
        help=f"give this project a store of its own in {place}, or put its old name back in [project] name",
    )
