"""From ``[plugins.sqlite] url`` to a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

_ALLOW_NETWORK: Final = "allow-network-fs"


@dataclass(frozen=True, slots=True)
class Address:
    """A *path*, absolute or relative to the project's root, and whether it may be on the network."""

    path: Path
    allow_network: bool = False


def address_of(url: str) -> Address:
    """What ``sqlite:///build/site.db`` means. ValueError says what to write instead.

    Nothing of the URL is repeated but its kind: addresses hold passwords.
    """
    kind, separator, _ = url.partition(":")
    if not separator or kind.lower() != "sqlite":
        raise ValueError("its url starts with sqlite: write something like sqlite:///build/site.db")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("its url is not one: write something like sqlite:///build/site.db") from None
    path = unquote(parts.path, errors="surrogateescape").removeprefix("/")
    if parts.netloc or not parts.path.startswith("/"):
        raise ValueError(
            "its url has three slashes and then the path, or four before an absolute one: write"
            " sqlite:///build/site.db or sqlite:////var/lib/shop/shop.db"
        )
    if path == ":memory:":
        raise ValueError("SQLite's own memory is not shared between connections: name a file in its url")
    if not path or path.endswith("/") or "\0" in path or parts.fragment:
        raise ValueError("its url names no file: write something like sqlite:///build/site.db, %23 for '#'")
    return Address(Path(path), _allows_network(parts.query))


def _allows_network(query: str) -> bool:
    allowed = False
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != _ALLOW_NETWORK or value not in ("0", "1"):
            raise ValueError(f"its url has one switch: ?{_ALLOW_NETWORK}=1")
        allowed = value == "1"
    return allowed
