"""What PostgreSQL says, in the words of the store."""

from __future__ import annotations

from typing import Final

import psycopg

from jobkit.plugin.stores import StoreError, StoreUnavailable
from jobkit_postgres.refused import ONLY_READS, READ_WRITE, refusal, said_by
from jobkit_postgres.transaction import LOCK_LIMIT

#: Another attempt of the same transaction may succeed at once.
_AGAIN: Final = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,  # two were about to write the same: the other's is found now
    psycopg.errors.ForeignKeyViolation,  # what it belongs to has been deleted meanwhile
)

#: Classes and codes that pass: the connection, resources, an operator's intervention, what waits for a lock.
_PASSING: Final = ("08", "40", "53", "55", "57", "58", "25006", "25P03")

#: The connection is of no use any more: lost; ended by an operator; ended because this process stood still in
#: the middle of a transaction; or its server has become a standby, and another one has taken its place.
_GONE: Final = ("08", "57P0", "25P03", "25006")


def worth_another_try(error: psycopg.Error) -> bool:
    """Whether the transaction that *error* ended may be carried out again at once."""
    return isinstance(error, _AGAIN)


def is_lost(error: psycopg.Error) -> bool:
    """Whether *error* says that the connection, or the server, went away."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_GONE)


def only_reads(error: psycopg.Error) -> bool:
    """Whether *error* says that the server takes no writes, whoever asks."""
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


def translated(
    error: psycopg.Error,
    shown: str,
    *,
    connecting: bool = False,
    setting: str = "[scheduler] store",
    lock_limit: float = LOCK_LIMIT,
) -> StoreError:
    """The store's error for *error*; *shown* is how people know the database, which *setting* names.

    *lock_limit* is for how many seconds the statement was ready to wait for a lock.
    """
    said = said_by(error)
    refused = refusal(error, f"the run store {shown}", setting) if connecting else None
    if refused is not None:
        kind = StoreUnavailable if refused.passes else StoreError
        return kind(refused.message, code=refused.code, help=refused.help)
    state = error.sqlstate or ""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return no_rights(shown, said)
    if only_reads(error):
        return no_writes(shown, setting)
    if (why := _held_up(error, lock_limit)) is not None:
        return StoreUnavailable(
            f"the run store {shown} is held up: {why}",
            code="JK630",
            help="find who holds the lock by pg_blocking_pids() and pg_stat_activity, and end that session;"
            " `jobkit explain JK630` has the query",
        )
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return StoreError(
            f"the tables of the run store {shown} are not there any more: {said}",
            code="JK608",
            help="somebody changed its tables by hand: put a backup in its place",
        )
    if isinstance(error, psycopg.InterfaceError) or not state or state.startswith(_PASSING):
        return StoreUnavailable(
            f"the run store {shown} does not answer: {said}",
            help="see that the server runs, and can be reached from here; schedulers that run go on by"
            " themselves when it is back",
        )
    return StoreError(
        f"the run store {shown} does not answer as it should: {said} ({state})",
        help="report it with this text",
    )


def _held_up(error: psycopg.Error, lock_limit: float) -> str | None:
    """What a statement that the server has given up was waiting for; None if it is of another kind."""
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return f"a statement waited {lock_limit:g} s for a lock of somebody else"
    if isinstance(error, psycopg.errors.QueryCanceled) and "statement timeout" in str(error):
        return "a statement took longer than it may; the server is busy, or somebody else holds a lock"
    return None


def no_writes(shown: str, setting: str = "[scheduler] store") -> StoreUnavailable:
    """The server answers, and takes no writes: a standby, or one that is set so."""
    return StoreUnavailable(
        ONLY_READS.format(name=f"the run store {shown}"),
        code="JK629",
        help=READ_WRITE.format(setting=setting),
    )


def none_free(shown: str, why: psycopg.Error | None) -> StoreUnavailable:
    """All connections were in use, or *why* there are none."""
    if why is None:
        return StoreUnavailable(
            f"no connection to the run store {shown} was free in time",
            help="raise [plugins.postgres] pool_size, or patience, if that happens often",
        )
    reason = translated(why, shown, connecting=True)
    return StoreUnavailable(reason.message, code=reason.code, help=reason.help)


def unknown_outcome(error: psycopg.Error, shown: str) -> StoreUnavailable:
    """The connection was lost while the commit was on its way."""
    return StoreUnavailable(
        f"the run store {shown} was lost in the middle of a commit: {said_by(error)}",
        help="nobody knows whether it was written; the same call again finds out, and writes nothing twice",
    )


def no_rights(shown: str, said: str) -> StoreError:
    """The role may not do what a store does."""
    return StoreError(
        f"the role has no right to use the run store {shown}: {said}",
        code="JK625",
        help="grant it the schema and what is in it, or let the owner run `jobkit db upgrade`;"
        " `jobkit explain JK625` has the words",
    )
