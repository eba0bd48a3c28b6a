"""Requests, to a real server: resolved, judged, connected, answered, in time."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from jobkit_notify.answers import NotDelivered
from jobkit_notify.http import LARGEST_ANSWER, send
from jobkit_notify.urls import Url
from notify_tests.receiver import Receiver, Reply, serving

CERTIFICATE = Path(__file__).with_name("localhost.pem")  # for tests: its key is beside it


class Names:
    """What names resolve to, in the place of the system's resolver; *asked* counts the questions."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = [*answers]
        self.asked = 0

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        """One answer after another; the last for ever."""
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Names:
    """Let every name resolve to *answers*."""
    names = Names(*answers)
    monkeypatch.setattr("jobkit_notify.http.anyio.getaddrinfo", names.getaddrinfo)
    return names


async def refused(url: str, **more: Any) -> str:
    """Why a request to *url* was not delivered."""
    with pytest.raises(NotDelivered) as error:
        await send(Url.parse(url), **more)
    return str(error.value)


# -- what is sent and what comes back -----------------------------------------------------------------


async def test_a_request_arrives_whole(receiver: Receiver) -> None:
    """Method, path and query, body, length, host, our name, further headers."""
    answer = await send(
        Url.parse(f"{receiver.url}/a?b=c"), body=b"x" * 100_000, headers={"X-Team": "ops"}, allow_private=True
    )
    [request] = receiver.received
    assert (request.method, request.target, request.body) == ("POST", "/a?b=c", b"x" * 100_000)
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["x-team"] == "ops"
    assert request.headers["user-agent"].startswith("jobkit-notify")
    assert answer.ok


async def test_a_header_is_sent_once(receiver: Receiver) -> None:
    """What the caller says stands in the place of what the URL says, however it is written."""
    url = Url.parse(f"http://user:password@127.0.0.1:{receiver.port}/")
    await send(url, allow_private=True)
    await send(url, headers={"authorization": "Bearer x", "USER-AGENT": "other"}, allow_private=True)
    assert receiver.received[0].headers["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="
    assert receiver.received[1].headers["authorization"] == "Bearer x"
    assert receiver.received[1].headers["user-agent"] == "other"


async def test_an_answer_is_read(receiver: Receiver) -> None:
    """Status, headers in lower case, body up to a limit."""
    receiver.usual = Reply(503, {"Retry-After": "7"}, b"y" * (LARGEST_ANSWER + 5))
    answer = await send(Url.parse(receiver.url), allow_private=True)
    assert (answer.status, answer.headers["retry-after"], answer.ok) == (503, "7", False)
    assert answer.body == b"y" * LARGEST_ANSWER


async def test_a_redirect_is_only_an_answer(receiver: Receiver) -> None:
    """Nobody sends us anywhere."""
    receiver.usual = Reply(302, {"Location": f"{receiver.url}/elsewhere"})
    answer = await send(Url.parse(f"{receiver.url}/here"), allow_private=True)
    assert answer.status == 302
    assert receiver.targets == ["/here"]


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would resolve the name again, where nobody looks at the address."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await send(Url.parse(receiver.url), allow_private=True)).ok


# -- where it goes ------------------------------------------------------------------------------------


async def test_a_private_address_is_not_connected_to(receiver: Receiver) -> None:
    """Unless somebody said so."""
    assert "allow_private" in await refused(receiver.url)
    assert not receiver.received


async def test_a_name_that_leads_inside_is_not_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is public, the address is not."""
    resolving(monkeypatch, ["127.0.0.1"])
    assert "own address" in await refused(f"http://hooks.example.org:{receiver.port}/")
    assert not receiver.received


async def test_link_local_is_never_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even with allow_private: credentials of machines in clouds live there."""
    resolving(monkeypatch, ["169.254.169.254"])
    assert "link-local" in await refused("http://metadata.example.org/", allow_private=True)


async def test_what_was_judged_is_what_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere when it is asked for again is not asked for again."""
    names = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    await send(Url.parse(f"http://hooks.example.org:{receiver.port}/x"), allow_private=True)
    assert names.asked == 1
    [request] = receiver.received
    assert request.headers["host"] == f"hooks.example.org:{receiver.port}"


async def test_only_addresses_that_pass_are_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses the others are left out."""
    resolving(monkeypatch, ["169.254.169.254", "127.0.0.1"])
    answer = await send(Url.parse(f"http://hooks.example.org:{receiver.port}/"), allow_private=True)
    assert answer.ok


async def test_another_address_is_tried_if_the_first_does_not_answer(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is down does not take its twin with it."""
    resolving(monkeypatch, ["127.0.0.3", "127.0.0.1"])
    answer = await send(Url.parse(f"http://hooks.example.org:{receiver.port}/"), allow_private=True)
    assert answer.ok


async def test_a_name_that_nobody_knows() -> None:
    """The resolver's own words."""
    why = await refused("http://no-such-host.invalid/KEY")
    assert why.startswith("http://no-such-host.invalid cannot be reached: ")
    assert "KEY" not in why


# -- what goes wrong ----------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    """A closed port is told as what it is."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "refused" in (await refused(f"http://127.0.0.1:{port}/", allow_private=True)).lower()


async def test_the_time_is_limited(receiver: Receiver) -> None:
    """For everything together: whoever does not answer costs no more than the timeout."""
    receiver.hangs.set()
    why = await refused(f"{receiver.url}/KEY", allow_private=True, timeout=0.05)
    assert why == f"{receiver.url} did not answer within 0.05 s"


@pytest.fixture
def plain() -> Iterator[tuple[int, list[bytes]]]:
    """A server that sends what stands in the list to whoever connects, and hangs up."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"".join(said))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1], said
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200", b"SSH-2.0-OpenSSH\r\n\r\n", b"\x00" * 40 + b"\r\n\r\n"]
)
async def test_what_is_no_answer(said: bytes, plain: tuple[int, list[bytes]]) -> None:
    """Nothing, half of it, another protocol, noise."""
    port, words = plain
    words.append(said)
    assert "answer" in await refused(f"http://127.0.0.1:{port}/", allow_private=True, timeout=5)


async def test_endless_headers_are_not_read(plain: tuple[int, list[bytes]]) -> None:
    """A receiver cannot fill our memory."""
    port, words = plain
    words.append(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000)
    assert "answer" in await refused(f"http://127.0.0.1:{port}/", allow_private=True, timeout=5)


async def test_a_preliminary_answer_is_not_the_answer(plain: tuple[int, list[bytes]]) -> None:
    """1xx comes before what counts."""
    port, words = plain
    words.append(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    answer = await send(Url.parse(f"http://127.0.0.1:{port}/"), allow_private=True)
    assert answer.status == 204


async def test_a_body_that_breaks_off_changes_nothing(plain: tuple[int, list[bytes]]) -> None:
    """The status was heard: what was taken is not sent again."""
    port, words = plain
    words.append(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    answer = await send(Url.parse(f"http://127.0.0.1:{port}/"), allow_private=True)
    assert (answer.ok, answer.body) == (True, b"abc")


async def test_a_cancelled_request_ends(receiver: Receiver) -> None:
    """Whoever stops the sink does not wait for the receiver."""
    receiver.hangs.set()
    with anyio.move_on_after(0.05) as scope:
        await send(Url.parse(receiver.url), allow_private=True, timeout=60)
    assert scope.cancelled_caught


# -- TLS ----------------------------------------------------------------------------------------------


@pytest.fixture
def secured() -> Iterator[Receiver]:
    """The receiver behind a certificate that no authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with serving(Receiver(), context) as running:
        yield running


async def test_certificates_are_verified(secured: Receiver) -> None:
    """One that nobody vouches for is refused before anything is sent."""
    why = await refused(f"https://localhost:{secured.port}/KEY", allow_private=True)
    assert "no trusted connection" in why
    assert "self-signed" in why
    assert not secured.received


async def test_own_authorities_are_trusted_by_the_usual_variable(
    secured: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSL_CERT_FILE`` is for networks with their own authority; the name in the URL is what counts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert (await send(Url.parse(f"https://localhost:{secured.port}/"), allow_private=True)).ok
    assert (await send(Url.parse(f"https://127.0.0.1:{secured.port}/"), allow_private=True)).ok

    resolving(monkeypatch, ["127.0.0.1"])
    why = await refused(f"https://other.example.org:{secured.port}/", allow_private=True)
    assert "other.example.org" in why
    assert "no trusted connection" in why
