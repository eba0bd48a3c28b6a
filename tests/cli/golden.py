"""Screens as files: what people see, kept to the letter, in every form that a terminal gives it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobkit.cli.render.terminal import Terminal

SCREENS = Path(__file__).with_name("screens")

#: Each form of a screen: the name of its file, and the terminal.
FORMS = {
    "80": Terminal(width=80),
    "120": Terminal(width=120),
    "120.colour": Terminal(width=120, colour=True),
    "80.ascii": Terminal(width=80, unicode=False),
    "pipe": Terminal(),
}

#: Set it to write the files anew, then look at the difference.
WRITE = "JOBKIT_TEST_WRITE_SCREENS"

each_form = pytest.mark.parametrize("form", FORMS)


def environ_of(form: str) -> Iterator[tuple[str, str]]:
    """The variables that make a stream in memory look like the terminal of *form*."""
    terminal = FORMS[form]
    if terminal.width is not None:
        yield "COLUMNS", str(terminal.width)
    if terminal.colour:
        yield "FORCE_COLOR", "1"


def check_screen(name: str, form: str, shown: str, normalise: Callable[[str], str] = str) -> None:
    """Compare *shown* with the screen's file; escape characters are written ``␛`` there."""
    text = normalise(shown).replace("\x1b", "␛")
    file = SCREENS / f"{name}.{form}.txt"
    if os.environ.get(WRITE):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{WRITE}=1 writes {file.name} anew"
