"""What people are told of a server by `jobkit doctor` and `jobkit db status`; nothing is changed for it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from jobkit.plugin.stores import Remark
from jobkit_postgres.connection import OLDEST, Address, AsyncLink, deadline
from jobkit_postgres.errors import translated
from jobkit_postgres.refused import refusal, said_by

_LIMIT: Final = 10.0
"""Seconds in which the server answers all questions, or is taken for one that stands still."""

_HEARD_WITHIN: Final = 3.0

_EACH_SECOND: Final = "what others do is found by looking every second"

_SERVER: Final = """
SELECT pg_is_in_recovery(), current_setting('server_version'), current_setting('fsync') = 'on',
    current_setting('synchronous_commit') <> 'off', current_setting('transaction_read_only')::boolean
"""

# What is reserved cannot be had by us; a setting that an older server does not know is nothing.
_CONNECTIONS: Final = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    CASE WHEN rolconnlimit < 0 THEN NULL ELSE rolconnlimit END,
    CASE WHEN datconnlimit < 0 THEN NULL ELSE datconnlimit END,
    (SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_backend_pid())
FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""

_RIGHTS: Final = """
SELECT current_user, current_database(), has_database_privilege(current_database(), 'CREATE'),
    (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = %(schema)s),
    (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %(schema)s),
    (
        SELECT bool_and(
            has_table_privilege(pg_class.oid, 'SELECT') AND has_table_privilege(pg_class.oid, 'INSERT')
            AND has_table_privilege(pg_class.oid, 'UPDATE') AND has_table_privilege(pg_class.oid, 'DELETE')
        )
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = %(schema)s AND relkind = 'r' AND relname <> 'migrations'
    ),
    current_setting('transaction_read_only')::boolean
"""


@dataclass(frozen=True, slots=True)
class Listening:
    """Whether the store listens, and where, if that is another address."""

    wanted: bool
    direct: Address | None


@dataclass(frozen=True, slots=True)
class Demand:
    """How many connections one process that serves may take, for the store and for its jobs."""

    store: int
    jobs: int

    @property
    def most(self) -> int:
        """In all: one more renews leases, one listens."""
        return self.store + 2 + self.jobs

    @property
    def formula(self) -> str:
        """As people add it up."""
        jobs = f" + jobs_pool_size {self.jobs}" if self.jobs else ""
        return f"pool_size {self.store} + 2{jobs}"


async def look_around(
    address: Address, listening: Listening, demand: Demand, schema: str
) -> Sequence[Remark]:
    """What there is to say of the server at *address*. StoreError if it cannot be reached."""
    try:
        connection = await address.connect()
        try:
            with deadline(connection, _LIMIT):
                return [
                    *await _server(connection),
                    await _waking(connection, address, listening),
                    await _connections(connection, demand),
                    *await _rights(connection, schema),
                ]
        finally:
            await connection.close()
    except psycopg.Error as error:
        raise translated(error, address.shown, connecting=True) from error


async def _server(connection: AsyncLink) -> list[Remark]:
    [(standby, version, flushes, waits, only_reads)] = await (await connection.execute(_SERVER)).fetchall()
    encoding = connection.info.parameter_status("server_encoding")
    remarks = [Remark("server", f"PostgreSQL {version}, {encoding}; {OLDEST} and newer are supported")]
    if standby or only_reads:
        remarks.append(_only_reads(standby=standby))
    lax = [name for name, strict in (("fsync", flushes), ("synchronous_commit", waits)) if not strict]
    if lax:
        remarks.append(
            Remark(
                "server",
                f"{' and '.join(lax)} off: if it crashes it forgets runs that it said it has recorded",
                "warning",
                f"set {' and '.join(lax)} to on in its postgresql.conf, or where else it was turned off",
            )
        )
    return remarks


def _only_reads(*, standby: bool) -> Remark:
    why = "it is a standby" if standby else "default_transaction_read_only is on"
    return Remark(
        "server",
        f"{why}: runs can be read there, and nothing can run",
        "error",
        "name the primary in [scheduler] store, or all hosts and target_session_attrs=read-write"
        if standby
        else "set it to off for the server, the database and the role; or name all hosts and"
        " target_session_attrs=read-write in [scheduler] store",
    )


# -- waking -------------------------------------------------------------------------------------------


async def _waking(connection: AsyncLink, address: Address, listening: Listening) -> Remark:
    if not listening.wanted:
        return Remark("waking", f"no LISTEN, as [plugins.postgres] listen says: {_EACH_SECOND}")
    heard_at = listening.direct or address
    setting = " ([plugins.postgres] direct_url)" if listening.direct else ""
    try:
        trouble = await _deaf(connection, heard_at)
    except psycopg.Error as error:
        why = refusal(error, "that address", "[plugins.postgres] direct_url")
        said = why.message if why is not None else said_by(error)
        trouble = f"cannot LISTEN over {heard_at.shown}{setting}: {said}"
    if trouble is None:
        return Remark("waking", f"LISTEN over {heard_at.shown}{setting}: what others do is known at once")
    return Remark(
        "waking",
        f"{trouble}; {_EACH_SECOND}",
        "warning",
        "name the server itself, past any pooler, in [plugins.postgres] direct_url, or say listen = false",
    )


async def _deaf(connection: AsyncLink, address: Address) -> str | None:
    """Why nothing is heard at *address* of what is said on *connection*; None if it is."""
    ears = await address.connect()
    try:
        with deadline(ears, _LIMIT):
            [(process,)] = await (await ears.execute("SELECT pg_backend_pid()")).fetchall()
            if process != ears.info.backend_pid:
                return f"a pooler stands at {address.shown}, through which nobody can LISTEN"
            channel = f"jobkit:doctor:{secrets.token_hex(8)}"
            await ears.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            await connection.execute("SELECT pg_notify(%s, '')", (channel,))
            async for _ in ears.notifies(timeout=_HEARD_WITHIN, stop_after=1):
                return None
        return f"LISTEN over {address.shown} hears nothing: it leads to another server or database"
    finally:
        await ears.close()


# -- connections and rights ---------------------------------------------------------------------------


async def _connections(connection: AsyncLink, demand: Demand) -> Remark:
    [(server, role, database, used)] = await (await connection.execute(_CONNECTIONS)).fetchall()
    limits = (
        (server, "raise max_connections of the server"),
        (role, "raise the role's limit by ALTER ROLE … CONNECTION LIMIT"),
        (database, "raise the database's limit by ALTER DATABASE … CONNECTION LIMIT"),
    )
    limit, mend = min((each for each in limits if each[0] is not None), key=lambda each: each[0])
    said = (
        f"a process that serves takes at most {demand.most} ({demand.formula});"
        f" {used} of {limit} that this role can have are in use"
    )
    if limit - used >= demand.most:
        return Remark("connections", said)
    return Remark(
        "connections",
        f"{said}, too few for another process",
        "warning",
        f"{mend}, or lower pool_size and jobs_pool_size in [plugins.postgres]",
    )


async def _rights(connection: AsyncLink, schema: str) -> list[Remark]:
    cursor = await connection.execute(_RIGHTS, {"schema": schema})
    [(role, database, makes_schemas, makes_tables, owner, writes, only_reads)] = await cursor.fetchall()
    user, place, space = (sql.Identifier(name).as_string() for name in (role, database, schema))
    if writes is None and not (makes_schemas if makes_tables is None else makes_tables):
        help = f"let an owner of the database say `CREATE SCHEMA {space} AUTHORIZATION {user}`"
        if owner is not None:
            help = (
                f"upgrade as the owner of the schema, {sql.Identifier(owner).as_string()}:"
                " `jobkit db upgrade` with that role's URL; or, where one role is to do all,"
                f" let it say `GRANT CREATE, USAGE ON SCHEMA {space} TO {user}`"
            )
        return [Remark("rights", f"{user} may not make the tables in {place}", "error", help)]
    if writes is False:
        return [
            Remark(
                "rights",
                f"{user} may not write to all tables in {space}: history can be read, nothing can run",
                "warning",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {space} TO {user},"
                " if this role is to run jobs",
            )
        ]
    may = "has the right to" if only_reads else "may"
    return [Remark("rights", f"{user} {may} {'write to' if writes else 'make'} the tables in {space}")]
