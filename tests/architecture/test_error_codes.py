"""Every error code is raised, explained on a page, and provoked by a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from jobkit.codes import all_codes, explanation

CODE = re.compile(r"\bJK\d{3}\b")


@pytest.fixture(scope="module")
def raised(root: Path, shipped_python: list[Path]) -> dict[str, str]:
    """Code → a place in the source where it is a value, not only words of a docstring."""
    found: dict[str, str] = {}
    for name in shipped_python:
        if name.parts[0] not in {"jobkit", "hooks"}:
            continue
        tree = ast.parse((root / name).read_text(encoding="utf-8"))
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
                for code in CODE.findall(node.value):
                    found.setdefault(code, f"{name}:{node.lineno}")
    return found


def test_every_code_has_a_page(raised: dict[str, str]) -> None:
    """``jobkit explain`` knows every code that the source can raise."""
    missing = [f"{code} ({place})" for code, place in sorted(raised.items()) if code not in all_codes()]
    assert not missing, f"no page in jobkit/codes for {', '.join(missing)}"


def test_every_page_explains_a_code_that_exists(raised: dict[str, str]) -> None:
    """No page outlives its error."""
    stale = [code for code in all_codes() if code not in raised]
    assert not stale, f"raised nowhere: {', '.join(stale)}"


def test_every_code_is_named_in_a_test(root: Path, tree: list[Path], raised: dict[str, str]) -> None:
    """Somewhere a test provokes the error and follows the page's advice."""
    tests = [name for name in tree if name.suffix == ".py" and "tests" in name.parts]
    named = {code for name in tests for code in CODE.findall((root / name).read_text(encoding="utf-8"))}
    untested = sorted((set(all_codes()) | set(raised)) - named)
    assert not untested, f"named in no test: {', '.join(untested)}"


def test_pages_have_one_form() -> None:
    """A page has its code as the title, then says what it means and how to mend it."""
    wrong = []
    for code in all_codes():
        page = explanation(code) or ""
        headings = re.findall(r"^#{1,2} .*$", page, flags=re.MULTILINE)
        if not page.startswith(f"# {code}: ") or headings[1:] != ["## What it means", "## How to mend it"]:
            wrong.append(f"{code}: {headings}")
    assert not wrong, "\n".join(wrong)
