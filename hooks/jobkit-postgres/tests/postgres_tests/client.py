"""The programs that come with a server, as somebody uses them who types: `psql`, `pg_dump`."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from postgres_tests.server import Server
from psycopg.conninfo import conninfo_to_dict


def shell(server: Server) -> dict[str, str]:
    """The environment of a shell in which the programs of the wheel reach *server* by themselves."""
    address = {name: str(value) for name, value in conninfo_to_dict(server.url).items()}
    return {
        "PATH": f"{server._wheel.bin_path}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": address["host"],
        "PGPORT": address["port"],
        "PGUSER": address["user"],
    }


def rows(server: Server, statement: str) -> list[tuple[Any, ...]]:
    """What the superuser is answered."""
    with psycopg.connect(server.url) as connection:
        return connection.execute(statement.encode()).fetchall()
