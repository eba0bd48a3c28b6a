"""Why a server gives no connection, and how that is mended.

libpq hands over its text, and the server's, without the code that the server sent: the words have to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import psycopg

from jobkit.plugin import escape_controls, redact, shorten


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was refused. *passes* is true where trying again later may help, without anything being mended."""

    message: str
    code: str
    help: str
    passes: bool = False


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    words: re.Pattern[str]
    states: tuple[str, ...]
    message: str
    help: str
    passes: bool = False


def _rule(
    code: str, words: str, message: str, help: str, *, states: tuple[str, ...] = (), passes: bool = False
) -> _Rule:
    return _Rule(code, re.compile(words), states, message, help, passes)


ONLY_READS: Final = "the server of {name} can only be read now: it is a standby, or set to read-only"
READ_WRITE: Final = (
    "name all hosts and target_session_attrs=read-write in {setting}; if there is only this one, look at"
    " default_transaction_read_only of the server, the database and the role"
)

#: The first that fits is taken.
_RULES: Final = (
    _rule(
        "JK604",
        r"connection is bad: invalid|invalid integer value|definition of service .* not found"
        r"|service file .* not found|bad value for connect_timeout|missing \"=\" after",
        "the address of {name} cannot be used: {said}",
        "look at its settings in {setting}, and at the ones that libpq takes from PG… variables",
    ),
    _rule(
        "JK622",
        r"no password supplied|empty password returned",
        "the server of {name} does not let us in: {said}",
        "write user and password into {setting}, as ${{DATABASE_URL}}, or set PGPASSFILE",
    ),
    _rule(
        "JK622",
        r"no pg_hba\.conf entry.*(no encryption|SSL off)",
        "the server of {name} does not let us in: {said}",
        "look at user and sslmode in {setting}, and at the server's pg_hba.conf: it may want TLS of all",
    ),
    _rule(
        "JK622",
        r"authentication failed|no pg_hba\.conf entry|pg_hba\.conf rejects|not permitted to log in"
        r"|role \".*\" does not exist",
        "the server of {name} does not let us in: {said}",
        "look at the user and the password in {setting}, and at the server's pg_hba.conf",
        states=("28P01", "28000"),
    ),
    _rule(
        "JK623",
        r"database \".*\" does not exist",
        "there is no such database on the server of {name}: {said}",
        "make it with `createdb`, or name another one in {setting}",
        states=("3D000",),
    ),
    _rule(
        "JK625",
        r"permission denied for database",
        "the role has no right to use {name}: {said}",
        "let an owner say GRANT CONNECT ON DATABASE … TO the role, or name another one in {setting}",
        states=("42501",),
    ),
    _rule(
        "JK628",
        r"too many connections for (role|database)",
        "the server of {name} has no connection left: {said}",
        "raise the limit of what it names by ALTER ROLE … or ALTER DATABASE … CONNECTION LIMIT, or lower"
        " pool_size and jobs_pool_size in [plugins.postgres]; max_connections is not the cause",
        passes=True,
    ),
    _rule(
        "JK628",
        r"too many clients|too many connections|remaining connection slots|no more connections allowed"
        r"|query_wait_timeout",
        "the server of {name} has no connection left: {said}",
        "raise its max_connections, or lower pool_size and jobs_pool_size in [plugins.postgres]:"
        " `jobkit doctor` counts both",
        states=("53300",),
        passes=True,
    ),
    _rule(
        "JK627",
        r"does not support SSL|SSL error|certificate|private key|requires .*SSL|sslmode|SSL required",
        "no TLS with the server of {name} as its address wants it: {said}",
        "look at sslmode and sslrootcert in {setting}, and at `ssl` in the server's postgresql.conf",
    ),
    _rule(
        "JK629",
        r"session is read-only|server is in hot standby mode",
        f"{ONLY_READS} ({{said}})",
        READ_WRITE,
        passes=True,
    ),
    _rule(
        "JK602",
        r"failed to resolve host|could not translate host name",
        "the host of {name} is not known here: {said}",
        "look at its name in {setting}, and at this host's DNS",
        passes=True,
    ),
)


def refusal(error: psycopg.Error, name: str, setting: str) -> Refusal | None:
    """Why there is no connection to *name*, a database in words, which *setting* leads to; None if *error*
    is of another kind."""
    text, state = str(error), error.sqlstate or ""
    for rule in _RULES:
        if state in rule.states or rule.words.search(text):
            said = said_by(error)
            return Refusal(
                rule.message.format(name=name, said=said),
                rule.code,
                rule.help.format(setting=setting),
                rule.passes,
            )
    return None


_STATEMENT: Final = re.compile(r"^LINE \d+:.*\n?(?:\s*\^\s*$)?", re.MULTILINE)
"""The line of the statement in which PostgreSQL has seen it, and the mark below: ours, no news to people."""

_LEADS: Final = ("connection failed: ", "connection is bad: ")
"""What psycopg puts before the words of libpq."""


def said_by(error: psycopg.Error) -> str:
    """The words of *error* in one line, for people; bounded, and without what looks like a password."""
    lines = [line.strip() for line in _STATEMENT.sub("", str(error)).splitlines() if line.strip()]
    said = "; ".join(lines) or type(error).__name__
    for lead in _LEADS:
        said = said.removeprefix(lead)
    return shorten(escape_controls(redact(said)), 300)
