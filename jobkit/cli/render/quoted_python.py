"""A line of a job file as it may be quoted: literals behind names that look secret are masked.

So is what a ``submit_job`` gives to plugins and as parameters, unless it is known to be no secret.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from typing import NamedTuple

from jobkit.cli.render.masked import without
from jobkit.redaction import Redactor, looks_secret

#: Arguments of `submit_job` that hold values of others: of plugins, and of the job itself.
_OF_OTHERS = ("plugins", "parameters")
_Place = tuple[int, int]  # line from 1, and column in bytes


class _Given(NamedTuple):
    """A value, and the name that stands before it."""

    name: str
    value: ast.expr
    #: Whether it is an argument of a call.
    argument: bool = False


def quotable_line(text: str, number: int, shown: Collection[str] | None) -> str | None:
    """Line *number* (from 1) of the Python *text* without secrets; None if it is better not quoted.

    *shown* are the keys of a plugin's settings that are declared and not secret, where they are known.
    """
    lines = text.split("\n")
    if not 0 < number <= len(lines):
        return None
    line = lines[number - 1]
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Redactor().text(line)  # the line that Python does not understand is what this is about
    spans: list[tuple[int, int]] = []
    for node in _hidden(tree, shown or ()):
        spans += _on_line(node, number, line)
    return without(line, 0, spans)


def _hidden(tree: ast.AST, shown: Collection[str]) -> Iterator[ast.expr]:
    """The literals that must not be quoted."""
    for node in ast.walk(tree):
        for given in _given(node):
            if looks_secret(given.name):
                yield from _literals(given.value)
            elif given.argument and given.name in _OF_OTHERS:
                yield from _of_others(given.value, shown, outermost=given.name == "plugins")


def _of_others(value: ast.expr, shown: Collection[str], *, outermost: bool) -> Iterator[ast.expr]:
    if not isinstance(value, ast.Dict | ast.List | ast.Tuple | ast.Set | ast.Call):
        yield from _literals(value)
    for given in _given(value):
        if outermost or (given.name in shown and not looks_secret(given.name)):
            if isinstance(given.value, ast.Dict | ast.List | ast.Tuple | ast.Call) or outermost:
                yield from _of_others(given.value, shown, outermost=False)
        else:
            yield from _literals(given.value)
    if isinstance(value, ast.List | ast.Tuple):
        for item in value.elts:
            if not isinstance(item, ast.Constant):
                yield from _of_others(item, shown, outermost=False)


def _given(node: ast.AST) -> Iterator[_Given]:
    """The values in *node* that have a name."""
    match node:
        case ast.Call():
            for keyword in node.keywords:
                yield _Given(keyword.arg or "", keyword.value, argument=True)
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                yield _Given(str(key.value) if isinstance(key, ast.Constant) else "", value)
        case ast.Assign():
            yield from (_Given(name, node.value) for target in node.targets for name in _names(target))
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            if node.value is not None:
                yield from (_Given(name, node.value) for name in _names(node.target))
        case ast.arguments():
            named = [*node.posonlyargs, *node.args]
            pairs = [*zip(reversed(named), reversed(node.defaults), strict=False)]
            for argument, default in (*pairs, *zip(node.kwonlyargs, node.kw_defaults, strict=True)):
                if default is not None:
                    secret = argument.annotation is not None and "Secret" in ast.dump(argument.annotation)
                    yield _Given("secret" if secret else argument.arg, default)


def _names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # headers["token"] = …
            yield node.value


def _literals(value: ast.expr) -> Iterator[ast.expr]:
    """The whole of *value* if anything in it is spelled out."""
    for node in ast.walk(value):
        if isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and not isinstance(node.value, bool | None)
        ):
            yield value
            return


def _on_line(node: ast.expr, number: int, line: str) -> Iterator[tuple[int, int]]:
    """From where to where *node* covers *line*, in characters."""
    last = node.end_lineno or node.lineno
    if not node.lineno <= number <= last:
        return
    data = line.encode()
    first = len(data[: node.col_offset].decode(errors="replace")) if node.lineno == number else 0
    end = len(data[: node.end_col_offset].decode(errors="replace")) if last == number else len(line)
    yield first, end
