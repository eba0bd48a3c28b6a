"""One concept per file, one reason to change per function: the sizes that keep it so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
BODY_LINES = 40


def test_files_stay_small(root: Path, shipped_python: list[Path]) -> None:
    """No file has more than 400 lines: a longer one holds two concepts."""
    lengths = {name: len((root / name).read_text(encoding="utf-8").splitlines()) for name in shipped_python}
    too_long = [f"{name}: {length} lines" for name, length in lengths.items() if length > FILE_LINES]
    assert not too_long, "\n".join(too_long)


def test_functions_stay_small(root: Path, shipped_python: list[Path]) -> None:
    """No function's body, its docstring not counted, has more than 40 lines."""
    too_long = [
        f"{name}:{function.lineno} {function.name}: {length} lines"
        for name in shipped_python
        for function, length in _functions((root / name).read_text(encoding="utf-8"))
        if length > BODY_LINES
    ]
    assert not too_long, "\n".join(too_long)


def _functions(source: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield node, length
