"""Signatures: what receivers believe."""

from __future__ import annotations

import hashlib
import hmac

import jobkit_notify
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobkit_notify.signing import sign

BODY = b'{"run": 1}'
AT = 1_800_000_000


def verify(
    header: str | None, secret: str | bytes = "first", body: bytes | str = BODY, at: float = AT
) -> bool:
    """As a receiver does it at *at*."""
    return jobkit_notify.verify(secret, header, body, now=at)


def test_the_format_is_what_the_docs_say() -> None:
    """``t=<time>,v1=<hex HMAC-SHA256 of "<time>.<body>">``: anybody can check it with a standard library."""
    expected = hmac.new(b"first", b"1800000000." + BODY, hashlib.sha256).hexdigest()
    assert sign(["first"], BODY, AT) == f"t=1800000000,v1={expected}"


@given(st.binary(max_size=200), st.text(min_size=1, max_size=40))
def test_what_is_signed_verifies(body: bytes, secret: str) -> None:
    """Whatever the body and the secret are."""
    assert verify(sign([secret], body, AT), secret, body)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_another_body_does_not(body: bytes, other: bytes) -> None:
    """One byte more or less is enough."""
    assert verify(sign(["first"], body, AT), body=other) == (body == other)


def test_another_secret_does_not() -> None:
    """Who does not know it cannot sign."""
    assert not verify(sign(["second"], BODY, AT))


def test_while_secrets_change_both_verify() -> None:
    """A body signed with two is accepted by receivers that know either."""
    header = sign(["second", "first"], BODY, AT)
    assert verify(header, "first")
    assert verify(header, "second")


@pytest.mark.parametrize(
    ("later", "accepted"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_an_old_signature_is_refused(later: int, accepted: bool) -> None:
    """What was recorded and is sent again later is not believed, nor what comes from the future."""
    assert verify(sign(["first"], BODY, AT), at=AT + later) == accepted


def test_the_clock_is_asked() -> None:
    """Without ``now``, the present counts."""
    assert not jobkit_notify.verify("first", sign(["first"], BODY, AT), BODY)


def test_text_and_bytes_are_the_same() -> None:
    """Frameworks give either."""
    assert verify(sign(["first"], BODY, AT), b"first", BODY.decode())


GOOD = sign(["first"], BODY, AT)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        GOOD.replace("v1=", "v0="),
        GOOD.replace("t=", "x="),
        GOOD + ",t=1800000000",
        "t=-1,v1=" + "0" * 64,
        "t=1e9," + GOOD.split(",")[1],
        "t=٣," + GOOD.split(",")[1],
        GOOD.upper(),
        GOOD + "0",
        GOOD + "," * 5000,
        "t=1800000000,v1=é",
    ],
)
def test_what_is_no_signature_is_refused_quietly(header: str | None) -> None:
    """Anybody can send anything: the answer is False, never an exception."""
    assert not verify(header)


def test_an_empty_secret_is_a_mistake() -> None:
    """A variable that is not set must not let everybody in."""
    with pytest.raises(ValueError, match="everybody"):
        verify(GOOD, "")
