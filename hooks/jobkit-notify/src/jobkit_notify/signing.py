"""Signatures of webhooks: who sent this body, and when."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Sequence

#: The header that carries time and signatures: ``t=1767225600,v1=<hex>``, one ``v1`` for each secret in use.
SIGNATURE_HEADER = "Jobkit-Signature"

#: Longer headers are not looked at.
_LONGEST = 2048
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)


def sign(secrets: Sequence[str | bytes], body: bytes, at: int) -> str:
    """The value of the header for *body*, sent at the Unix time *at*, signed with each of *secrets*."""
    return ",".join([f"t={at}", *(f"v1={_digest(secret, at, body)}" for secret in secrets)])


def verify(
    secret: str | bytes,
    header: str | None,
    body: bytes | str,
    tolerance: float = 300,
    *,
    now: float | None = None,
) -> bool:
    """Whether *body*, exactly as it was received, was signed with *secret* within *tolerance* seconds.

    *header* is the value of ``Jobkit-Signature``; None, or anything that is none, is False. Compares in
    constant time. *now* is the Unix time to compare with, by default the clock's. Raises ValueError for an
    empty secret, with which everybody could sign; nothing else.
    """
    if not secret:
        raise ValueError("the secret is empty: everybody could sign with it")
    if not isinstance(header, str) or len(header) > _LONGEST:
        return False
    fields = [part.strip().partition("=") for part in header.split(",")]
    times = [value for key, _, value in fields if key == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        return False
    at = int(times[0])
    if abs((time.time() if now is None else now) - at) > tolerance:
        return False
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    expected = _digest(secret, at, content)
    given = [value for key, _, value in fields if key == "v1" and _HEX.fullmatch(value)]
    # Every one is compared, so that the time taken does not tell which of them was right.
    return any([hmac.compare_digest(expected, value) for value in given])  # noqa: C419


def _digest(secret: str | bytes, at: int, body: bytes) -> str:
    key = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    return hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
