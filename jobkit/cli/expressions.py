"""Small expressions that select: ``nightly and not (slow or broken)``."""

from __future__ import annotations

import re
from collections.abc import Callable

from jobkit.cli.usage import quoted
from jobkit.exceptions import UsageError

#: Whether one word of an expression holds.
Holds = Callable[[str], bool]

_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_LONGEST = 1000
_MOST_NESTED = 50


def parse_expression(text: str) -> Callable[[Holds], bool]:
    """The meaning of *text*: words joined by ``and``, ``or``, ``not`` and parentheses.

    What is returned asks for each word whether it holds. UsageError for anything that is not
    an expression.
    """
    if len(text) > _LONGEST:
        raise _refused(text, f"it is longer than {_LONGEST} characters")
    if max(text.count("("), text.count("not")) > _MOST_NESTED:
        raise _refused(text, f"more than {_MOST_NESTED} parentheses or `not` are too many")
    parser = _Parser(text)
    meaning = parser.any_of()
    if parser.tokens:
        raise _refused(text, f"{quoted(parser.tokens[0], 80)} does not belong there")
    return meaning


class _Parser:
    """Recursive descent: ``any_of`` → ``all_of`` → ``one``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)

    def any_of(self) -> Callable[[Holds], bool]:
        parts = [self.all_of()]
        while self._take("or"):
            parts.append(self.all_of())
        return lambda holds: any(part(holds) for part in parts)

    def all_of(self) -> Callable[[Holds], bool]:
        parts = [self.one()]
        while self._take("and"):
            parts.append(self.one())
        return lambda holds: all(part(holds) for part in parts)

    def one(self) -> Callable[[Holds], bool]:
        if self._take("not"):
            negated = self.one()
            return lambda holds: not negated(holds)
        if self._take("("):
            inner = self.any_of()
            if not self._take(")"):
                raise _refused(self.text, "a parenthesis is not closed")
            return inner
        if not self.tokens or self.tokens[0] in (")", "and", "or"):
            raise _refused(self.text, "a word is missing")
        word = self.tokens.pop(0)
        return lambda holds: holds(word)

    def _take(self, token: str) -> bool:
        if self.tokens and self.tokens[0] == token:
            self.tokens.pop(0)
            return True
        return False


def _refused(text: str, why: str) -> UsageError:
    return UsageError(
        f"{quoted(text, 80)} is not an expression: {why}",
        code="JK805",
        help="write words joined by `and`, `or`, `not` and parentheses, like 'nightly and not slow'",
    )
