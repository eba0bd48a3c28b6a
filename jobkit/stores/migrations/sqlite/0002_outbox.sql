-- Sinks, the finished runs that wait for them, and those that were given up.
--
-- Readers do without it.
--
-- Instants and durations as in 0001. There is no row of `outbox` for a run that has not finished.

CREATE TABLE sinks (
    name             TEXT PRIMARY KEY,
    max_age          INTEGER NOT NULL,
    -- NULL when it was removed: the row stays, because the fence must only grow.
    seen_at          INTEGER,
    failures         INTEGER NOT NULL DEFAULT 0,
    suspended_until  INTEGER,
    error            TEXT,
    delivered_at     INTEGER,

    -- The lease. Nobody has it if there is no owner.
    fence            INTEGER NOT NULL DEFAULT 0,
    lease_owner      TEXT,
    lease_expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    -- AUTOINCREMENT: what is added later stands behind, also when the last ones were delivered.
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    sink       TEXT NOT NULL,
    -- Without CASCADE: a run that waits must not be deleted.
    run        INTEGER NOT NULL REFERENCES runs (number),
    added_at   INTEGER NOT NULL,
    failures   INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER,
    error      TEXT
) STRICT;

-- Each ends in the id by itself: what waits for a sink is found in its order.
CREATE INDEX outbox_of_sink ON outbox (sink);
CREATE INDEX outbox_of_run ON outbox (run);

CREATE TABLE dead_letters (
    id       INTEGER PRIMARY KEY,  -- that of the entry
    sink     TEXT NOT NULL,
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    added_at INTEGER NOT NULL,
    died_at  INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    error    TEXT
) STRICT;

CREATE INDEX dead_letters_of_sink ON dead_letters (sink);
CREATE INDEX dead_letters_of_run ON dead_letters (run);
