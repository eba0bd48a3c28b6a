"""Values of parameters: what is read from text, from TOML and JSON, and what is refused."""

from __future__ import annotations

import enum
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.parameters import Secret
from jobkit.values.base import MisfitError, check_bounds
from jobkit.values.types import is_plain_value, kind_for


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


class Opaque(enum.Enum):
    A = (1, 2)
    B = (3, 4)


@dataclass
class Point:
    x: int
    y: float = 0.0


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("it is odd")


class Server(msgspec.Struct, rename="camel"):
    host_name: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 80


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Options(TypedDict):
    name: str
    size: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Credentials(msgspec.Struct):
    user: str
    token: Secret


UserId = NewType("UserId", int)
Number = TypeVar("Number", bound=int)


class Model:
    """Stands for a model class of a validation library."""

    def __init__(self, n: int) -> None:
        self.n = n

    @classmethod
    def model_validate(cls, value: Any) -> Model:
        if not isinstance(value, dict) or not isinstance(value.get("n"), int):
            raise ValueError("1 validation error for Model")
        return cls(value["n"])

    def model_dump(self, mode: str) -> Any:
        return {"n": self.n}


READ_FROM_TEXT = [
    (int, " 42 ", 42),
    (int, "-7", -7),
    (int, "1_000", 1000),
    (float, "1.5", 1.5),
    (float, "2", 2.0),
    (float, "-.5e3", -500.0),
    (str, " as it is ", " as it is "),
    (str, "", ""),
    (date, "2027-01-31", date(2027, 1, 31)),
    (datetime, "2027-01-31T03:00:00Z", datetime(2027, 1, 31, 3, tzinfo=UTC)),
    (datetime, "2027-01-31 03:00", datetime(2027, 1, 31, 3)),
    (time, "03:30", time(3, 30)),
    (timedelta, "1h30m", timedelta(minutes=90)),
    (timedelta, "90", timedelta(seconds=90)),
    (timedelta, "-1h", timedelta(hours=-1)),
    (Path, "out/site", Path("out/site")),
    (PurePosixPath, "/srv", PurePosixPath("/srv")),
    (Decimal, "1.10", Decimal("1.10")),
    (uuid.UUID, "12345678123456781234567812345678", uuid.UUID(int=0x12345678123456781234567812345678)),
    (Colour, "green", Colour.GREEN),
    (Colour, "GREEN", Colour.GREEN),
    (Level, "2", Level.HIGH),
    (Opaque, "B", Opaque.B),
    (Literal["a", 1, True, None], "1", 1),
    (Literal["a", 1, True, None], "true", True),
    (Literal["a", 1, True, None], "null", None),
    (Literal[Colour.RED], "red", Colour.RED),
    (int | None, "5", 5),
    (Optional[int], "null", None),  # noqa: UP045 - both spellings are what is tested
    (int | None, "None", None),
    (str | None, "null", "null"),
    (str | int, "5", 5),
    (str | int, "five", "five"),
    (date | Literal["today"], "today", "today"),
    (list[int], "1, 2,3", [1, 2, 3]),
    (list[int], "[1, 2]", [1, 2]),
    (list[int], "", []),
    (list[str], "a,b", ["a", "b"]),
    (list[str], '["a,b"]', ["a,b"]),
    (list, "a,b", ["a", "b"]),
    (Sequence[date], "2027-01-31", [date(2027, 1, 31)]),
    (Iterable[str], "a", ["a"]),
    (tuple[int, ...], "1,2", (1, 2)),
    (tuple[int, str], "1,x", (1, "x")),
    (tuple[int, str], '[1, "x"]', (1, "x")),
    (set[str], "b,a,b", {"a", "b"}),
    (frozenset[int], "1", frozenset({1})),
    (dict[str, int], '{"a": 1}', {"a": 1}),
    (dict[date, int], '{"2027-01-31": 1}', {date(2027, 1, 31): 1}),
    (Mapping[str, list[int]], '{"a": [1]}', {"a": [1]}),
    (dict, '{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
    (list[list[int]], "[[1], []]", [[1], []]),
    (list[Point], '[{"x": 1}]', [Point(1)]),
    (Point, '{"x": 1, "y": 2}', Point(1, 2.0)),
    (Tree, '{"name": "a", "children": [{"name": "b"}]}', Tree("a", [Tree("b")])),
    (Server, '{"hostName": "x", "port": 8080}', Server("x", 8080)),
    (Cat | Dog, '{"type": "Dog", "tricks": ["sit"]}', Dog(["sit"])),
    (Options, '{"name": "x"}', {"name": "x"}),
    (Pair, '{"left": 1}', Pair(1)),
    (Annotated[int, msgspec.Meta(ge=1)], "1", 1),
    (Annotated[list[int], msgspec.Meta(max_length=2)], "1,2", [1, 2]),
    (Annotated[int, "no constraint"], "5", 5),
    (UserId, "5", 5),
    (Number, "5", 5),
    (Any, "5", "5"),
    (object, "5", "5"),
    (Secret, "hunter2", "hunter2"),
    (Annotated[str, Secret], "hunter2", Secret("hunter2")),
]


@pytest.mark.parametrize(("annotation", "text", "value"), READ_FROM_TEXT)
def test_text_is_read_as_the_declared_type(annotation: Any, text: str, value: object) -> None:
    """``-p key=text`` gives a value of the type, not merely one that is equal."""
    read = kind_for(annotation).read_text(text)
    assert read == value
    assert type(read) is type(value) or isinstance(read, Secret)


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "on", "1", " True "])
def test_yes_has_several_spellings(text: str) -> None:
    """All of them are true."""
    assert kind_for(bool).read_text(text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0"])
def test_no_has_several_spellings(text: str) -> None:
    """All of them are false."""
    assert kind_for(bool).read_text(text) is False


REFUSED_TEXT = [
    (int, "1.0"),
    (int, "abc"),
    (int, ""),
    (int, "0x10"),
    (int, "1e3"),
    (int, "٣"),
    (int, "9" * 5000),
    (int, str(2**63)),
    (float, "nan"),
    (float, "inf"),
    (float, "1e999"),
    (float, "1,5"),
    (bool, "2"),
    (bool, "ja"),
    (bool, ""),
    (date, "31.01.2027"),
    (date, "20270131"),
    (date, "2027-02-30"),
    (datetime, "tomorrow"),
    (datetime, "20270131T030000"),
    (time, "25:00"),
    (timedelta, "soon"),
    (timedelta, "--1h"),
    (timedelta, "nan"),
    (Path, ""),
    (Path, "a\0b"),
    (Decimal, "NaN"),
    (Decimal, "Infinity"),
    (uuid.UUID, "x"),
    (Colour, "blue"),
    (Colour, "Red"),
    (Literal["a", 1], "b"),
    (int | None, ""),
    (int | date, "x"),
    (list[int], "1,x"),
    (list[int], "1,"),
    (list[int], "[1, 2.5]"),
    (list[int], "[1"),
    (list[int], '["1"]'),
    (list[Point], "1,2"),
    (tuple[int, str], "1"),
    (tuple[int, str], "1,a,b"),
    (dict[str, int], "a=1"),
    (dict[str, int], "[]"),
    (dict[str, float], '{"a": NaN}'),
    (dict[str, Any], '{"a": Infinity}'),
    (dict[str, Any], "[" * 100_000),
    (Point, "1"),
    (Point, "{}"),
    (Point, '{"x": "1"}'),
    (Point, '{"x": 1, "z": 1}'),
    (Even, '{"number": 3}'),
    (Server, '{"hostName": "x", "port": 0}'),
    (Server, '{"host_name": "x"}'),
    (Cat | Dog, '{"type": "Fish"}'),
    (Options, '{"size": 1}'),
    (Annotated[int, msgspec.Meta(ge=1)], "0"),
    (Annotated[str, msgspec.Meta(pattern="^a")], "b"),
    (Model, '{"n": "x"}'),
    (set[dict[str, int]], '[{"a": 1}]'),
]


@pytest.mark.parametrize(("annotation", "text"), REFUSED_TEXT)
def test_text_that_does_not_fit_is_refused(annotation: Any, text: str) -> None:
    """Never a silent reinterpretation, never another exception."""
    with pytest.raises(MisfitError):
        kind_for(annotation).read_text(text)


READ_FROM_VALUES = [
    (int, 7, 7),
    (int, Level.HIGH, 2),
    (float, 7, 7.0),
    (float, Decimal("1.5"), 1.5),
    (bool, True, True),
    (date, date(2027, 1, 31), date(2027, 1, 31)),
    (date, "2027-01-31", date(2027, 1, 31)),
    (datetime, datetime(2027, 1, 31, tzinfo=UTC), datetime(2027, 1, 31, tzinfo=UTC)),
    (time, time(3), time(3)),
    (timedelta, 90, timedelta(seconds=90)),
    (timedelta, 0.5, timedelta(seconds=0.5)),
    (timedelta, -90, timedelta(seconds=-90)),
    (timedelta, "5m", timedelta(minutes=5)),
    (timedelta, timedelta(days=-1), timedelta(days=-1)),
    (Path, "a", Path("a")),
    (Path, Path("a"), Path("a")),
    (Decimal, 1, Decimal(1)),
    (Decimal, 0.1, Decimal("0.1")),
    (Colour, "red", Colour.RED),
    (Colour, Colour.RED, Colour.RED),
    (Level, 2, Level.HIGH),
    (Access, 3, Access.READ | Access.WRITE),
    (Literal[1, "1"], "1", "1"),
    (int | None, None, None),
    (float | int, 7, 7),
    (str | date, date(2027, 1, 31), date(2027, 1, 31)),
    (list[int], (1, 2), [1, 2]),
    (tuple[int, int], [1, 2], (1, 2)),
    (dict[int, int], {"1": 2}, {1: 2}),
    (dict[int, int], {1: 2}, {1: 2}),
    (Point, {"x": 1}, Point(1)),
    (Point, Point(3), Point(3)),
    (Any, {"a": [1, None, date(2027, 1, 1)]}, {"a": [1, None, date(2027, 1, 1)]}),
]


@pytest.mark.parametrize(("annotation", "given_value", "value"), READ_FROM_VALUES)
def test_values_of_toml_and_code_are_read(annotation: Any, given_value: object, value: object) -> None:
    """TOML has dates and whole numbers for floats; code has whatever Python has."""
    read = kind_for(annotation).read(given_value)
    assert read == value
    assert type(read) is type(value)


REFUSED_VALUES = [
    (int, "7"),
    (int, 7.0),
    (int, True),
    (int, None),
    (int, 2**63),
    (float, "1.5"),
    (float, True),
    (float, float("nan")),
    (float, 10**400),
    (bool, 1),
    (bool, "true"),
    (str, 5),
    (date, datetime(2027, 1, 31, tzinfo=UTC)),
    (datetime, date(2027, 1, 31)),
    (timedelta, True),
    (timedelta, float("inf")),
    (timedelta, timedelta.max),
    (Path, 5),
    (Decimal, True),
    (Colour, "blue"),
    (Level, True),
    (Access, 99),
    (Literal[1], True),
    (list[int], "1,2"),
    (list[int], {1: 2}),
    (dict[str, int], [1]),
    (Point, [1, 2]),
    (Any, object()),
    (Any, float("inf")),
    (Any, 2**64),
    (Any, [{"a": object()}]),
]


@pytest.mark.parametrize(("annotation", "value"), REFUSED_VALUES)
def test_values_of_another_type_are_refused(annotation: Any, value: object) -> None:
    """`"7"` is text, not a number: only text on a command line is read as something else."""
    with pytest.raises(MisfitError):
        kind_for(annotation).read(value)


NO_VALUES = [
    bytes,
    complex,
    type,
    Mapping[str, bytes],
    list[type],
    Annotated[int, Secret],
    type(json),
]


@pytest.mark.parametrize("annotation", NO_VALUES)
def test_types_that_cannot_be_written_down_are_refused(annotation: Any) -> None:
    """Before any value is seen, and with the name of the type."""
    with pytest.raises(TypeError):
        kind_for(annotation)


def test_a_field_that_cannot_be_written_down_is_named() -> None:
    """The error leads to the field."""

    @dataclass
    class Holder:
        data: bytes

    with pytest.raises(TypeError, match=r"field 'data' of Holder: values of bytes cannot be written"):
        kind_for(Holder)


def test_a_misfit_says_where_it_is() -> None:
    """The path leads through lists, tables and fields."""
    with pytest.raises(MisfitError) as caught:
        kind_for(dict[str, list[Point]]).read({"a": [{"x": 1}, {"x": "no"}]})
    assert (caught.value.where, caught.value.value, caught.value.reason) == ("['a'][1].x", "no", "is not int")


def test_a_structure_names_its_fields() -> None:
    """A missing field, an unknown one and another type each show what there is."""
    kind = kind_for(Point)
    for value, reason in [
        ({}, "has no 'x'; Point has x: int, y: float (optional)"),
        ({"x": 1, "z": 2}, "is no field of Point; it has x: int, y: float (optional)"),
        (5, "is not a table with x: int, y: float (optional)"),
    ]:
        with pytest.raises(MisfitError) as caught:
            kind.read(value)
        assert caught.value.reason == reason


def test_what_a_class_says_itself_is_passed_on() -> None:
    """A check in ``__post_init__`` and one of a model speak for themselves."""
    with pytest.raises(MisfitError, match="is refused by Even: it is odd"):
        kind_for(Even).read({"number": 3})
    with pytest.raises(MisfitError, match="is refused by Model: 1 validation error"):
        kind_for(Model).read({"n": "x"})


def test_models_are_read_and_recorded_by_themselves() -> None:
    """Anything with ``model_validate`` and ``model_dump`` is a model."""
    kind = kind_for(Model)
    assert kind.read_text('{"n": 5}').n == 5
    assert kind.plain(Model(5)) == {"n": 5}


def test_secrets_are_found_wherever_they_are() -> None:
    """In unions, lists, structures; and nowhere else."""
    secret: list[Any] = [Secret, Secret | None, list[Secret], Credentials, Annotated[str, Secret()]]
    open_to_all: list[Any] = [str, list[str], Point, Tree, Server, Any]
    assert [kind_for(annotation).secret for annotation in secret] == [True] * 5
    assert [kind_for(annotation).secret for annotation in open_to_all] == [False] * 6


def test_a_secret_does_not_show_itself() -> None:
    """``repr`` is a mask; in every other respect it is the text."""
    token = Secret("hunter2")
    assert (repr(token), f"{token}", token + "!") == ("***", "hunter2", "hunter2!")
    assert "hunter2" not in repr({"token": token})


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        (int, True),
        (str | None, True),
        (list[Point], True),
        (UserId, True),
        (Colour, True),
        (Literal[1], True),
        (datetime, True),
        (bytes, True),
        (Mapping[str, int], True),
        (Decimal, False),
        (Path, False),
        (Point, False),
        (Any, False),
        (object, False),
        (Point | int, False),
        ("text", False),
    ],
)
def test_plain_values_are_told_from_services(annotation: Any, plain: bool) -> None:
    """What stands before ``*`` with such a type is a mistake for certain."""
    assert is_plain_value(annotation) is plain


def test_bounds_hold_before_anything_is_walked() -> None:
    """Length, count and depth are limited; a list that holds itself is too deep."""
    loop: list[Any] = []
    loop.append(loop)
    for value in (
        "x" * 1_000_001,
        [0] * 100_001,
        loop,
        {"a": {"b": ["x" * 1_000_001]}},
        {"x" * 1_000_001: 1},
    ):
        with pytest.raises(MisfitError):
            check_bounds(value)
    check_bounds({"a": [1, "x" * 1_000_000, [[[[]]]]]})


# -- laws ---------------------------------------------------------------------------------------------

_SECONDS = 36_525 * 86_400
LAWS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63 - 1)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (str, st.text()),
    (date, st.dates()),
    (datetime, st.datetimes(timezones=st.none() | st.just(UTC))),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(seconds=-_SECONDS), timedelta(seconds=_SECONDS))),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)),
    (uuid.UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Access, st.sampled_from([Access.READ, Access.WRITE, Access.READ | Access.WRITE, Access(0)])),
    (Opaque, st.sampled_from(Opaque)),
    (Literal["a", 1, True, None, Colour.RED], st.sampled_from(["a", 1, True, None, Colour.RED])),
    (int | None, st.none() | st.integers(0, 9)),
    (list[date], st.lists(st.dates())),
    (tuple[int, str], st.tuples(st.integers(0, 9), st.text())),
    (set[int], st.sets(st.integers(0, 99))),
    (dict[date, timedelta], st.dictionaries(st.dates(), st.timedeltas(timedelta(0), timedelta(days=9)))),
    (dict[bool, int], st.dictionaries(st.booleans(), st.integers(0, 9))),
    (Point, st.builds(Point, st.integers(0, 9), st.floats(0, 9))),
    (Tree, st.builds(Tree, st.text(), st.lists(st.builds(Tree, st.text())))),
    (Server, st.builds(Server, st.text(), st.integers(1, 9))),
    (Cat | Dog, st.builds(Cat, st.integers(0, 9)) | st.builds(Dog, st.lists(st.text()))),
    (Pair, st.builds(Pair, st.integers(0, 9), st.text())),
    (Options, st.fixed_dictionaries({"name": st.text()}, optional={"size": st.integers(0, 9)})),
]


@pytest.mark.parametrize(("annotation", "values"), LAWS)
def test_what_is_recorded_is_read_back(annotation: Any, values: st.SearchStrategy[Any]) -> None:
    """Through JSON and back: a run that is tried again gets the parameters it had."""
    kind = kind_for(annotation)

    @settings(max_examples=50)
    @given(values)
    def holds(value: object) -> None:
        recorded = json.loads(json.dumps(kind.plain(value), allow_nan=False))
        assert kind.read(recorded) == value
        assert type(kind.read(recorded)) is type(value)

    holds()


@given(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.dates())
def test_what_is_printed_is_read_back(number: int, real: float, day: date) -> None:
    """``str`` of a scalar can be given with ``-p``."""
    assert kind_for(int).read_text(str(number)) == number
    assert kind_for(float).read_text(str(real)) == real
    assert kind_for(date).read_text(str(day)) == day
    assert kind_for(list[int]).read_text(f"{number},{number}") == [number, number]


@pytest.mark.parametrize("annotation", [case[0] for case in READ_FROM_TEXT])
def test_reading_text_raises_nothing_but_misfits(annotation: Any) -> None:
    """Whatever a person types: any other exception would come out here."""
    kind = kind_for(annotation)

    @settings(max_examples=25)
    @given(st.text() | st.text('0123456789-+.eE_:TZ[]{}",naif ', max_size=30))
    def holds(text: str) -> None:
        with suppress(MisfitError):
            kind.read_text(text)

    holds()


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=2)
    | st.dates()
    | st.just(object()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("annotation", [case[0] for case in READ_FROM_TEXT])
def test_reading_values_raises_nothing_but_misfits(annotation: Any) -> None:
    """Whatever code passes: any other exception would come out here."""
    kind = kind_for(annotation)

    @settings(max_examples=25)
    @given(_JUNK)
    def holds(value: object) -> None:
        with suppress(MisfitError):
            kind.read(value)

    holds()
