"""Whatever somebody passes to a logger, made plain: JSON values with safe texts, bounded in every way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any

from jobkit.redaction import MASK, Redactor, looks_risky, looks_secret
from jobkit.sanitising import bounded, text_of

#: The longest event, and the longest text of one field, in characters.
LONGEST_EVENT = 8192
LONGEST_VALUE = 2048
#: The most fields of one event, items of one list and entries of one table.
MOST_ITEMS = 100

_DEEPEST = 6
_LONGEST_KEY = 80
_LARGEST = 2**63

#: What is known about keys that were seen.
_KEYS: dict[str, tuple[str, bool]] = {}
_MOST_KEYS = 2048


def clean(event: object, fields: Mapping[str, Any], redactor: Redactor) -> tuple[str, dict[str, Any]]:
    """An event's text on one line, and its fields: safe keys, plain values, secrets masked."""
    if type(event) is str and len(event) <= LONGEST_EVENT and event.isprintable() and not looks_risky(event):
        text = event
    else:
        text = redactor.show(event, LONGEST_EVENT, multiline=False)
    texts = [text]
    plain: dict[str, Any] = {}
    for key, value in fields.items():
        name, secret = _KEYS.get(key) or _key(key)
        kind = type(value)
        if secret and value is not None and kind is not bool:
            plain[name] = MASK
        elif kind is str and len(value) <= LONGEST_VALUE and (
            # Nearly every value is one word, and one word cannot hold anything but itself.
            value.isalnum() or (value.isprintable() and not looks_risky(value))
        ):  # fmt: skip
            plain[name] = value
            texts.append(value)
        elif (kind is int and -_LARGEST < value < _LARGEST) or (kind is float and isfinite(value)):
            plain[name] = value
        else:
            plain[name] = clean_value(value, redactor)
    # Known secrets are looked for in all of it at once, which is cheaper than in each text.
    if redactor.knows_any and redactor.knows("\n".join((*texts, *plain))):
        text = redactor.show(text, LONGEST_EVENT, multiline=False)
        plain = {redactor.text(key): clean_value(value, redactor) for key, value in plain.items()}
    return text, plain if len(plain) <= MOST_ITEMS else _few(plain)


def _few(fields: dict[str, Any]) -> dict[str, Any]:
    left_out = len(fields) - MOST_ITEMS
    return dict(list(fields.items())[:MOST_ITEMS]) | {"…": f"{left_out} more fields"}


def clean_value(value: Any, redactor: Redactor, depth: int = 0) -> Any:
    """*value* as JSON knows it; objects of other kinds become their text."""
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is int:
        return value if -_LARGEST < value < _LARGEST else redactor.show(value, LONGEST_VALUE)
    if kind is float:
        return value if isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        text = redactor.show(_text(value.isoformat), LONGEST_VALUE, multiline=False)
        return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _container(value, redactor, depth)
    if isinstance(value, BaseException):
        return redactor.show(f"{kind.__name__}: {text_of(value)}", LONGEST_VALUE, multiline=False)
    if isinstance(value, str) or getattr(kind, "__str__", None) is not object.__str__:
        return redactor.show(text_of(value), LONGEST_VALUE, multiline=False)
    return redactor.show(value, LONGEST_VALUE, multiline=False)


def _container(value: Any, redactor: Redactor, depth: int) -> Any:
    if depth >= _DEEPEST:
        return "…"
    try:
        if isinstance(value, Mapping):
            return _table(value, redactor, depth)
        items = [clean_value(item, redactor, depth + 1) for item in list(value)[:MOST_ITEMS]]
        return [*items, f"… {len(value) - MOST_ITEMS} more"] if len(value) > MOST_ITEMS else items
    except Exception as error:  # a container of somebody's own making may raise anything
        return f"<unreadable {type(value).__name__}: {type(error).__name__}>"


def _table(value: Mapping[Any, Any], redactor: Redactor, depth: int) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for number, (key, item) in enumerate(value.items()):
        if number >= MOST_ITEMS:
            clean["…"] = f"{len(value) - MOST_ITEMS} more"
            break
        name, secret = _key(key)
        masked = secret and item is not None and not isinstance(item, bool)
        # Here keys are data, which may hold a secret itself.
        clean[redactor.text(name)] = MASK if masked else clean_value(item, redactor, depth + 1)
    return clean


def _key(key: object) -> tuple[str, bool]:
    """*key* as it is written, and whether what stands beside it is a secret."""
    text = text_of(key)
    found = bounded(text, _LONGEST_KEY) or "_", looks_secret(text)
    if type(key) is str:
        if len(_KEYS) >= _MOST_KEYS:  # somebody makes up keys: begin anew, so that it stays small
            _KEYS.clear()
        _KEYS[key] = found
    return found


def _text(describe: Any) -> str:
    try:
        return str(describe())
    except Exception as error:  # a subclass of somebody's own
        return f"<unreadable: {type(error).__name__}>"
