-- Runs, their attempts and log lines.
--
-- Instants are microseconds since 1970 UTC, durations microseconds unless the name says otherwise, JSON is
-- text: what was given comes back to the letter, whatever the settings of the server.

-- The store's clock. There is no other: neither this program's nor the clients'.
CREATE FUNCTION jobkit.instant() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- What people look at with psql.
CREATE FUNCTION jobkit.readable(micros bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
    AS $$ SELECT timestamptz '1970-01-01 00:00:00Z' + micros * interval '1 microsecond' $$;

-- One row. Numbers are counted here and not by a sequence, which would leave gaps where a transaction fails.
CREATE TABLE jobkit.project (
    name   text NOT NULL,
    number bigint NOT NULL DEFAULT 0
);

CREATE TABLE jobkit.runs (
    number           bigint PRIMARY KEY,
    id               text COLLATE "C" NOT NULL UNIQUE,
    job              text COLLATE "C" NOT NULL,
    extension        text NOT NULL,
    status           text NOT NULL,
    "trigger"        text NOT NULL,
    scheduled_at     bigint,
    queued_at        bigint NOT NULL,
    not_before       bigint,
    started_at       bigint,
    finished_at      bigint,
    duration_ms      bigint,
    attempt          bigint NOT NULL DEFAULT 0,
    attempt_since    bigint,
    attempts         bigint NOT NULL,
    actor            text NOT NULL,
    node             text NOT NULL DEFAULT '',
    enforce          boolean NOT NULL,
    "window"         text,  -- [start, end]
    covers           text,  -- [first, last, count]
    reason           text,
    processed        bigint,
    errors           bigint,
    parent           text COLLATE "C",
    retry_of         text,

    -- The lease. It has not ended as long as there is an owner; the fence only grows.
    fence            bigint NOT NULL DEFAULT 0,
    lease_owner      text,
    lease_pinned     boolean NOT NULL DEFAULT false,
    lease_duration   bigint,
    lease_expires_at bigint,

    -- What it was inserted with and its record does not show.
    home             text COLLATE "C" NOT NULL DEFAULT '',  -- the node of a job that every node has for itself
    tick             bigint,                                -- the tick that it accounts for
    overlap          text NOT NULL DEFAULT 'allow',
    priority         bigint NOT NULL DEFAULT 0,
    queue            text COLLATE "C" NOT NULL DEFAULT 'default',
    limits           text NOT NULL DEFAULT '[]',

    progress         text,
    parameters       text NOT NULL,
    message          text,
    error            text,
    cleanup_errors   text NOT NULL DEFAULT '[]',
    data             text NOT NULL DEFAULT '{}',
    late_outcome     text
)
-- A renewal changes no indexed column: with room on its page the row stays where its indexes point to.
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX runs_newest ON jobkit.runs (queued_at, number);
CREATE INDEX runs_of_job ON jobkit.runs (job, queued_at, number);
CREATE INDEX runs_in_status ON jobkit.runs (status, queued_at, number);
CREATE INDEX runs_of_parent ON jobkit.runs (parent, queued_at, number) WHERE parent IS NOT NULL;

-- A tick has one run, wherever the mark is.
CREATE UNIQUE INDEX runs_of_tick ON jobkit.runs (job, home, tick) WHERE tick IS NOT NULL;
CREATE INDEX runs_open ON jobkit.runs (job, home, number) WHERE finished_at IS NULL;
CREATE INDEX runs_queue ON jobkit.runs (priority DESC, number) WHERE status = 'queued';
CREATE INDEX runs_not_before ON jobkit.runs (not_before) WHERE status = 'queued' AND not_before IS NOT NULL;
CREATE INDEX runs_limited ON jobkit.runs (number) WHERE status = 'running' AND limits <> '[]';

-- Attempts after which the run went on; the current or last one stands in its run.
CREATE TABLE jobkit.attempts (
    run         bigint NOT NULL REFERENCES jobkit.runs (number) ON DELETE CASCADE,
    number      bigint NOT NULL,
    status      text NOT NULL,
    started_at  bigint NOT NULL,
    finished_at bigint NOT NULL,
    duration_ms bigint,
    node        text NOT NULL,
    reason      text,
    message     text,
    error       text,
    PRIMARY KEY (run, number)
);

CREATE TABLE jobkit.log_lines (
    run      bigint NOT NULL REFERENCES jobkit.runs (number) ON DELETE CASCADE,
    sequence bigint NOT NULL,
    at       bigint NOT NULL,
    attempt  bigint NOT NULL,
    level    text NOT NULL,
    source   text NOT NULL,
    event    text NOT NULL,
    fields   text NOT NULL,
    PRIMARY KEY (run, sequence)
);
