"""Every hook is in the reference, with its exact signature, and has a test of its own name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from jobkit import hookspecs
from jobkit.hookspecs import RULES


@pytest.mark.parametrize("hook", RULES)
def test_the_reference_has_its_signature(root: Path, hook: str) -> None:
    """Argument by argument, as Python tells it."""
    page = (root / "docs/reference/hooks.md").read_text(encoding="utf-8")
    [shown] = re.findall(rf"^### {hook}\n\n```python\n(.*?)\n```$", page, flags=re.MULTILINE | re.DOTALL)
    function = getattr(hookspecs, hook)
    lead = "async def" if inspect.iscoroutinefunction(function) else "def"
    exact = str(inspect.signature(function)).replace("'", "")  # annotations are kept as text
    assert shown == f"{lead} {hook}{exact}"


@pytest.mark.parametrize("hook", RULES)
def test_its_docstring_has_every_part(hook: str) -> None:
    """When it is called, what it returns, how and how long, what a failure does, where it may stand."""
    text = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition("\n\n")[2]
    parts = re.findall(r"^(\w[\w ]*): ", text, flags=re.MULTILINE)
    assert parts == ["Called", "Returns", "Verb", "On failure", "Extension", "Example"]


@pytest.mark.parametrize("hook", RULES)
def test_the_rule_is_what_the_docstring_says(hook: str) -> None:
    """Verb, time and extensions: readers and the dispatcher are told the same."""
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    rule = RULES[hook]
    [verb] = re.findall(r"^Verb: (.*?)$", text, flags=re.MULTILINE)
    assert re.match(r"\w+", verb)[0] == rule.verb  # type: ignore[index]
    assert ("asynchronous" in verb) == rule.asynchronous
    if rule.timeout is not None:
        assert f"{rule.timeout:g} seconds" in verb
    [extension] = re.findall(r"^Extension: (\w+)", text, flags=re.MULTILINE)
    assert (extension == "yes") == rule.extension


def test_every_hook_has_a_test_of_its_name(root: Path, tree: list[Path]) -> None:
    """``test_<hook>``, in some file of tests."""
    tests = [name for name in tree if name.suffix == ".py" and name.parts[0] == "tests"]
    found = {
        name
        for file in tests
        for name in re.findall(
            r"^(?:async )?def test_(jobkit_\w+)\(", (root / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {*RULES} <= found
