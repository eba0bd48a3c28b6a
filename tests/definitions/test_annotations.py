"""Annotations are evaluated one by one, and what cannot be evaluated takes nothing else with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from jobkit import JobSpec
from jobkit.annotations import (
    NOTHING,
    UnresolvedError,
    evaluate,
    text_of_annotation,
    without_none,
)

HEAD = "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nfrom jobkit import submit_job\n"
Job = Callable[[str], JobSpec]


def test_a_type_that_is_imported_for_checkers_only_is_found_by_name(job: Job) -> None:
    """The service is asked for by its name, the others by their types, and ``check`` is told (JK133)."""
    spec = job(
        HEAD
        + """
if TYPE_CHECKING:
    from shop import Database
class Cache: ...
@submit_job
async def report(ctx, db: Database, cache: Cache): ...
"""
    )
    db, cache = spec.signature.services
    assert (db.annotation, db.annotation_text) == (None, "Database")
    assert cache.annotation.__name__ == "Cache"
    assert [(warning.code, warning.line) for warning in spec.warnings] == [("JK133", 8)]
    assert "`db: Database` cannot be evaluated" in spec.warnings[0].message


def test_familiar_types_are_found_by_name(job: Job) -> None:
    """Linters move ``date`` and ``Path`` below TYPE_CHECKING: values are read as what they say they are."""
    spec = job(
        HEAD
        + """
if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path
@submit_job
async def report(ctx, *, since: date, folder: Path | None = None, days: list[date] = []): ...
"""
    )
    values = spec.signature.parameters.from_text({"since": "2027-01-31", "folder": "out"}, job="report")
    assert values == {"since": date(2027, 1, 31), "folder": Path("out")}
    assert spec.warnings == ()


def test_an_unknown_type_of_a_parameter_passes_values_on(job: Job) -> None:
    """The value arrives as it was given, and ``check`` is told."""
    text = "@submit_job\nasync def report(ctx, *, money: Money, days: int = 1): ...\n"
    spec = job(HEAD + text)
    assert spec.signature.parameters.from_text({"money": "5"}, job="report") == {"money": "5"}
    assert [warning.code for warning in spec.warnings] == ["JK133"]


def test_importing_the_type_mends_it(job: Job) -> None:
    """With the import outside ``if TYPE_CHECKING`` there is nothing to warn about (JK133)."""
    spec = job(HEAD + "from decimal import Decimal\n@submit_job\nasync def report(ctx, *, a: Decimal): ...\n")
    assert spec.warnings == ()


def test_annotations_that_are_no_text_work_too(job: Job) -> None:
    """Without the future import annotations are types already."""
    spec = job(
        "from jobkit import submit_job\nfrom typing import Optional\nclass Database: ...\n"
        "@submit_job\nasync def report(ctx, db: Optional[Database], *, a: 'int' = 1): ...\n"
    )
    [request] = spec.signature.services
    assert (request.annotation.__name__, request.optional) == ("Database", True)
    assert spec.signature.parameters.from_text({"a": "5"}, job="report") == {"a": 5}


def test_an_optional_service_may_be_none_even_if_unresolved(job: Job) -> None:
    """``Database | None`` says so in its text."""
    spec = job(HEAD + "@submit_job\nasync def report(ctx, db: Database | None): ...\n")
    assert spec.signature.services[0].optional


def test_a_marker_is_found(job: Job) -> None:
    """``Annotated[T, Service("name")]`` in text, around or inside an optional."""
    spec = job(
        HEAD
        + "from typing import Annotated\nfrom jobkit import Service\nclass Database: ...\n"
        + "@submit_job\nasync def report(ctx, a: Annotated[Database, Service('x')], "
        + "b: Annotated[Database, Service('y')] | None): ...\n"
    )
    markers = [
        (request.marker.name, request.optional) for request in spec.signature.services if request.marker
    ]
    assert markers == [("x", False), ("y", True)]


def test_a_path_before_the_star_is_the_root_and_warned_about(job: Job) -> None:
    """`target: Path` is likely a parameter that lacks its ``*`` (JK135); `project: Path` is not."""
    imported = HEAD + "from pathlib import Path\n@submit_job\n"
    spec = job(imported + "async def clean(ctx, target: Path): ...\n")
    assert [warning.code for warning in spec.warnings] == ["JK135"]
    assert job(imported + "async def clean(ctx, project: Path): ...\n").warnings == ()
    assert job(imported + "async def clean(ctx, *, target: Path): ...\n").warnings == ()


def test_a_first_argument_of_another_class_is_warned_about(job: Job) -> None:
    """`db: Database` first is likely a context that was forgotten (JK136)."""
    imported = (
        HEAD + "from jobkit import JobContext\nclass Database: ...\nclass Own(JobContext): ...\n@submit_job\n"
    )
    assert [w.code for w in job(imported + "def clean(db: Database): ...\n").warnings] == ["JK136"]
    for right in ("ctx", "ctx: JobContext", "ctx: Own", "ctx: jobkit.JobContext", "ctx: Any", "ctx: Unknown"):
        assert job(imported + f"def clean({right}, db: Database): ...\n").warnings == ()


class Outer:
    """A name that annotations below refer to."""


ALIAS = "Outer"


@pytest.mark.parametrize(
    ("annotation", "meant"),
    [
        ("int", int),
        ("Outer", Outer),
        ("ALIAS", Outer),
        ("Outer | None", Optional[Outer]),  # noqa: UP045 - both spellings are what is tested
        ("list[Outer]", list[Outer]),
        ("'Outer'", Outer),
        (" Outer ", Outer),
        ("Annotated[Outer, 1]", Annotated[Outer, 1]),
        ("Path", Path),
        (Outer, Outer),
        (list["Outer"], list[Outer]),
        (Union["Outer", None], Optional[Outer]),  # noqa: UP045 - as above
        (dict[str, list["Path"]], dict[str, list[Path]]),
        (Literal["Outer"], Literal["Outer"]),
        (NOTHING, NOTHING),
    ],
)
def test_an_annotation_means_what_python_says(annotation: object, meant: Any) -> None:
    """Text, aliases, nested text and types alike."""
    assert evaluate(annotation, globals(), {}) == meant


@pytest.mark.parametrize("annotation", ["Nobody", "Nobody.inside", "1/0", "list[", "Outer.no", "(" * 300])
def test_what_cannot_be_evaluated_says_why(annotation: str) -> None:
    """Whatever the text does, one kind of error comes out of it."""
    with pytest.raises(UnresolvedError) as caught:
        evaluate(annotation, globals(), {})
    assert str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (list[int], "list[int]"),
        (int | None, "int | None"),
        (Union[int, str], "int | str"),  # noqa: UP007 - both spellings are what is tested
        (dict[str, Path], "dict[str, Path]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Annotated[int, "x"], "int"),
        (Any, "Any"),
        (None, "None"),
        (NOTHING, ""),
        ("  list[ int ] ", "list[ int ]"),
        ("x" * 100, "x" * 79 + "…"),
    ],
)
def test_annotations_are_shown_as_people_write_them(annotation: object, text: str) -> None:
    """Short, without module names."""
    assert text_of_annotation(annotation) == text


def test_optional_is_looked_through() -> None:
    """Either spelling; the rest of a longer union stays one."""
    assert without_none(int | None) == (int, True)
    assert without_none(Optional[int]) == (int, True)  # noqa: UP045 - as above
    assert without_none(int | str | None) == (int | str, True)
    assert without_none(int) == (int, False)
