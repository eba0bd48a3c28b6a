"""One HTTP request, sent to an address that was looked at before.

The name is resolved once, the addresses are judged, and the connection is made to one of those: a name that
leads elsewhere a moment later changes nothing. Redirects are not followed, proxies of the environment are not
used, certificates are verified against the name in the URL. Works on asyncio and on trio.
"""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

import anyio
import h11
from anyio.abc import ByteStream, SocketStream
from anyio.streams.tls import TLSStream

from jobkit_notify.answers import Answer, NotDelivered
from jobkit_notify.networks import literal, objection
from jobkit_notify.urls import Url

#: How much of an answer's body is read, in bytes; nobody needs more to see why something was refused.
LARGEST_ANSWER = 65_536
#: How long a body may take after the status is known, in seconds.
_BODY_PATIENCE = 1.0
#: How much earlier than the next one an attempt to connect begins, in seconds (RFC 8305).
_HEAD_START = 0.25
#: More addresses of one name than this are not tried.
_MOST_ADDRESSES = 8


def user_agent() -> str:
    """Who is asking: name and version."""
    try:
        return f"jobkit-notify/{version('jobkit-notify')}"
    except PackageNotFoundError:
        return "jobkit-notify"


async def send(
    url: Url,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    allow_private: bool = False,
    method: str = "POST",
) -> Answer:
    """Send one request and give the answer, whatever its status; *timeout* seconds for all of it.

    Raises NotDelivered if the name leads to no address that may be used, or nobody answers properly in time.
    """
    try:
        with anyio.fail_after(timeout):
            return await _exchange(url, method, headers or {}, body, allow_private)
    except TimeoutError:
        raise NotDelivered(f"{url.shown} did not answer within {timeout:g} s") from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason or type(error).__name__
        raise NotDelivered(f"{url.shown}: no trusted connection: {reason}") from error
    except OSError as error:
        raise NotDelivered(f"{url.shown} cannot be reached: {_why(error)}") from error
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
        raise NotDelivered(f"{url.shown} closed the connection without an answer") from error
    except h11.RemoteProtocolError as error:
        raise NotDelivered(f"{url.shown} did not answer with HTTP") from error


async def _exchange(
    url: Url, method: str, headers: Mapping[str, str], body: bytes, allow_private: bool
) -> Answer:
    addresses = await _addresses(url, allow_private)
    stream: ByteStream = await _connect(addresses, url.port)
    try:
        if url.scheme == "https":
            stream = await TLSStream.wrap(
                stream,
                hostname=url.host,
                ssl_context=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
                standard_compatible=False,
            )
        return await _talk(stream, url, method, headers, body)
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await stream.aclose()


@functools.lru_cache(maxsize=1)
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:
    """What certificates are verified with, read once: the system's authorities, or those of the variables
    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, which OpenSSL reads itself."""
    return ssl.create_default_context()


async def _addresses(url: Url, allow_private: bool) -> list[str]:
    """The addresses behind the URL's host that may be used. Raises NotDelivered if there are none."""
    known = literal(url.host)
    if known is not None:
        found = [str(known)]
    else:
        infos = await anyio.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        found = list(dict.fromkeys(str(info[4][0]) for info in infos))
    objections = {address: objection(address, allow_private=allow_private) for address in found}
    allowed = [address for address in found if objections[address] is None]
    if not allowed:
        why = next((text for text in objections.values() if text), "the name has no address")
        help = "" if allow_private else "; allow_private = true is for receivers inside your own network"
        raise NotDelivered(f"{url.shown} is not sent to: {why}{help}")
    return allowed[:_MOST_ADDRESSES]


async def _connect(addresses: Sequence[str], port: int) -> SocketStream:
    """A connection to the first address that answers; each gets a head start before the next is tried too."""
    connected: list[SocketStream] = []
    refused: list[OSError] = []

    async def attempt(address: str, over: anyio.Event) -> None:
        try:
            stream = await anyio.connect_tcp(address, port)
        except OSError as error:
            refused.append(error)
            over.set()
            return
        if connected:
            await stream.aclose()
            return
        connected.append(stream)
        attempts.cancel_scope.cancel()

    async with anyio.create_task_group() as attempts:
        for address in addresses:
            over = anyio.Event()
            attempts.start_soon(attempt, address, over)
            with anyio.move_on_after(_HEAD_START):
                await over.wait()
    if connected:
        return connected[0]
    raise refused[0]


async def _talk(stream: ByteStream, url: Url, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    fields = {"Host": url.authority, "User-Agent": user_agent(), "Accept": "*/*", "Connection": "close"}
    fields |= {"Content-Length": str(len(body))}
    if url.authorization is not None:
        fields["Authorization"] = url.authorization
    given = {name.lower() for name in headers}
    fields = {name: value for name, value in fields.items() if name.lower() not in given} | {**headers}
    request = h11.Request(method=method, target=url.target, headers=list(fields.items()))
    sent = connection.send(request) or b""
    sent += connection.send(h11.Data(data=body)) or b""
    sent += connection.send(h11.EndOfMessage()) or b""
    # Refused before everything was read? The answer may say why.
    with suppress(anyio.BrokenResourceError):
        await stream.send(sent)
    return await _receive(stream, connection)


async def _receive(stream: ByteStream, connection: h11.Connection) -> Answer:
    event = await _next_event(stream, connection)
    while isinstance(event, h11.InformationalResponse):
        event = await _next_event(stream, connection)
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError("an answer was expected")
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
    body = bytearray()
    with anyio.move_on_after(_BODY_PATIENCE):
        try:
            while len(body) < LARGEST_ANSWER:
                part = await _next_event(stream, connection)
                if not isinstance(part, h11.Data):
                    break
                body += part.data
        except (anyio.BrokenResourceError, h11.RemoteProtocolError):
            pass  # the status has been heard; the rest would only have been for the error's text
    return Answer(event.status_code, headers, bytes(body[:LARGEST_ANSWER]))


async def _next_event(stream: ByteStream, connection: h11.Connection) -> object:
    while True:
        event = connection.next_event()
        if event is not h11.NEED_DATA:
            return event
        try:
            connection.receive_data(await stream.receive())
        except anyio.EndOfStream:
            connection.receive_data(b"")


def _why(error: OSError) -> str:
    cause = error.__cause__
    if isinstance(cause, OSError):
        error = cause
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)  # event loops put the address in the place of the reason
    return error.strerror or type(error).__name__
