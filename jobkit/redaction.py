"""Secrets do not leave the process: what is masked in logs, the store, errors and on pages.

Four rules, from the surest to the weakest: a value whose key looks like a secret's name; a text that is
known to be secret (parameters, expanded variables), from eight characters on; the password of a URL;
``password=…`` and its like inside a text. Where a rule is in doubt it masks.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

from jobkit.sanitising import TEXT_LIMIT, bounded, repr_of, shorten, text_of

#: What stands where a secret stood.
MASK = "***"

#: A text is only looked for inside other texts from this length on: shorter ones occur by chance.
SHORTEST_CONTENT = 8

T = TypeVar("T")

_DEEPEST = 24

# -- names ------------------------------------------------------------------------------------------


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SECRET_PARTS = ("password", "passwd", "passphrase", "passcode", "credential")
_SECRET_ENDS = ("secret", "secrets", "token", "tokens", "apikey", "privatekey", "secretkey", "accesskey")
_SECRET_WORDS = _words("pwd cred creds authorization cookie cookies bearer jwt otp")
_KEY_KINDS = _words(
    "api access private secret signing encryption master account shared storage auth ssh service deploy "
    "license session cipher hmac"
)
_PASS_KINDS = _words(
    "db database user admin root smtp imap mail email http proxy ftp ldap pg postgres mysql redis"
)
# `token_count` and `password_file` are about secrets and are none.
_ABOUT = _words(
    "count counts length len size limit limits name names file files path paths dir directory folder "
    "policy ttl expires expiry expiration age type enabled required host port user"
)
_COUNTED = _words("max min num n total count prompt completion input output used")
# Shells put these into the environment; as keys of other things they do mean a password.
_WORKING_DIRECTORIES = ("PWD", "OLDPWD")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@functools.lru_cache(maxsize=4096)
def looks_secret(key: str) -> bool:
    """Whether a value under *key* is to be masked: ``API-Key``, ``dbPassword``; not ``token_count``."""
    words = [word.lower() for word in _WORD.findall(key[:256])]
    if not words or words[-1] in _ABOUT:
        return False
    last = words[-1]
    if last == "tokens" and not _COUNTED.isdisjoint(words):
        return False
    if last == "auth" or (last == "pass" and (len(words) == 1 or words[-2] in _PASS_KINDS)):
        return True
    if any(first in _KEY_KINDS and second in ("key", "keys") for first, second in itertools.pairwise(words)):
        return True
    return any(
        word in _SECRET_WORDS or word.endswith(_SECRET_ENDS) or any(part in word for part in _SECRET_PARTS)
        for word in words
    )


# -- values -----------------------------------------------------------------------------------------


def redact(value: T, secrets: Collection[str] = ()) -> T:
    """*value* without its secrets: mappings by key, texts by content; *secrets* are known ones.

    Mappings, lists, tuples and sets are rebuilt, texts and bytes searched; any other object is given
    back as it is – turn it into text first. Never raises; deeper than 24 levels only ``…`` remains.
    """
    redactor = Redactor(secrets) if secrets else _NO_SECRETS
    return cast("T", redactor.value(value))


def secrets_of(settings: Mapping[str, Any]) -> frozenset[str]:
    """The texts worth hiding in *settings* (an environment, a table): by key, and passwords of URLs."""
    found: set[str] = set()
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= secrets_of(value)
        elif isinstance(value, str):
            if looks_secret(key) and key not in _WORKING_DIRECTORIES:
                found.add(value)
            found.update(_passwords(value))
    return frozenset(text for text in found if len(text) >= SHORTEST_CONTENT)


class Redactor:
    """Masks with a fixed set of known secrets; made once, used often. Thread-safe.

    Secrets shorter than eight characters are not looked for. A secret of several lines is also found
    line by line, and each as it looks when quoted in a URL or escaped in a literal.
    """

    __slots__ = ("_known", "_margin", "knows_any", "secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(text for text in secrets if len(text) >= SHORTEST_CONTENT)
        forms = {form for text in self.secrets for form in _forms(text)}
        # The longest first: a secret that contains another must not leave its rest behind.
        self._known = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        self._margin = max(4096, max(map(len, self._known), default=0))
        #: Whether there is anything to look for.
        self.knows_any = bool(self._known)

    def clean(self, text: str) -> bool:
        """True if there certainly is nothing to mask in *text*; cheap, and True for nearly every text."""
        return not self.knows(text) and not looks_risky(text)

    def knows(self, text: str) -> bool:
        """Whether one of the known secrets is in *text*."""
        for known in self._known:  # noqa: SIM110 - a loop is half the price of any()
            if known in text:
                return True
        return False

    def text(self, text: str, limit: int | None = None) -> str:
        """*text* without secrets, and in at most *limit* characters; a cut never reveals part of one."""
        if limit is None or len(text) <= limit + self._margin:
            masked = text if self.clean(text) else self._masked(text)
            return masked if limit is None else shorten(masked, limit)
        # Searching the whole of a huge text is slow, but a cut may go through a secret: the margin in
        # which the beginning of that secret would lie is thrown away unseen.
        part = text[: limit + self._margin]
        masked = part if self.clean(part) else self._masked(part)
        kept = masked[: max(len(masked) - self._margin, 0)]
        return shorten(kept, limit, missing=len(text) - len(kept))

    def show(self, value: object, limit: int = TEXT_LIMIT, *, multiline: bool = True) -> str:
        """The text of *value*: no secrets, no control characters, bounded; never raises.

        With *multiline* (the default), line feeds and tabs stay.
        """
        text = text_of(value) if isinstance(value, str | BaseException) else repr_of(value)
        if len(text) <= limit and text.isprintable() and self.clean(text):
            return text
        return bounded(self.text(text, limit), limit, multiline=multiline)

    def value(self, value: Any, depth: int = 0) -> Any:
        """*value* under the rules of :func:`redact`."""
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, bytes | bytearray):
            return self._bytes(value)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if depth >= _DEEPEST:
                return "…"
            try:
                return self._container(value, depth + 1)
            except Exception as error:  # a mapping of somebody's own making may raise anything
                return f"<unreadable {type(value).__name__}: {type(error).__name__}>"
        return value

    def item(self, key: object, value: Any, depth: int = 0) -> Any:
        """*value* as it may be shown beside *key*."""
        if isinstance(key, str) and looks_secret(key) and value is not None and not isinstance(value, bool):
            return MASK
        return self.value(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {
                self.text(key) if isinstance(key, str) else key: self.item(key, item, depth)
                for key, item in value.items()
            }
        items = [self.value(item, depth) for item in value]
        if isinstance(value, list):
            return items
        if isinstance(value, tuple):
            return tuple(items)
        return frozenset(items) if isinstance(value, frozenset) else set(items)

    def _bytes(self, value: bytes | bytearray) -> bytes | bytearray:
        text = bytes(value).decode("utf-8", "surrogateescape")  # keeps every byte
        masked = self.text(text)
        return value if masked == text else masked.encode("utf-8", "surrogateescape")

    def _masked(self, text: str) -> str:
        for known in self._known:
            if known in text:
                text = text.replace(known, MASK)
        text = mask_url(text)
        text = _HEADER.sub(rf"\1{MASK}", text)
        text = _mask_pairs(text)
        return _SCHEME.sub(_mask_scheme, text)


_NO_SECRETS = Redactor()


def _forms(secret: str) -> Iterator[str]:
    """*secret* as it may look in a text: plain, line by line, quoted for a URL, escaped in a literal."""
    from urllib.parse import quote, quote_plus

    lines = [line.strip() for line in secret.splitlines()]
    for plain in (secret, secret.strip(), *lines):
        if len(plain) >= SHORTEST_CONTENT:
            yield plain
            yield quote(plain, errors="replace")
            yield quote(plain, safe="", errors="replace")
            yield quote_plus(plain, errors="replace")
            yield repr(plain)[1:-1]
            yield plain.replace("\\", "\\\\").replace('"', '\\"')


# -- URLs -------------------------------------------------------------------------------------------

_LONG_NAME = re.compile(r"[\w-]{16,}\Z", re.ASCII)
_PORT = re.compile(r"\d{1,5}[\"'<>,)\]}]")
_QUOTE = re.compile(r"[\"'<>]")


def mask_url(text: str) -> str:
    """*text* with the password of every URL in it masked: ``postgresql://app:***@db/shop``.

    A user name without a password is masked if it looks like a token. Passwords that were not quoted
    as they should have been are found too.
    """
    if "://" not in text or "@" not in text:
        return text
    return re.sub(r"\S+", _mask_token, text)


def _mask_token(match: re.Match[str]) -> str:
    token = match[0]
    if "://" not in token or "@" not in token:
        return token
    head, *pieces = token.split("://")
    return "://".join([head, *map(_mask_piece, pieces)])


def _mask_piece(piece: str) -> str:
    """What follows ``://``, up to the next URL, with its password masked.

    The last ``@`` ends it, for passwords contain ``@`` and ``/`` although they should not; but a port
    that a quote or bracket follows is a port.
    """
    at = _end_of_user(piece)
    if at < 0:
        return piece
    user, colon, password = piece[:at].partition(":")
    if not colon:
        return MASK + piece[at:] if _LONG_NAME.match(user) else piece
    if "/" in user or _PORT.match(password):
        return piece
    return f"{user}:{MASK}{piece[at:]}"


def _end_of_user(piece: str) -> int:
    """Where the ``@`` behind user and password stands, -1 if there is none."""
    if piece.startswith("["):  # an IPv6 address
        return -1
    quoted = _QUOTE.search(piece)
    inside = piece.rfind("@", 0, quoted.start()) if quoted is not None else -1
    return inside if inside >= 0 else piece.rfind("@")


def _passwords(text: str) -> Iterator[str]:
    if "://" in text and "@" in text:
        for piece in text.split("://")[1:]:
            password = piece[: max(_end_of_user(piece), 0)].partition(":")[2]
            if password:
                yield password


# -- pairs inside texts -----------------------------------------------------------------------------

_SHORTEST_SCHEME = len("basic ") + SHORTEST_CONTENT
_SIGN = re.compile(
    r"(?:pass|pwd|secret|token|key|cred|auth|cookie|bearer|jwt|otp)[\w.-]{0,64}+"
    r"(?P<quote>(?:\\?[\"'])?)[ \t]{0,8}(?P<sign>=>|[=:])[ \t]{0,8}",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?P<open>[a-z]{0,3}\\?[\"'])|(?P<scheme>(?:bearer|basic|digest|token)[ \t]+\S+)|(?P<word>\S+)",
    re.IGNORECASE,
)
_STRING_ENDS = {
    '"': re.compile(r"(?:[^\"\\]|\\.)*", re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL),
}
_KEY = re.compile(r"[\w.-]{1,64}\Z")
_HEADER = re.compile(r"(?i)\b((?:(?:proxy-)?authorization|(?:set-)?cookie)[ \t]*:[ \t]*)(?![\"'\s])[^\r\n]+")
_SCHEME = re.compile(r"\b(bearer|basic)([ \t]+)([\w.~+/=-]{8,})", re.IGNORECASE)
_CLOSERS = ")]}>,;.\"'"
_HARMLESS = frozenset(("None", "null", "True", "False", "true", "false"))


def looks_risky(text: str) -> bool:
    """Whether a URL's password or a pair may be in *text*: quick, and False for nearly every text."""
    if "=" not in text and ":" not in text:
        if len(text) < _SHORTEST_SCHEME or (" " not in text and "\t" not in text):
            return False
        lowered = text.lower()
        return "bearer" in lowered or "basic" in lowered
    return ("://" in text and "@" in text) or _has_stem(text.lower())


def _has_stem(lowered: str) -> bool:
    """Whether a pattern of this section can match at all; substring searches settle nearly every text."""
    # Written out: this runs for every text of every log line, and a loop is three times slower.
    return (
        "pass" in lowered or "pwd" in lowered or "secret" in lowered or "token" in lowered
        or "key" in lowered or "cred" in lowered or "auth" in lowered or "cookie" in lowered
        or "bearer" in lowered or "basic" in lowered or "jwt" in lowered or "otp" in lowered
    )  # fmt: skip


def _mask_pairs(text: str) -> str:
    """*text* with the values of all ``password=…``, ``"token": "…"`` and their like masked."""
    parts: list[str] = []
    position = done = 0
    while (sign := _SIGN.search(text, position)) is not None:
        position = sign.end()
        if (span := _secret_span(text, sign)) is not None:
            parts += (text[done : span[0]], MASK)
            position = done = span[1]
    return "".join((*parts, text[done:]))


def _secret_span(text: str, sign: re.Match[str]) -> tuple[int, int] | None:
    """From where to where the value after *sign* is to be masked; None if it is no secret."""
    key = _KEY.search(text[max(sign.start() - 64, 0) : sign.start("quote")])
    if key is None or not looks_secret(key[0]):
        return None
    value = _VALUE.match(text, sign.end())
    if value is None:
        return None
    if value["open"]:
        end = _STRING_ENDS[value["open"][-1]].match(text, value.end())
        return value.end(), end.end() if end is not None else len(text)
    if value["scheme"]:
        return value.span("scheme")
    word = value["word"].rstrip(_CLOSERS)
    if not word or word in _HARMLESS:
        return None
    about_grammar = sign["sign"] == ":" and not sign["quote"] and key[0].lower().endswith("token")
    if about_grammar and len(word) < SHORTEST_CONTENT:  # "unexpected token: else"
        return None
    return value.start(), value.start() + len(word)


def _mask_scheme(match: re.Match[str]) -> str:
    scheme, blank, value = match.groups()
    if scheme.lower() == "basic":
        secret = _holds_login(value)
    else:
        secret = len(value) >= 20 or any(character.isdigit() for character in value)
    return f"{scheme}{blank}{MASK}" if secret else match[0]


def _holds_login(value: str) -> bool:
    """Whether *value* is ``user:password`` in Base64; "basic training" is not."""
    import base64
    import binascii

    try:
        return b":" in base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
