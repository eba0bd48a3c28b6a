-- Runs, their attempts and log lines.
--
-- Instants are microseconds since 1970 UTC, durations microseconds unless the name says otherwise,
-- JSON is text.

CREATE TABLE project (
    name TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    -- AUTOINCREMENT: a number is never given twice, not even after the newest runs were pruned.
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    job              TEXT NOT NULL,
    extension        TEXT NOT NULL,
    -- No CHECK of the words: it would be a third of the cost of every insertion and update.
    status           TEXT NOT NULL,
    "trigger"        TEXT NOT NULL,
    scheduled_at     INTEGER,
    queued_at        INTEGER NOT NULL,
    not_before       INTEGER,
    started_at       INTEGER,
    finished_at      INTEGER,
    duration_ms      INTEGER,
    attempt          INTEGER NOT NULL DEFAULT 0,
    attempt_since    INTEGER,
    attempts         INTEGER NOT NULL,
    actor            TEXT NOT NULL,
    node             TEXT NOT NULL DEFAULT '',
    enforce          INTEGER NOT NULL,
    "window"         TEXT,  -- [start, end]
    covers           TEXT,  -- [first, last, count]
    reason           TEXT,
    processed        INTEGER,
    errors           INTEGER,
    parent           TEXT,
    retry_of         TEXT,

    -- The lease. It has not ended as long as there is an owner; the fence only grows.
    fence            INTEGER NOT NULL DEFAULT 0,
    lease_owner      TEXT,
    lease_pinned     INTEGER NOT NULL DEFAULT 0,
    lease_duration   INTEGER,
    lease_expires_at INTEGER,

    -- What may be long stands last: whoever reads the columns before it need not walk through it.
    progress         TEXT,
    parameters       TEXT NOT NULL,
    message          TEXT,
    error            TEXT,
    cleanup_errors   TEXT NOT NULL DEFAULT '[]',
    data             TEXT NOT NULL DEFAULT '{}',
    late_outcome     TEXT
) STRICT;

-- Each index ends in the number by itself: newest first is by queued_at, then by number. Every index
-- is one more page that each commit writes; these carry the questions that are asked all the time.
CREATE INDEX runs_newest ON runs (queued_at);
CREATE INDEX runs_of_job ON runs (job, queued_at);
CREATE INDEX runs_in_status ON runs (status, queued_at);
CREATE INDEX runs_of_parent ON runs (parent, queued_at) WHERE parent IS NOT NULL;
CREATE INDEX runs_pinned ON runs (status) WHERE status = 'queued' AND lease_owner IS NOT NULL;

-- Attempts after which the run went on; the current or last one stands in its run.
CREATE TABLE attempts (
    run         INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    status      TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    duration_ms INTEGER,
    node        TEXT NOT NULL,
    reason      TEXT,
    message     TEXT,
    error       TEXT,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_lines (
    run      INTEGER NOT NULL REFERENCES runs (number) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    level    TEXT NOT NULL,
    source   TEXT NOT NULL,
    event    TEXT NOT NULL,
    fields   TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
) STRICT, WITHOUT ROWID;
