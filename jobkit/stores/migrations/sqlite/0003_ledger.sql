-- Ticks and what accounts for them; what of a run decides when it may start.
--
-- Readers do without it.
--
-- Instants and durations as in 0001.

-- How far each job's ticks are accounted for. These rows are never pruned.
CREATE TABLE job_states (
    job   TEXT NOT NULL,
    node  TEXT NOT NULL,  -- '' for a job that is scheduled once per deployment
    mark  INTEGER NOT NULL,
    hash  TEXT NOT NULL,
    since INTEGER NOT NULL,
    span  INTEGER,        -- the span that ends at the mark, if one does
    PRIMARY KEY (job, node)
) STRICT, WITHOUT ROWID;

CREATE TABLE spans (
    -- AUTOINCREMENT: newer ones have larger ids, also when the newest were pruned.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job         TEXT NOT NULL,
    node        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    cause       TEXT,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

-- Each ends in the id by itself: newest first is by the last tick, then by id.
CREATE INDEX spans_newest ON spans (last);
CREATE INDEX spans_of_job ON spans (job, last);

-- What a run was inserted with and its record does not show. They stand behind what may be long, and are read
-- of runs that have not ended only, which have nothing long yet.
ALTER TABLE runs ADD COLUMN home TEXT NOT NULL DEFAULT '';  -- the node of a job that every node has for itself
ALTER TABLE runs ADD COLUMN tick INTEGER;                   -- the tick that it accounts for
ALTER TABLE runs ADD COLUMN overlap TEXT NOT NULL DEFAULT 'allow';
ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
ALTER TABLE runs ADD COLUMN limits TEXT NOT NULL DEFAULT '[]';

-- A tick has one run, wherever the mark is.
CREATE UNIQUE INDEX runs_of_tick ON runs (job, home, tick) WHERE tick IS NOT NULL;
CREATE INDEX runs_open ON runs (job, home) WHERE finished_at IS NULL;
CREATE INDEX runs_queue ON runs (priority DESC, number) WHERE status = 'queued';
CREATE INDEX runs_not_before ON runs (not_before) WHERE status = 'queued' AND not_before IS NOT NULL;
CREATE INDEX runs_limited ON runs (limits) WHERE status = 'running' AND limits <> '[]';

-- Leases of threads that their runs no longer wait for.
CREATE TABLE abandoned (
    run        INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    job        TEXT NOT NULL,
    home       TEXT NOT NULL,
    limits     TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    owner      TEXT NOT NULL,
    node       TEXT NOT NULL,
    pinned     INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX abandoned_of_job ON abandoned (job, home);

CREATE TABLE cancel_requests (
    run    INTEGER PRIMARY KEY REFERENCES runs (number) ON DELETE CASCADE,
    by     TEXT NOT NULL,
    reason TEXT,
    at     INTEGER NOT NULL
) STRICT;

CREATE TABLE pauses (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job        TEXT,  -- NULL: all of them
    since      INTEGER NOT NULL,
    until      INTEGER,
    by         TEXT NOT NULL,
    reason     TEXT,
    resumed_at INTEGER,
    resumed_by TEXT
) STRICT;

CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    at    INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    job   TEXT,
    actor TEXT,
    data  TEXT NOT NULL
) STRICT;

CREATE INDEX events_newest ON events (at);
CREATE INDEX events_of_job ON events (job, at) WHERE job IS NOT NULL;

CREATE TABLE replicas (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    owner         TEXT NOT NULL,
    node          TEXT NOT NULL,
    interval      INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    heartbeat_at  INTEGER NOT NULL,
    stopped_at    INTEGER
) STRICT;

-- Apart, because a heartbeat writes its row anew, and these may be long.
CREATE TABLE replica_jobs (
    replica   TEXT PRIMARY KEY REFERENCES replicas (id) ON DELETE CASCADE,
    jobs      TEXT NOT NULL,
    schedules TEXT NOT NULL,
    details   TEXT NOT NULL
) STRICT;
