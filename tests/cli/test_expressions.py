"""The expressions of ``-k`` and ``--tag``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli.expressions import parse_expression
from jobkit.exceptions import UsageError

words = st.sampled_from(["fast", "slow", "db-1", "web/x"])
expressions = st.recursive(
    words,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=8,
)


@given(expressions, st.sets(words))
def test_means_what_python_means(text: str, true: set[str]) -> None:
    """``and`` binds tighter than ``or``, ``not`` tightest, as in Python."""
    python = text
    for index, word in enumerate(["db-1", "web/x", "fast", "slow"]):
        python = python.replace(word, f"w{index}")
    names = {f"w{index}": word in true for index, word in enumerate(["db-1", "web/x", "fast", "slow"])}
    assert parse_expression(text)(true.__contains__) is eval(python, names)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "missing"), ("a b", "'b' does not belong"), ("a and", "missing"), ("(a", "not closed"),
     ("a)", r"'\)' does not"), ("or a", "missing"), ("not", "missing"), ("a " * 600, "longer than"),
     ("(" * 400, "too many"), ("not " * 99 + "a", "too many")],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str, why: str) -> None:
    """JK805 says what is wrong, and how to write it; written so, it is accepted."""
    with pytest.raises(UsageError, match=why) as caught:
        parse_expression(text)
    assert caught.value.code == "JK805"
    assert len(caught.value.message) < 200
    parse_expression("nightly and not slow")


def test_control_characters_do_not_get_through() -> None:
    """The text is repeated escaped."""
    with pytest.raises(UsageError) as caught:
        parse_expression("\x1b[31m a b")
    assert "\x1b" not in caught.value.message
