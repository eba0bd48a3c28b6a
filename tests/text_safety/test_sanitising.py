"""Text of strangers, made fit for terminals and log lines."""

from __future__ import annotations

import unicodedata
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.sanitising import bounded, escape_controls, repr_of, safe_text, shorten, strip_colours, text_of

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()), max_size=200)
DANGEROUS = (
    "\x00\x07\x08\n\r\x1b\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ud800\udfff"
)


@pytest.mark.parametrize("character", DANGEROUS)
def test_every_dangerous_character_becomes_visible(character: str) -> None:
    """A control, a bidirectional mark, a line separator and a lone surrogate turn into an escape."""
    shown = escape_controls(f"a{character}b")
    assert character not in shown
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert shown.endswith("b")


def test_ordinary_text_of_any_script_stays() -> None:
    """Accents, Arabic, Hebrew, Chinese and emoji with joiners are left as they are."""
    for text in ("Grüße", "مرحبا", "שלום", "你好", "👩‍👩‍👧", "नमस्ते", "a\u00a0b"):
        assert escape_controls(text) == text


def test_layout_may_stay() -> None:
    """With multiline, line feeds and tabs stay; carriage returns never do."""
    assert escape_controls("a\n\tb\r\n", multiline=True) == "a\n\tb\\r\n"
    assert escape_controls("a\n\tb\r") == "a\\n\\tb\\r"


@given(ANY_TEXT, st.booleans())
def test_escaping_leaves_nothing_that_disturbs_and_can_be_repeated(text: str, multiline: bool) -> None:
    """The result has no control or surrogate, can be encoded, and escaping it again changes nothing."""
    shown = escape_controls(text, multiline=multiline)
    left = {character for character in shown if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}}
    assert left <= ({"\n", "\t"} if multiline else set())
    assert shown.encode().decode() == shown
    assert escape_controls(shown, multiline=multiline) == shown


@given(ANY_TEXT, st.integers(1, 300))
def test_shortening_keeps_its_bound_and_can_be_repeated(text: str, limit: int) -> None:
    """Never longer than the limit; what fits is untouched; shortening again changes nothing."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or "…" in short
    assert shorten(short, limit) == short


def test_a_cut_says_how_much_is_missing() -> None:
    """From a limit of 80 characters on, the end counts what is not shown."""
    cut = shorten("x" * 5000, 100)
    shown = cut.count("x")
    assert cut == "x" * shown + f"… ({5000 - shown:,} more characters)"
    assert shorten("x" * 5000, 10) == "x" * 9 + "…"


class Hostile(str):
    """A text whose methods lie and raise."""

    __slots__ = ()

    def __str__(self) -> str:
        raise SystemExit(3)

    def isprintable(self) -> bool:
        return True


class Silent(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    def __repr__(self) -> str:
        raise RecursionError


class NoText:
    def __str__(self) -> str:
        return cast("str", 42)


@pytest.mark.parametrize(
    "value",
    [Hostile("a\x1bb"), Silent(), NoText(), KeyError(), 10**5000, b"\xff", None],
    ids=lambda value: type(value).__name__,
)
def test_no_object_can_make_it_raise(value: object) -> None:
    """Whatever an object does when asked for its text, there is a text, and it is bounded."""
    for text in (safe_text(value, 200), bounded(repr_of(value), 200, multiline=True)):
        assert 0 < len(text) <= 200
        assert "\x1b" not in text


def test_an_exception_without_words_gives_its_name() -> None:
    """An empty message says nothing, so the class's name stands there."""
    assert safe_text(ValueError()) == "ValueError"
    assert safe_text(ValueError("gone")) == "gone"
    assert text_of("") == ""


@given(ANY_TEXT, st.integers(1, 120))
def test_safe_text_is_bounded_after_escaping(text: str, limit: int) -> None:
    """Escapes make texts longer: the limit holds for what is shown."""
    shown = safe_text(text, limit)
    assert len(shown) <= limit
    assert safe_text(shown, limit) == shown


def test_colours_are_taken_out_and_other_sequences_are_not() -> None:
    """Only the sequences that set colours vanish; one that moves the cursor stays, to be seen."""
    assert strip_colours("\x1b[1;31mred\x1b[0m plain") == "red plain"
    assert strip_colours("\x1b[2Jcleared") == "\x1b[2Jcleared"
