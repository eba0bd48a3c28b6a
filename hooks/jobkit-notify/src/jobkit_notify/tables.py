"""What configuration tables have in common: types, defaults, and checks.

What the checks raise repeats nothing that may be a secret, and so can be shown where a variable stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Literal

from jobkit import Secret
from jobkit.plugin import PluginError
from jobkit_notify.urls import Url

Status = Literal["succeeded", "failed", "timed_out", "cancelled", "skipped", "lost"]
STATUSES: tuple[Status, ...] = ("succeeded", "failed", "timed_out", "cancelled", "skipped", "lost")

#: How long one request may take unless the table says otherwise.
TIMEOUT = timedelta(seconds=10)
MAX_AGE = timedelta(days=7)

_LONGEST_TIMEOUT = timedelta(minutes=5)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")
_OURS = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "jobkit-event",
        "jobkit-signature",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)


def parse_url(name: str, text: str) -> Url:
    """*text*, the value of *name*, as a URL. Raises PluginError if it is none."""
    try:
        return Url.parse(text)
    except ValueError as error:
        raise PluginError(f"{name}: {error}") from None


def check_url(name: str, text: str, *, allow_private: bool) -> Url:
    """The same. Raises PluginError, too, if nothing could ever be sent there."""
    url = parse_url(name, text)
    refusal = url.refusal(allow_private=allow_private)
    if refusal is not None:
        help = "" if allow_private else "; allow_private = true is for receivers inside your own network"
        raise PluginError(f"{name}: {url.shown} is not sent to: {refusal}{help}")
    return url


def check_timeout(timeout: timedelta) -> None:
    """Raises PluginError for no time at all, and for one in which others would wait too long."""
    if not timedelta(0) < timeout <= _LONGEST_TIMEOUT:
        raise PluginError("timeout is longer than 0 and at most 5m")


def check_max_age(max_age: timedelta) -> None:
    """Raises PluginError for no time at all."""
    if max_age <= timedelta(0):
        raise PluginError("max_age is longer than 0")


def check_secret(name: str, secret: Secret | None) -> None:
    """Raises PluginError for an empty text: a variable that is set to nothing would switch signing off."""
    if secret is not None and not secret.strip():
        raise PluginError(f"{name} is empty; leave it out to send without signature")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises PluginError for headers that no request can have, or that are set for each request anyway."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            raise PluginError(f"headers: {name[:80]!r} is no name of a header")
        if name.lower() in _OURS:
            raise PluginError(f"headers: {name} is set by jobkit-notify itself")
        if not _VALUE.fullmatch(value):
            raise PluginError(f"headers: the value of {name} holds characters that a header cannot hold")


def check_not_blank(name: str, items: Iterable[str]) -> None:
    """Raises PluginError for an empty text among *items*: it would match nothing."""
    if any(not item.strip() for item in items):
        raise PluginError(f"{name} holds an empty text, which matches nothing")


def check_names(what: str, names: Iterable[str]) -> None:
    """Raises PluginError for a name that the outbox could not keep its messages under."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise PluginError(
                f"{what}: {name[:80]!r} is no name; write lower-case letters, digits, `-` and `_`"
            )
