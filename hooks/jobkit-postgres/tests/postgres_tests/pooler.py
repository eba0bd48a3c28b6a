"""A transaction pooler as strict as they come: each transaction may meet another server connection.

It speaks as much of the protocol as a pooler needs: a client is given a server connection with its first
message, and loses it when the server says that no transaction is open. Whatever outlives a transaction (a
prepared statement, a setting, LISTEN, a lock of the session) is then somebody else's.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

_PROTOCOL = 196608
#: The number of a server process, which there is none of, and a secret for cancelling what it does.
_KEY = b"K" + struct.pack("!III", 12, 2**31 - 1, 0)


class Line:
    """One connection to the server, which has let us in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting: list[bytes] = []
        self.transactions = 0


class Pooler:
    """*size* connections to the server of *url*, handed from client to client in turn."""

    def __init__(self, url: str, size: int) -> None:
        self._parameters = conninfo_to_dict(url)
        self._size = size
        self._free: deque[Line] = deque()
        self._some = asyncio.Condition()
        self.lines: list[Line] = []

    async def connect(self) -> None:
        """Connect to the server."""
        for _ in range(self._size):
            line = await self._line()
            self.lines.append(line)
            self._free.append(line)

    async def _line(self) -> Line:
        host, port = str(self._parameters["host"]), str(self._parameters["port"])
        reader, writer = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        words = f"user\0{self._parameters['user']}\0database\0{self._parameters['dbname']}\0\0".encode()
        writer.write(struct.pack("!II", 8 + len(words), _PROTOCOL) + words)
        line = Line(reader, writer)
        while True:
            kind, message = await _message(reader)
            line.greeting.append(message)
            if kind == b"Z":
                return line

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        try:
            if await self._greet(reader, writer):
                await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has gone, as clients do
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            length, code = struct.unpack("!II", await reader.readexactly(8))
            await reader.readexactly(length - 8)
            if code == _PROTOCOL:
                break
            if code == 80877102:  # to cancel a statement: whose, nobody can say
                return False
            writer.write(b"N")  # neither TLS nor GSS
        for message in self.lines[0].greeting:
            # A client must not know the key of a line that is somebody else's next.
            writer.write(_KEY if message[:1] == b"K" else message)
        return True

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, message = await _message(reader)
            if kind == b"X":
                return
            line = await self._take()
            try:
                await self._transaction(line, reader, writer, message)
            except (asyncio.IncompleteReadError, ConnectionError):
                await self._clean(line)
                raise
            finally:
                await self._give_back(line)

    async def _transaction(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
    ) -> None:
        """Pass messages on until the server says that no transaction is open."""
        line.transactions += 1
        while True:
            line.writer.write(message)
            # What belongs together ends with Sync, or is a simple query: then the server answers.
            while message[:1] not in b"QSX":
                _, message = await _message(reader)
                line.writer.write(message)
            while True:
                kind, answer = await _message(line.reader)
                if kind == b"A":
                    continue  # for whoever has listened on this line
                writer.write(answer)
                if kind == b"Z":
                    break
            await writer.drain()
            if answer[5:6] == b"I":
                return
            _, message = await _message(reader)

    async def _clean(self, line: Line) -> None:
        line.writer.write(b"Q" + struct.pack("!I", 13) + b"ROLLBACK\0")
        while (await _message(line.reader))[0] != b"Z":
            pass

    async def _take(self) -> Line:
        async with self._some:
            while not self._free:
                await self._some.wait()
            return self._free.popleft()

    async def _give_back(self, line: Line) -> None:
        async with self._some:
            self._free.append(line)
            self._some.notify()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


@asynccontextmanager
async def pooled(url: str, folder: Path, size: int = 3) -> AsyncIterator[tuple[str, Pooler]]:
    """The address of a pooler before the server of *url*, and the pooler."""
    pooler = Pooler(url, size)
    await pooler.connect()
    server = await asyncio.start_unix_server(pooler.serve, folder / ".s.PGSQL.6432")
    name = conninfo_to_dict(url)["dbname"]
    try:
        yield f"postgresql://pooled@/{name}?host={folder}&port=6432", pooler
    finally:
        server.close()
        for line in pooler.lines:
            line.writer.close()
