"""Addresses: which may be written to."""

from __future__ import annotations

import pytest
from jobkit_notify.networks import objection

PUBLIC = ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "fd00::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2002:7f00:1::1",
]
NEVER = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:0.0.0.0",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_used(address: str) -> None:
    """Whatever way they are written."""
    assert objection(address, allow_private=False) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_private_ones_only_if_somebody_said_so(address: str) -> None:
    """This machine and the networks around it, hidden in other addresses too."""
    assert objection(address, allow_private=False) is not None
    assert objection(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_some_are_never_used(address: str) -> None:
    """Where clouds hand out credentials, and what is no single machine."""
    assert objection(address, allow_private=False) is not None
    assert objection(address, allow_private=True) is not None


@pytest.mark.parametrize("address", ["", "example.org", "1.2.3", "1.2.3.4.5", "0x7f000001"])
def test_what_is_no_address_is_not_used(address: str) -> None:
    """A name is never taken for an address that passed."""
    assert objection(address, allow_private=True) is not None
