"""How processes on one database wake each other: a datagram socket beside it for each that waits.

A socket has a name in a folder beside the database, and whoever has written sends a byte to every name that
is there. What is sent means nothing. A name that nobody listens to any more is removed by whoever finds it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path
from typing import Final

import anyio

from jobkit.stores.refusals import not_open
from jobkit.stores.waking import POLL

_LONGEST: Final = 100
"""Bytes of a path that every system takes as the name of a socket."""


class Wakes:
    """The socket of one store object, made when it first waits; *folder* is shared with the others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._process = os.getpid()
        self._socket: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._directory: int | None = None
        self._deaf = False
        self._closed = False
        self._heard = 0
        self._news: anyio.Event | None = None

    async def wait(self, seconds: float) -> bool:
        """Until somebody has sent something; see :meth:`jobkit.stores.waking.WakingStore.wait`."""
        listening = self._listen()
        if listening is None:
            await anyio.sleep(max(0.0, min(seconds, POLL)))
            return seconds > POLL
        if _drain(listening):
            await anyio.lowlevel.checkpoint()
            return True
        heard = self._heard
        with anyio.move_on_after(max(0.0, seconds)):
            while self._heard == heard:
                # Only one task at a time may ask the loop about a socket; it tells the others.
                if self._news is None:
                    await self._hear(listening)
                else:
                    await self._news.wait()
        return self._heard != heard

    async def _hear(self, listening: socket.socket) -> None:
        """Until something was sent. Whoever waits for the news then goes on, or listens in its turn."""
        self._news = news = anyio.Event()
        try:
            await anyio.wait_readable(listening)
            _drain(listening)
            self._heard += 1
        except anyio.ClosedResourceError:
            raise not_open() from None
        finally:
            self._news = None
            news.set()

    def send(self) -> None:
        """Wake all others who wait. Never raises: a lost hint costs nothing but time."""
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return  # nobody has ever waited here
        for name in names:
            if name != self._name:
                self._send_to(name)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        self._closed = True
        if self._socket is not None and os.getpid() == self._process:
            # On a loop that has ended there is nobody left to be told.
            with contextlib.suppress(RuntimeError):
                anyio.notify_closing(self._socket)
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
            with contextlib.suppress(OSError):
                self._folder.rmdir()  # the last one takes the folder along
        for one in (self._socket, self._sender):
            if one is not None:
                one.close()
        if self._directory is not None:
            os.close(self._directory)
        self._socket = self._sender = self._directory = None

    # -- names ----------------------------------------------------------------------------------

    def _listen(self) -> socket.socket | None:
        """The socket that the others send to; None where there can be none."""
        if self._closed:
            raise not_open()
        if self._socket is not None or self._deaf:
            return self._socket
        made = None
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            made.setblocking(False)
            made.bind(self._address(self._name))
        except (OSError, AttributeError):  # no such sockets (Windows), or not here (some mounts)
            if made is not None:
                made.close()
            self._deaf = True
            return None
        self._socket = made
        return made

    def _address(self, name: str) -> str:
        """The path of a socket, short enough to be one. OSError if there is none."""
        path = str(self._folder / name)
        if len(os.fsencode(path)) <= _LONGEST:
            return path
        if self._directory is None:
            self._directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._directory}/{name}"

    def _send_to(self, name: str) -> None:
        try:
            if self._sender is None:
                self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._sender.setblocking(False)
            self._sender.sendto(b"1", self._address(name))
        except ConnectionRefusedError:
            # Left by a process that was killed: nobody will ever listen there again.
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
        except (OSError, AttributeError):
            return  # full, so it is awake; or gone just now; or of another user


def _drain(listening: socket.socket) -> bool:
    """Take all that was sent; whether there was anything."""
    found = False
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.recv(16)
            found = True
    return found
