"""URLs of receivers, taken apart once and checked."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from jobkit_notify.networks import literal, objection

_PORTS = {"http": 80, "https": 443}
_LONGEST = 8192
_PATH = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """Where requests go. Its text, :attr:`shown`, ends with the port: paths, queries and user names are often
    keys, and are told nobody."""

    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str = ""
    authorization: str | None = None

    @classmethod
    def parse(cls, text: str) -> Url:
        """Take *text* apart. Raises ValueError, which repeats nothing of it, for what is no http(s) URL."""
        text = text.strip()
        if len(text) > _LONGEST:
            raise ValueError(f"a URL has at most {_LONGEST:,} characters")
        if any(character <= " " or character == "\x7f" for character in text):
            raise ValueError("the URL holds blanks or control characters")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("it is not a URL: its host or port cannot be read") from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("the URL has to begin with https:// or http:// and a host")
        return cls(
            parts.scheme,
            _ascii(parts.hostname),
            _PORTS[parts.scheme] if port is None else port,
            quote(parts.path or "/", safe=_PATH),
            quote(parts.query, safe=_PATH + "?"),
            _basic(parts),
        )

    @property
    def shown(self) -> str:
        """What may be told of it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and, if it is not the scheme's own, port: the value of the ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query: what stands in the request's first line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def secrets(self) -> tuple[str, ...]:
        """The parts that may be keys, to be masked wherever they are repeated."""
        words = [*self.path.split("/"), *self.query.replace("=", "&").split("&"), self.authorization or ""]
        return tuple(word for word in words if len(word) >= 8)

    def __repr__(self) -> str:
        return f"<Url {self.shown}>"

    def below(self, suffix: str, **query: str) -> Url:
        """The URL one step further down, with *query* added to its own."""
        path = f"{self.path.rstrip('/')}/{suffix}" if suffix else self.path
        return replace(
            self, path=path, query="&".join(part for part in (self.query, urlencode(query)) if part)
        )

    def refusal(self, *, allow_private: bool) -> str | None:
        """Why nothing could ever be sent there, as far as that is known without asking for the name."""
        address = literal(self.host)
        if address is not None:
            return objection(address, allow_private=allow_private)
        if not allow_private and (self.host == "localhost" or self.host.endswith(".localhost")):
            return "localhost is this machine's own address"
        return None


def _ascii(host: str) -> str:
    if literal(host) is not None:
        return host
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    labels = name.removesuffix(".").split(".")
    if len(name) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError("the URL's host is not a name that can be resolved")
    return name


def _basic(parts: SplitResult) -> str | None:
    if not parts.username and not parts.password:
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
