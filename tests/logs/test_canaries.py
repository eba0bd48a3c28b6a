"""Secrets are planted everywhere a job can meet them, and found nowhere that jobkit writes."""

# ruff: noqa: G003, G004 - careless logging is what this is about
from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import structlog

from jobkit.logs import RunCapture, get_logger

if TYPE_CHECKING:
    from tests.logs.conftest import Log

CANARIES = {
    "environment": "canary-env-5f1c",
    "url": "canary-url-9a2b",
    "config": "canary-config-77d0",
    "parameter": 'canary"param\\e7/1',
    "key": "canary-by-key-33",
}
DSN = f"postgresql://app:{CANARIES['url']}@db.example/shop"
PEM = "-----BEGIN PRIVATE KEY-----\nCANARYpemLineOne\nCANARYpemLineTwo\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("format", ["console", "json", "logfmt", "ecs"])
def test_nothing_planted_survives(
    format: str, monkeypatch: pytest.MonkeyPatch, program: Log, capture: Callable[..., RunCapture]
) -> None:
    """Events, fields, nested values, exceptions, logging, print: in no format, in no line that is kept."""
    monkeypatch.setenv("SHOP_API_TOKEN", CANARIES["environment"])
    monkeypatch.setenv("SHOP_DATABASE", DSN)
    program.configure(format, secrets=[CANARIES["config"]], colour=False)
    with capture(secrets=[CANARIES["parameter"], PEM]) as run:
        for name, secret in CANARIES.items():
            tell(run, name, secret)
        print(PEM)
        sys.stderr.write(f"{dict(os.environ)}\n")
        sys.stdout.buffer.write(f"{DSN} {CANARIES['parameter']}\n".encode())
        get_logger().warning("store.unavailable", error=f"could not connect to {DSN}")
    written = program.text + repr([(line.event, line.fields) for line in run.drain()])
    left = [
        name for name, secret in CANARIES.items() if secret in written or quote(secret, safe="") in written
    ]
    assert left == []
    assert "CANARY" not in written
    assert "canary" not in written
    assert written.count("***") > 40


def tell(run: RunCapture, name: str, secret: str) -> None:
    """Everything that a careless job does with a secret; one known by key only is at least given a key."""
    run.logger.info("connecting", password=secret, options={"api_key": secret, "list": [{"token": secret}]})
    run.logger.info(f"Authorization: Bearer {secret}")
    structlog.get_logger().info("request", headers={"Cookie": secret}, body=f"user=x&password={secret}")
    if name == "key":
        return
    url = f"https://user:{quote(secret)}@host/path"
    run.logger.info(f"value {secret}", note=f"<{secret}>", url=url, deep=[{"x": (secret,)}], **{secret: 1})
    logging.getLogger("driver").error("cannot use %s", secret, extra={"value": repr(secret)})
    print(f"debug: {secret!r} {url}")
    try:
        connect(secret)
    except ConnectionError as error:
        run.logger.exception("failed", error=error, cause=error.__cause__)
        logging.getLogger("driver").exception("failed")


def connect(value: str) -> None:
    """Fails as drivers do, with everything in the message."""
    try:
        raise ValueError(f"invalid dsn: host=db password={value!r}")
    except ValueError as error:
        raise ConnectionError(
            f"connection to postgresql://app:{quote(value)}@db/x failed for {value}"
        ) from error


def test_a_cut_through_a_secret_shows_nothing_of_it(log: Log, capture: Callable[..., RunCapture]) -> None:
    """Masking comes before shortening, in events, fields and tracebacks."""
    secret = "CANARY" * 8
    with capture(secrets=[secret]) as run:
        for length in range(8100, 8200, 7):
            run.logger.info(
                "x" * length + secret + "y" * 9000, field="z" * (length - 6150) + secret + "y" * 9000
            )
            run.logger.error("failed", exc_info=ValueError("x" * length + secret + "y" * 50_000 + secret))
    assert "CANARY" not in log.text
