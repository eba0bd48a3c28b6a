"""What is secret in the address of a run store, and what everybody may read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

#: An address whose parts are beyond doubt: what ought to be quoted in it is quoted.
_ADDRESS: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:[^:@/?#\s\"'<>]*(?::(?P<password>[^:@/?#\s\"'<>]*))?@)?"
    r"[^@/?#\s\"'<>]*(?:/[^@?#\s\"'<>]*)?(?:\?(?P<query>[^@?#\s\"'<>]*))?"
)
#: Names of secrets in PostgreSQL that do not look like it.
_KEYS: Final = ("scram_client_key", "scram_server_key")
#: Paths of the web are at times all that keeps others out.
_OF_THE_WEB: Final = ("http", "https", "ws", "wss")


def secrets_of_address(text: str) -> frozenset[str] | None:
    """The secret texts in *text*, as they are written and as they are meant: its password, and what its query
    has under names of secrets.

    None if *text* is no address whose parts are beyond doubt: then it may be a secret as a whole.
    """
    address = _ADDRESS.fullmatch(text)
    if address is None or "://" in text[address.end("scheme") + 3 :]:
        return None
    if address["scheme"].lower() in _OF_THE_WEB:
        return None
    found = [address["password"] or "", *_of_query(address["query"] or "")]
    return frozenset(form for value in found for form in _forms(value) if form)


def _of_query(query: str) -> Iterator[str]:
    from urllib.parse import unquote

    from jobkit.redaction import looks_secret

    for pair in re.split("[&;]", query):
        key, _, value = pair.partition("=")
        if looks_secret(unquote(key)) or unquote(key) in _KEYS:
            yield value


def _forms(value: str) -> tuple[str, str]:
    from urllib.parse import unquote

    return value, unquote(value, errors="surrogateescape")
