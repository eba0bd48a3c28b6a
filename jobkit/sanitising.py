"""Text from elsewhere, made safe to show: no control characters, no surprises, no endless lines.

What a job prints, raises or returns is text that nobody has checked. Before it reaches a terminal, a
log line or the store it goes through here.
"""

from __future__ import annotations

import re

#: The longest text that :func:`safe_text` gives unless it is asked for another.
TEXT_LIMIT = 4096

# C0, DEL and C1 move cursors and end lines; U+2028 and U+2029 end lines in browsers and editors; the
# bidirectional marks show text in another order than it is stored in; a lone surrogate cannot be
# encoded. Joiners stay: scripts and emoji need them.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff"
_ALL = re.compile(f"[{_UNSAFE}]")
_ALL_BUT_LAYOUT = re.compile(f"(?![\\n\\t])[{_UNSAFE}]")
_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_TELLS_FROM = 80


def escape_controls(text: str, *, multiline: bool = False) -> str:
    """*text* with every character that could disturb a terminal or a log line made visible.

    Escapes look as in Python (``\\x1b``, ``\\u202e``); a backslash itself is left alone, so that escaping
    twice changes nothing. With *multiline*, line feeds and tabs stay as they are.
    """
    if text.isprintable():
        return text
    return (_ALL_BUT_LAYOUT if multiline else _ALL).sub(_escaped, text)


def strip_colours(text: str) -> str:
    """*text* without the escape sequences that set colours; all others stay, to be made visible."""
    return _COLOURS.sub("", text) if "\x1b" in text else text


def shorten(text: str, limit: int, *, missing: int = 0) -> str:
    """*text* in at most *limit* characters (from 1), ending in ``…`` if something was cut off.

    From a limit of 80 on, the end says how many characters are missing. *missing* counts those that
    had been cut off before.
    """
    if len(text) <= limit and not missing:
        return text
    if limit < _TELLS_FROM:
        return text[: max(limit, 1) - 1] + "…"
    total = len(text) + missing
    # The number in the note is at most as long as that of the whole text.
    kept = text[: limit - len(f"… ({total:,} more characters)")]
    return f"{kept}… ({total - len(kept):,} more characters)"


def text_of(value: object) -> str:
    """``str(value)`` as a plain text, whatever *value* does when asked; never raises, not bounded.

    For an exception without a text it is the class's name.
    """
    try:
        # A subclass of str may override anything: ask for the plain text behind it.
        text = str.__str__(value if isinstance(value, str) else str(value))
    except BaseException as error:  # whatever a stranger's __str__ raises is no reason to end anything here
        return f"<{_kind(value)} whose str() raised {_kind(error)}>"
    if not text and isinstance(value, BaseException):
        return _kind(value)
    return text


def repr_of(value: object) -> str:
    """``repr(value)`` under the rules of :func:`text_of`."""
    try:
        return str.__str__(repr(value))
    except BaseException as error:  # as above
        return f"<{_kind(value)} whose repr() raised {_kind(error)}>"


def safe_text(value: object, limit: int = TEXT_LIMIT) -> str:
    """What *value* says about itself, fit to be shown, in at most *limit* characters; never raises.

    Control characters are escaped; line feeds and tabs stay. Secrets are not looked for: where there
    may be some, use ``Redactor.show``, which looks before it cuts.
    """
    return bounded(text_of(value), limit, multiline=True)


def bounded(text: str, limit: int, *, multiline: bool = False) -> str:
    """*text* with control characters escaped and then in at most *limit* characters."""
    if len(text) <= limit:
        return shorten(escape_controls(text, multiline=multiline), limit)
    # Escapes only lengthen a text: what lies beyond the limit now cannot come into view.
    return shorten(escape_controls(text[:limit], multiline=multiline), limit, missing=len(text) - limit)


def _kind(value: object) -> str:
    return type(value).__name__


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
