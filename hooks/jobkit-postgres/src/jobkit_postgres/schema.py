"""The tables of a store: made whole, brought up to date, and known before they are trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from jobkit.plugin.stores import (
    Applied,
    Migration,
    Migrations,
    SchemaStatus,
    StoreError,
    clean_text,
    other_project,
)
from jobkit_postgres.connection import OLDEST, Address, AsyncLink
from jobkit_postgres.errors import no_writes, translated
from jobkit_postgres.refused import said_by
from jobkit_postgres.shape import missing
from jobkit_postgres.transaction import LOCK, qualified

_LOCK_LIMIT: Final = 30.0
_LIMITS: Final = f"SET LOCAL lock_timeout = {int(_LOCK_LIMIT * 1000)}; SET LOCAL statement_timeout = 0"

_REMEMBERED: Final = """
CREATE TABLE jobkit.migrations (
    number     bigint PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""


def known() -> tuple[Migration, ...]:
    """The migrations that this version ships."""
    return Migrations.of(Path(__file__).parent / "migrations").steps


class Tables:
    """The tables of *project* in *schema* of the database at *address*."""

    def __init__(self, address: Address, schema: str, project: str) -> None:
        self._address = address
        self._schema = schema
        self._project = clean_text(project)
        self._name = f"the run store {address.shown}"

    async def status(self) -> SchemaStatus:
        """Where they stand; a database without them lacks everything. Changes nothing."""
        connection = await self._connect()
        try:
            rest = await self._lacking(connection)
            await self._check_whole(connection, rest)
            return await self._status(connection, rest)
        except psycopg.Error as error:
            raise translated(error, self._address.shown) from error
        finally:
            await connection.close()

    async def check(self, *, read_only: bool) -> None:
        """StoreError unless everything is as it should be: server, tables, rights, project."""
        connection = await self._connect()
        try:
            rest = await self._lacking(connection)
            missed = [step for step in rest if step.needed_to_read or not read_only]
            if missed:
                raise self._lacks(missed[0])
            await self._check_rights(connection, read_only=read_only)
            await self._check_whole(connection, rest)
            if not read_only:
                await self._check_writable(connection)
        except psycopg.Error as error:
            raise translated(error, self._address.shown) from error
        finally:
            await connection.close()

    async def upgrade(self) -> SchemaStatus:
        """Apply what is lacking, each step whole or not at all; safe from several processes at once."""
        connection = await self._connect()
        try:
            while await self._step(connection):
                pass
            await self._check_whole(connection, ())
            return await self._status(connection, ())
        except psycopg.Error as error:
            raise translated(error, self._address.shown, lock_limit=_LOCK_LIMIT) from error
        finally:
            await connection.close()

    # -- steps ----------------------------------------------------------------------------------

    async def _step(self, connection: AsyncLink) -> bool:
        """Apply the first migration that is lacking; False if none is."""
        async with connection.transaction():
            await connection.execute(_LIMITS)
            await connection.execute(LOCK, (f"{self._schema}/migrations",))
            # Asked again under the lock: another process may have been faster.
            rest = await self._lacking(connection)
            if not rest:
                await self._check_project(connection)
                return False
            if rest[0].number == 1:
                await self._begin(connection)
            else:
                await self._check_project(connection)
            await self._apply(connection, rest[0])
            if rest[0].number == 1:
                await connection.execute(
                    self._sql("INSERT INTO jobkit.project (name) VALUES (%s)"), (self._project,)
                )
        return True

    async def _begin(self, connection: AsyncLink) -> None:
        cursor = await connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self._schema,))
        # A role that may not make schemas can have been given one.
        if await cursor.fetchone() is None:
            await self._make_schema(connection)
        if not await self._there(connection):
            await connection.execute(self._sql(_REMEMBERED))

    async def _make_schema(self, connection: AsyncLink) -> None:
        name, role = (sql.Identifier(text) for text in (self._schema, connection.info.user))
        try:
            await connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        except psycopg.errors.InsufficientPrivilege as error:
            words = sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, role).as_string()
            raise StoreError(
                f"the role may not make a schema for {self._name}: {said_by(error)}",
                code="JK625",
                help=f"let an owner of the database say `{words}`; then `jobkit db upgrade` makes the tables",
            ) from error

    async def _apply(self, connection: AsyncLink, migration: Migration) -> None:
        try:
            await connection.execute(self._sql(migration.sql))
        except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateFunction) as error:
            raise StoreError(
                f"{self._name} has half of migration {migration.name}: {error}",
                code="JK608",
                help="nothing was changed; put a backup in its place, or give jobkit a schema of its own",
            ) from error
        await connection.execute(
            self._sql("INSERT INTO jobkit.migrations (number, name, checksum) VALUES (%s, %s, %s)"),
            (migration.number, migration.name, migration.checksum),
        )

    # -- looking --------------------------------------------------------------------------------

    async def _lacking(self, connection: AsyncLink) -> tuple[Migration, ...]:
        applied: list[Applied] = []
        if await self._there(connection):
            cursor = await connection.execute(
                self._sql("SELECT number, name, checksum FROM jobkit.migrations ORDER BY number")
            )
            applied = [Applied(*row) for row in await cursor.fetchall()]
        return Migrations(known()).pending(applied, store=self._name)

    async def _there(self, connection: AsyncLink) -> bool:
        cursor = await connection.execute(
            "SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE nspname = %s AND relname = 'migrations'",
            (self._schema,),
        )
        return await cursor.fetchone() is not None

    async def _check_project(self, connection: AsyncLink) -> None:
        row = await (await connection.execute(self._sql("SELECT name FROM jobkit.project"))).fetchone()
        owner = "" if row is None else row[0]
        if owner != self._project:
            raise other_project(
                f"{self._address.shown} (schema {self._schema})",
                owner,
                self._project,
                place="[plugins.postgres] schema, or in another database",
            )

    async def _check_whole(self, connection: AsyncLink, rest: tuple[Migration, ...]) -> None:
        """Whether all that was applied, *rest* was not, is still there, and is this project's."""
        steps = known()
        applied = steps[: len(steps) - len(rest)]
        if not applied:
            return
        if lost := await missing(connection, self._schema, applied):
            more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
            raise StoreError(
                f"the tables of {self._name} are not whole: the schema {self._schema} lacks"
                f" {', '.join(lost[:4])}{more}",
                code="JK608",
                help="somebody changed its tables by hand: put a backup in its place",
            )
        await self._check_project(connection)

    async def _check_writable(self, connection: AsyncLink) -> None:
        cursor = await connection.execute("SELECT current_setting('transaction_read_only')::boolean")
        if await cursor.fetchone() == (True,):
            raise no_writes(self._address.shown)

    def _lacks(self, step: Migration) -> StoreError:
        what = f"lacks migration {step.name}" if step.number > 1 else "has no tables yet"
        return StoreError(
            f"{self._name} {what} in the schema {self._schema}",
            code="JK609",
            help="run `jobkit db upgrade`: tables on a server are changed when you say so;"
            " if they are in another schema, name it in [plugins.postgres] schema",
        )

    async def _check_rights(self, connection: AsyncLink, *, read_only: bool) -> None:
        """An owner may lock and delete; a role that was granted half is told of it now, not at night."""
        wanted = "SELECT" if read_only else "SELECT, INSERT, UPDATE, DELETE"
        cursor = await connection.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
            " WHERE nspname = %s AND relkind = 'r' AND NOT ("
            + " AND ".join(f"has_table_privilege(pg_class.oid, '{right}')" for right in wanted.split(", "))
            + ") ORDER BY relname",
            (self._schema,),
        )
        missing = [name for (name,) in await cursor.fetchall() if name != "migrations"]
        if missing:
            names = (self._schema, connection.info.user)
            schema, role = (sql.Identifier(name).as_string() for name in names)
            more = f" and {len(missing) - 2} more" if len(missing) > 2 else ""
            raise StoreError(
                f"{role} has not all rights on the tables {', '.join(missing[:2])}{more} of {self._name}",
                code="JK625",
                help=f"let their owner say `GRANT {wanted} ON ALL TABLES IN SCHEMA {schema} TO {role}`",
            )

    async def _status(self, connection: AsyncLink, rest: tuple[Migration, ...]) -> SchemaStatus:
        steps = known()
        applied = steps[: len(steps) - len(rest)]
        details: dict[str, Any] = {
            "schema": self._schema,
            "postgresql": connection.info.parameter_status("server_version"),
        }
        if applied:
            cursor = await connection.execute(
                "SELECT coalesce(sum(pg_total_relation_size(pg_class.oid)), 0)::bigint FROM pg_class"
                " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE nspname = %s AND relkind = 'r'",
                (self._schema,),
            )
            details["bytes"] = (await cursor.fetchall())[0][0]
        return SchemaStatus(
            tuple(step.name for step in applied), tuple(step.name for step in rest), details, by_hand=True
        )

    async def _connect(self) -> AsyncLink:
        try:
            connection = await self._address.connect()
        except psycopg.Error as error:
            address = self._address
            raise translated(error, address.shown, connecting=True, setting=address.setting) from error
        try:
            self._check_server(connection)
        except StoreError:
            await connection.close()
            raise
        return connection

    def _check_server(self, connection: AsyncLink) -> None:
        version = connection.info.server_version
        if version < OLDEST * 10_000:
            raise StoreError(
                f"the server of {self._name} is PostgreSQL {version // 10_000}, which is too old",
                code="JK624",
                help=f"jobkit runs on PostgreSQL {OLDEST} and newer",
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"the database of {self._name} keeps text as {encoding}, which has no room for every name",
                code="JK624",
                help="make a database with `createdb --encoding=UTF8 --template=template0`",
            )

    def _sql(self, statement: str) -> bytes:
        return qualified(statement, self._schema)
