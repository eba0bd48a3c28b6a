"""The law of reading tables: what is accepted is what msgspec accepts, and the struct is the same."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.config.layers import always, layer
from jobkit.config.plugin_reading import REFUSED, Reading
from jobkit.origin import Origin
from jobkit.values.types import fields_of

ROOT = Path("/project")
WORDS = st.text(string.ascii_lowercase, min_size=1, max_size=3)
NUMBERS = st.integers(-5, 5)
# Numbers that are no whole ones: whether 1.0 is one is for nobody to rely on.
FRACTIONS = st.sampled_from([-1.5, 0.25, 2.5])
SIMPLE = st.sampled_from(
    [
        bool,
        int,
        float,
        str,
        Literal["a", "b"],
        Literal[1, 2],
        Annotated[int, msgspec.Meta(ge=0)],
        Annotated[int, msgspec.Meta(gt=-2, lt=4)],
        Annotated[float, msgspec.Meta(le=1.0)],
        Annotated[str, msgspec.Meta(min_length=2)],
        Annotated[str, msgspec.Meta(pattern="^[a-m]", max_length=2)],
        Annotated[list[int], msgspec.Meta(min_length=1, max_length=2)],
        int | str,
        float | bool,
        int | list[str],
        int | float,
        str | dict[str, int],
    ]
)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    structs = st.lists(st.tuples(WORDS, inner, st.booleans()), max_size=3, unique_by=lambda item: item[0])
    return st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type]
        inner.map(lambda kind: tuple[kind, ...]),  # type: ignore[valid-type]
        st.tuples(inner, inner).map(lambda pair: tuple[pair]),  # type: ignore[valid-type]
        inner.map(lambda kind: Optional[kind]),  # noqa: UP045 - the type is a value here
        structs.map(_struct),
    )


def _struct(fields: list[tuple[str, Any, bool]]) -> type:
    """A struct with these fields; those with the last part True may be left out."""
    found = [(f"f_{name}", kind | None, None) if free else (f"f_{name}", kind) for name, kind, free in fields]
    return msgspec.defstruct("Some", found, kw_only=True, forbid_unknown_fields=True)


KINDS = st.recursive(SIMPLE, _around, max_leaves=4)
STRUCTS = st.lists(
    st.tuples(WORDS, KINDS, st.booleans()), min_size=1, max_size=4, unique_by=lambda x: x[0]
).map(_struct)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | FRACTIONS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=5,
)


@st.composite
def _fitting(draw: st.DrawFn, info: Any) -> Any:
    """A value that often is what *info* describes, and sometimes anything at all."""
    if draw(st.integers(0, 11)) == 0:
        return draw(ANYTHING)
    match info:
        case msgspec.inspect.StructType():
            chosen = [each for each in info.fields if each.required or draw(st.booleans())]
            table = {each.encode_name: draw(_fitting(each.type)) for each in chosen}
            return table | ({draw(WORDS): 1} if draw(st.integers(0, 9)) == 0 else {})
        case msgspec.inspect.UnionType():
            return draw(_fitting(draw(st.sampled_from(info.types))))
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return [draw(_fitting(info.item_type)) for _ in range(draw(st.integers(0, 2)))]
        case msgspec.inspect.TupleType():
            return [draw(_fitting(each)) for each in info.item_types]
        case msgspec.inspect.DictType():
            return {key: draw(_fitting(info.value_type)) for key in draw(st.sets(WORDS, max_size=2))}
        case msgspec.inspect.LiteralType():
            return draw(st.sampled_from(info.values))
        case msgspec.inspect.BoolType():
            return draw(st.booleans())
        case msgspec.inspect.IntType():
            return draw(NUMBERS)
        case msgspec.inspect.FloatType():
            return draw(FRACTIONS | NUMBERS)
        case msgspec.inspect.StrType():
            return draw(WORDS)
        case _:
            return None


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_is_what_msgspec_accepts(data: st.DataObject) -> None:
    """For structs of plain types, nested to any depth, and values that fit and that do not."""
    struct = data.draw(STRUCTS)
    value = data.draw(_fitting(msgspec.inspect.type_info(struct)))
    if not isinstance(value, dict):
        return
    try:
        wanted: Any = msgspec.convert(value, struct, strict=True)
    except msgspec.ValidationError:
        wanted = REFUSED
    reading = Reading(ROOT)
    origin = Origin("project", ROOT / "jobkit.toml", 1)
    found = reading.table(fields_of(struct), ("plugins", "x"), layer("x", value, always(origin)))
    assert (found is REFUSED) == (wanted is REFUSED) == bool(reading.errors)
    # As texts, because 1 == 1.0 == True.
    assert found is REFUSED or repr(msgspec.to_builtins(found)) == repr(msgspec.to_builtins(wanted))
