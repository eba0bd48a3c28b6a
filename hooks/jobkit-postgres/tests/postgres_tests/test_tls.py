"""The connection to the server is encrypted, and the server is who it says."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from jobkit_postgres.store import PostgresStore
from postgres_tests.kit import made
from postgres_tests.server import Server
from psycopg.conninfo import conninfo_to_dict

from jobkit.exceptions import StoreError
from jobkit.testing.conformance.kit import new_run, outcome, started

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="certificates are made with openssl"),
]

_ASKS_FOR_TLS, _ASKS_FOR_GSS = 80877103, 80877104


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that is its own authority, for the host *name*, and its key."""
    paths = folder / f"{name}.crt", folder / f"{name}.key"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*words, "-out", str(paths[0]), "-keyout", str(paths[1])], check=True, capture_output=True)
    return paths


class Front:
    """Speaks TLS before a server that does not, and nothing else."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        self._parameters = conninfo_to_dict(url)
        self._context = context
        self.encrypted = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        try:
            if await self._encrypt(reader, writer):
                await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, OSError):
            pass  # it has gone, as clients do
        finally:
            writer.close()

    async def _encrypt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        code = _ASKS_FOR_GSS
        while code == _ASKS_FOR_GSS:
            _, code = struct.unpack("!II", await reader.readexactly(8))
            writer.write(b"S" if code == _ASKS_FOR_TLS else b"N")
        if code != _ASKS_FOR_TLS:
            return False
        await writer.drain()
        await writer.start_tls(self._context)
        self.encrypted += 1
        return True

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self._parameters["host"], self._parameters["port"]
        answers, questions = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")

        async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                target.write(data)
                await target.drain()

        ways = [asyncio.create_task(way) for way in (carry(reader, questions), carry(answers, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            questions.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


@asynccontextmanager
async def encrypted(url: str, folder: Path) -> AsyncIterator[tuple[str, Front]]:
    """The address of a front, which its certificate is for, and the front."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder, "localhost"))
    front = Front(url, context)
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://postgres@localhost:{port}/postgres?sslmode=verify-full&sslrootcert=", front
    finally:
        server.close()


async def test_all_connections_are_encrypted(own_server: Server, tmp_path: Path) -> None:
    """Those of the pool, the one that renews and the one that listens, which hears as well as without."""
    await anyio.to_thread.run_sync(made, own_server, "jobkit")
    async with encrypted(own_server.url, tmp_path) as (url, front):
        trusting = url + str(tmp_path / "localhost.crt")
        one, other = (PostgresStore(trusting, project="conformance") for _ in range(2))
        async with one, other:
            await one.wait(0)
            assert one.listening
            record, lease = await started(other)
            for _ in range(3):
                await other.add_run(new_run())
                with anyio.fail_after(20):
                    assert await one.wait(60) is True
            assert await anyio.to_thread.run_sync(other.renew, [lease]) == {record.id}
            assert (await other.finish(lease, outcome())) is not None
        assert front.encrypted >= 4, "two of a pool, one that renews, one that listens"


async def test_a_server_that_somebody_else_pretends_to_be(own_server: Server, tmp_path: Path) -> None:
    """Its certificate is another one's: nothing is sent to it, and the code says what to do."""
    async with encrypted(own_server.url, tmp_path) as (url, _):
        mistaken = url + str(certificate(tmp_path, "elsewhere")[0])
        with pytest.raises(StoreError) as caught:
            await PostgresStore(mistaken, project="conformance").__aenter__()
        assert caught.value.code == "JK627"
