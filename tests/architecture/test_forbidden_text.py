"""Words that must stand nowhere in the project, this file included: hence the split literals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FORBIDDEN = {
    "the name belongs to somebody else's package; install from the checkout": (
        "(pip|pipx|tool) inst" + r"all (-\S+ )*['\"]?jobkit\b"
    ),
    "an index's address ties the project to one place": "|".join(
        re.escape(name + ".org") for name in ("py" + "pi", "python" + "hosted", "npm" + "js", "ana" + "conda")
    ),
    "a path of one machine": r"(?<![\w.-])/(wo" + "rk|fa" + r"rm|tmp/w)/",
    "a mark left behind: finish it or delete it": r"\b(TO" + "DO|FIX" + "ME|XX" + "X|HA" + r"CK)\b",
    "a merge that was not finished": r"^(<{7}|>{7}) ",
    "a number that only one tracker knows: say what it was about": r"(?i)\bissues? #?\d+\b",
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_text_stands_nowhere(root: Path, tree: list[Path], why: str) -> None:
    """No file of the project holds the text, for the reason given."""
    pattern = re.compile(FORBIDDEN[why], flags=re.MULTILINE)
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for name in tree
        for text in [(root / name).read_text(encoding="utf-8", errors="replace")]
        for match in pattern.finditer(text)
    ]
    assert not found, f"{why}\n" + "\n".join(found)


def test_nothing_pretends_to_work(root: Path, shipped_python: list[Path]) -> None:
    """What is shipped is finished: no method only says that it is not there yet."""
    stub = "NotImplemented" + "Error"
    found = [str(name) for name in shipped_python if stub in (root / name).read_text(encoding="utf-8")]
    assert not found, found
