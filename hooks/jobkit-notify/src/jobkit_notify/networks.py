"""Which addresses of the network a message may go to.

A name says nothing about where it leads, and may lead elsewhere a moment later. So a name is resolved once,
the addresses are judged here, and the connection is made to one of those that passed.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

#: IPv4 addresses inside IPv6 ones, for networks that only speak IPv6 (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")
#: Shared between a provider and its customers (RFC 6598): neither global nor private to ``ipaddress``.
_SHARED = IPv4Network("100.64.0.0/10")


def literal(host: str) -> Address | None:
    """The address that *host* is, None if it is a name."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def objection(address: str | Address, *, allow_private: bool) -> str | None:
    """Why nothing may be sent to *address*, None if it may.

    Public addresses may be used; loopback and private networks with *allow_private*. Link-local addresses,
    where machines in clouds find their credentials, and those that are no single machine's, never.
    """
    known = literal(address) if isinstance(address, str) else address
    if known is None:
        return "it is no IP address"
    inner = _inside(known)
    if inner.is_loopback:
        kind = "this machine's own"
    elif inner.is_link_local:
        return f"{known} is a link-local address"
    elif inner.is_multicast or inner.is_unspecified:
        return f"{known} is no machine's address"
    elif inner.is_global and not inner.is_reserved:
        return None
    elif inner.is_private or (isinstance(inner, IPv4Address) and inner in _SHARED):
        kind = "a private"
    else:
        return f"{known} is a reserved address"
    return None if allow_private else f"{known} is {kind} address"


def _inside(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for; otherwise *address* itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo is not None else address)
