"""Parameters of a job: given by people and configuration, completed, recorded, and refused in words."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.exceptions import ParameterError
from jobkit.parameters import ParameterSchema, Secret, decode_value, is_reference
from jobkit.signature import signature_of


class Colour(enum.Enum):
    RED = "red"


TOKEN = Secret("hunter2hunter2")


async def report(  # type: ignore[no-untyped-def]  # one parameter is untyped on purpose
    ctx: object,
    *,
    since: date,
    days: int = 30,
    folder: Path = Path("out"),
    colour: Colour = Colour.RED,
    every: timedelta = timedelta(minutes=5),
    tags: list[str] = [],  # noqa: B006 - a mutable default is what one test is about
    token: Secret = TOKEN,
    untyped=None,
) -> None: ...


async def anything(ctx: object, *, days: int = 1, **more: object) -> None: ...


SCHEMA = signature_of(report).parameters
OPEN = signature_of(anything).parameters


def from_text(**texts: str) -> dict[str, Any]:
    """What people gave for ``report``."""
    return SCHEMA.from_text(texts, job="report")


def refusal(call: Any, *arguments: Any) -> ParameterError:
    """The error that the call raises."""
    with pytest.raises(ParameterError) as caught:
        call(*arguments, job="report")
    return caught.value


def test_text_is_read_by_type() -> None:
    """Only what was given comes back; defaults are filled in later."""
    values = from_text(since="2027-01-31", days="7", tags="a,b", untyped="5")
    assert values == {"since": date(2027, 1, 31), "days": 7, "tags": ["a", "b"], "untyped": "5"}


def test_values_are_read_by_type() -> None:
    """From TOML a date is a date already, and ``"7"`` is no number."""
    assert SCHEMA.from_values({"since": date(2027, 1, 31)}, job="report") == {"since": date(2027, 1, 31)}
    assert "'7' is not int" in refusal(SCHEMA.from_values, {"days": "7"}).message


def test_a_bad_value_names_key_value_and_type() -> None:
    """The help shows the declaration."""
    error = refusal(SCHEMA.from_text, {"days": "soon"})
    assert (error.code, error.message) == ("JK502", "parameter `days` of job report: 'soon' is not int")
    assert error.help == "it is declared as `days: int = 30`"


def test_a_bad_part_names_its_place() -> None:
    """In lists and tables the path leads to it, and the declared type is still named."""

    async def sums(ctx: object, *, numbers: list[int]) -> None: ...

    error = refusal(signature_of(sums).parameters.from_values, {"numbers": [1, "x"]})
    assert error.message == "parameter `numbers[1]` of job report: 'x' is not int (expected: list[int])"


def test_a_value_is_shown_short_and_safe() -> None:
    """A megabyte and control characters do not reach the terminal."""
    for text in ("x" * 1_000_000, "\x1b[31m\n\u202e" * 100):
        message = refusal(SCHEMA.from_text, {"days": text}).message
        assert len(message) < 200
        assert message.isprintable()


def test_a_bad_secret_is_not_shown() -> None:
    """Neither the value nor what a check says about it; a name is enough to make one."""

    async def send(ctx: object, *, api_token: int, pin: list[Secret]) -> None: ...

    schema = signature_of(send).parameters
    error = refusal(schema.from_values, {"api_token": "hunter2", "pin": ["hunter3", 5]})
    assert "hunter" not in f"{error.message}{error.help}"
    assert "parameter `api_token` of job report: *** is not int" in error.message


def test_a_missing_parameter_names_the_job_and_its_signature() -> None:
    """The help says the two ways to give it (JK510)."""
    error = refusal(SCHEMA.complete, {})
    assert error.code == "JK510"
    assert error.message.startswith(
        "job report needs the parameter `since`: report(since: date, days: int = 30, "
    )
    assert error.help is not None
    assert "-p since=" in error.help
    assert "[jobs.report]" in error.help


def test_following_the_help_completes_it() -> None:
    """Given with ``-p``, everything else has its default (JK510)."""
    values = SCHEMA.complete(from_text(since="2027-01-31"), job="report")
    assert list(values) == [parameter.name for parameter in SCHEMA.parameters]
    assert (values["days"], values["colour"], values["untyped"]) == (30, Colour.RED, None)


def test_an_unknown_parameter_names_the_closest() -> None:
    """In text, in values, and in what is completed (JK511)."""
    for call, given_value in [(SCHEMA.from_text, "7"), (SCHEMA.from_values, 7), (SCHEMA.complete, 7)]:
        error = refusal(call, {"dayz": given_value, "since": "2027-01-01"})
        assert error.code == "JK511"
        assert error.message == "job report has no parameter `dayz`; did you mean `days`?"
    assert refusal(ParameterSchema().from_text, {"x": "1"}).help == "job report takes no parameters"


def test_all_mistakes_are_reported_at_once() -> None:
    """One error that names every one of them."""
    message = refusal(SCHEMA.from_text, {"days": "x", "dayz": "1", "since": "never"}).message
    assert all(name in message for name in ("`days`", "`dayz`", "`since`"))


def test_undeclared_parameters_are_taken_where_the_job_takes_them() -> None:
    """With ``**parameters`` they arrive as they were given."""
    assert OPEN.from_text({"days": "2", "x": "3"}, job="anything") == {"days": 2, "x": "3"}
    values = OPEN.complete(OPEN.from_values({"x": [1, None]}, job="anything"), job="anything")
    assert values == {"days": 1, "x": [1, None]}
    assert "is not a value that can be recorded" in refusal(OPEN.from_values, {"x": object()}).message


def test_a_default_that_can_change_is_not_shared() -> None:
    """One run that appends to its default list does not change the next one's."""
    SCHEMA.complete({"since": date.min}, job="report")["tags"].append("x")
    assert SCHEMA.complete({"since": date.min}, job="report")["tags"] == []


def test_more_parameters_than_anybody_needs_are_refused() -> None:
    """A thousand is the most."""
    message = refusal(OPEN.from_text, {f"p{number}": "" for number in range(1001)}).message
    assert "more than 1,000" in message


def test_history_gets_plain_values_and_no_secrets() -> None:
    """A reference stands for a secret, one that only its name gives away included."""
    values = SCHEMA.complete({"since": date(2027, 1, 31)}, job="report")
    assert SCHEMA.to_plain(values) == {
        "since": "2027-01-31",
        "days": 30,
        "folder": "out",
        "colour": "red",
        "every": "5m",
        "tags": [],
        "token": {"secret": "token"},
        "untyped": None,
    }
    assert OPEN.to_plain({"days": 1, "password": "hunter2"}) == {
        "days": 1,
        "password": {"secret": "password"},
    }


def test_every_secret_text_is_known() -> None:
    """Wherever in a parameter it is: so it can be masked in what the run writes."""

    async def send(ctx: object, *, api_key: str, many: list[Secret | None], n: int = 1) -> None: ...

    schema = signature_of(send).parameters
    values = schema.from_values({"api_key": "one", "many": ["two", None], "n": 3}, job="send")
    assert schema.secret_texts(values) == {"one", "two"}


def test_history_takes_defaults_that_are_not_what_they_say() -> None:
    """A default is not read, so it may be anything; recording it must not fail."""

    nothing: Any = object()

    async def odd(ctx: object, *, day: date = "today", thing: int = nothing) -> None: ...  # type: ignore[assignment]

    schema = signature_of(odd).parameters
    plain = schema.to_plain(schema.complete({}, job="odd"))
    assert plain["day"] == "today"
    assert plain["thing"].startswith("<object object")


def test_references_are_left_out_when_history_is_read() -> None:
    """What a secret was has to come from elsewhere; if it does not, it is missing."""
    assert is_reference({"secret": "token"})
    assert not is_reference({"secret": "token", "more": 1})
    assert SCHEMA.from_values({"token": {"secret": "token"}, "days": 3}, job="report") == {"days": 3}

    async def send(ctx: object, *, token: Secret) -> None: ...

    schema = signature_of(send).parameters
    read = schema.from_values({"token": {"secret": "token"}}, job="send")
    assert refusal(schema.complete, read).code == "JK510"


def test_the_signature_is_shown_as_it_was_written() -> None:
    """Types and defaults, but no secrets."""
    assert SCHEMA.describe() == (
        "(since: date, days: int = 30, folder: Path = 'out', colour: Colour = 'red', "
        "every: timedelta = '5m', tags: list[str] = [], token: Secret = ***, untyped=None)"
    )
    assert OPEN.describe() == "(days: int = 1, **parameters)"


@given(st.dictionaries(st.sampled_from(["since", "days", "tags", "untyped", "x"]), st.text()))
def test_reading_raises_nothing_but_parameter_errors(texts: Mapping[str, str]) -> None:
    """Whatever people type: any other exception would come out here."""
    for schema in (SCHEMA, OPEN):
        try:
            values = schema.from_text(texts, job="report")
            schema.complete(values, job="report")
        except ParameterError:
            continue


@given(st.dates(), st.integers(0, 99), st.lists(st.text()), st.text())
def test_a_run_that_is_tried_again_gets_the_same(
    since: date, days: int, tags: list[str], untyped: str
) -> None:
    """What history kept is read back as what it was, secrets excepted."""
    values = SCHEMA.complete({"since": since, "days": days, "tags": tags, "untyped": untyped}, job="report")
    again = SCHEMA.complete(SCHEMA.from_values(SCHEMA.to_plain(values), job="report"), job="report")
    assert again == values


# -- one value by itself ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        ("7", int, 7),
        (7, int, 7),
        ("out", Path, Path("out")),
        (Path("out"), Path, Path("out")),
        ("a,b", list[str], ["a", "b"]),
        (["a"], list[str], ["a"]),
        ("text", str, "text"),
        ("2027-01-31", date | None, date(2027, 1, 31)),
    ],
)
def test_a_single_value_is_read_however_it_came(value: object, kind: Any, read: object) -> None:
    """As text, or as what it is already."""
    assert decode_value(value, kind, name="x", job="report") == read


def test_a_single_value_that_does_not_fit_names_key_value_and_type() -> None:
    """The same words as everywhere."""
    with pytest.raises(ParameterError, match=r"parameter `x` of job report: 'y' is not int"):
        decode_value("y", int, name="x", job="report")
