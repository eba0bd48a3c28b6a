"""Connections to a server: how they are made, and how one that hangs is given up."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import psycopg
from psycopg import AsyncConnection, Connection, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from jobkit.plugin.stores import StoreError

OLDEST: Final = 15
"""The oldest major version of PostgreSQL that the store runs on."""

Row = tuple[Any, ...]
AsyncLink = AsyncConnection[Row]
Link = Connection[Row]

_CUT: Final = re.compile(r"\w+://(?:[^@/?]*/[^?]*@|[^?]*@[^?]*@)")
"""An address whose user or password contains a / or an @ that is written as such."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_OTHER_NAMES: Final = ("ssl", "requiressl")
_COMMON: Final = "sslmode, connect_timeout and target_session_attrs"

# What the address does not say itself. A peer that vanished is noticed within half a minute, by the kernel.
_DEFAULTS: Final[dict[str, str]] = {
    "application_name": "jobkit",
    "client_encoding": "utf8",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is: *conninfo* for libpq; *shown* for people, without its password; *setting* says
    it."""

    conninfo: str
    shown: str
    setting: str = "[scheduler] store"

    @classmethod
    def parse(cls, url: str, setting: str = "[scheduler] store") -> Address:
        """StoreError for what libpq cannot read; of *url* it shows the name of a setting at most."""
        try:
            given = {name: value for name, value in conninfo_to_dict(url).items() if value is not None}
        except psycopg.ProgrammingError:
            # Its text repeats the address, and with it the password; so does the chain of errors.
            raise _unknown_setting(url) or _not_an_address("is not one of PostgreSQL's") from None
        ports = str(given.get("port") or "").split(",")
        if _CUT.match(url) or not all(port == "" or port.isdecimal() for port in ports):
            # libpq takes parts of the password for host, port or database then, and those are shown.
            raise _not_an_address("has a / before its @, more than one @, or a port that is no number")
        return cls(make_conninfo("", **{**_DEFAULTS, **given}), _shown(given), setting)

    async def connect(self) -> AsyncLink:
        """A connection of its own. Raises what psycopg does."""
        return await AsyncConnection.connect(self.conninfo, **settings())

    def connect_here(self, seconds: int) -> Link:
        """The same for threads; blocks, for so many seconds at most with each host."""
        return Connection.connect(self.conninfo, connect_timeout=seconds, **settings())


def _unknown_setting(url: str) -> StoreError | None:
    """The error for a name behind the question mark that libpq does not know, if that is what is wrong."""
    query = url.partition("?")[2]
    if "@" in query:  # then it is part of a password
        return None
    known = sorted(option.keyword.decode() for option in pq.Conninfo.get_defaults())
    for name in (unquote(pair.partition("=")[0]) for pair in query.split("&")):
        if _NAME.fullmatch(name) and name not in (*known, *_OTHER_NAMES):
            close = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"it has, for example, {_COMMON}"
            return StoreError(
                f"the address of the database has a setting `{name}` that PostgreSQL does not know",
                code="JK604",
                help=hint,
            )
    return None


def _not_an_address(why: str) -> StoreError:
    return StoreError(
        f"the address of the database {why}",
        code="JK604",
        help="write something like postgresql://app@db.example:5432/shop;"
        " characters such as @ and / in a user or a password are written %40 and %2F",
    )


def settings() -> dict[str, Any]:
    """How all connections are used: transactions are begun in so many words, and nothing is prepared, because
    behind a pooler the next transaction may meet another server process."""
    return {"autocommit": True, "prepare_threshold": None}


def _shown(given: dict[str, Any]) -> str:
    place = str(given.get("host") or given.get("hostaddr") or "")
    # Addresses of several hosts are as long as there are hosts; a socket's folder is a path.
    user = f"{given['user']}@" if given.get("user") else ""
    port = f":{given['port']}" if given.get("port") else ""
    name = given.get("dbname") or given.get("service") or ""
    if place.startswith(("/", "@")):
        return f"postgresql://{user}/{name}?host={place}"
    return f"postgresql://{user}{place}{port}/{name}"


# -- giving up ----------------------------------------------------------------------------------------


def sever(connection: AsyncLink | Link) -> None:
    """Cut the line, so that whoever waits for an answer gets an error instead. Never raises.

    A server that stands still answers neither a cancellation nor its own time limits.
    """
    with contextlib.suppress(OSError, psycopg.Error):
        line = socket.socket(fileno=os.dup(connection.fileno()))
        try:
            line.shutdown(socket.SHUT_RDWR)
        finally:
            line.close()


@contextlib.contextmanager
def deadline(connection: AsyncLink, seconds: float) -> Iterator[None]:
    """Sever *connection* after *seconds*, unless it is done by then."""
    timer = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def deadline_here(connection: Link, seconds: float) -> Iterator[None]:
    """The same for threads."""
    timer = threading.Timer(seconds, sever, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
