"""Servers that are none: what speaks just enough of the protocol to be asked, and what says nothing."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Talk = Callable[[socket.socket], None]


def silent(client: socket.socket) -> None:
    """Take whatever comes, and answer nothing, as a server that stands still does."""
    while client.recv(4096):
        pass


def without_tls(client: socket.socket) -> None:
    """Refuse TLS, and hang up."""
    client.recv(8)
    client.sendall(b"N")


def with_tls(client: socket.socket) -> None:
    """Agree to TLS, and say no more."""
    client.recv(8)
    client.sendall(b"S")
    silent(client)


def of_version(version: str) -> Talk:
    """Let everybody in, as a server of *version* does; it answers no question."""

    def talk(client: socket.socket) -> None:
        while True:
            length, code = struct.unpack("!II", client.recv(8))
            if length > 8:
                client.recv(length - 8)
            if code == 196608:
                break
            client.sendall(b"N")  # neither TLS nor GSS
        client.sendall(_message(b"R", struct.pack("!I", 0)))
        for name, value in (("server_version", version), ("server_encoding", "UTF8")):
            client.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
        client.sendall(_message(b"K", struct.pack("!II", 1, 1)) + _message(b"Z", b"I"))
        silent(client)

    return talk


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


@contextmanager
def serving(talk: Talk) -> Iterator[str]:
    """The address of a server that does *talk* with each of its clients."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # it was closed
                while True:
                    client, _ = listening.accept()
                    threading.Thread(target=meet, args=(client,), daemon=True).start()

        def meet(client: socket.socket) -> None:
            with client, suppress(OSError, struct.error):  # clients go when they like
                talk(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"postgresql://app:hunter2hunter2@127.0.0.1:{listening.getsockname()[1]}/shop"
