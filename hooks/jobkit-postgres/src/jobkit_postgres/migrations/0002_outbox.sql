-- Sinks, the finished runs that wait for them, and those that were given up.
--
-- Instants and durations as in 0001. There is no row of `outbox` for a run that has not finished.

CREATE TABLE jobkit.sinks (
    name             text COLLATE "C" PRIMARY KEY,
    max_age          bigint NOT NULL,
    -- NULL when it was removed: the row stays, because the fence must only grow.
    seen_at          bigint,
    failures         bigint NOT NULL DEFAULT 0,
    suspended_until  bigint,
    error            text,
    delivered_at     bigint,

    -- The lease. Nobody has it if there is no owner.
    fence            bigint NOT NULL DEFAULT 0,
    lease_owner      text,
    lease_expires_at bigint
);

CREATE TABLE jobkit.outbox (
    -- Given out under a lock that is held until the commit: whoever sees an entry has seen all before it.
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sink       text COLLATE "C" NOT NULL,
    -- Without CASCADE: a run that waits must not be deleted.
    run        bigint NOT NULL REFERENCES jobkit.runs (number),
    added_at   bigint NOT NULL,
    failures   bigint NOT NULL DEFAULT 0,
    not_before bigint,
    error      text
);

CREATE INDEX outbox_of_sink ON jobkit.outbox (sink, id);
CREATE INDEX outbox_of_run ON jobkit.outbox (run);

CREATE TABLE jobkit.dead_letters (
    id       bigint PRIMARY KEY,  -- that of the entry
    sink     text COLLATE "C" NOT NULL,
    run      bigint NOT NULL REFERENCES jobkit.runs (number) ON DELETE CASCADE,
    added_at bigint NOT NULL,
    died_at  bigint NOT NULL,
    failures bigint NOT NULL,
    reason   text NOT NULL,
    error    text
);

CREATE INDEX dead_letters_of_sink ON jobkit.dead_letters (sink, id);
CREATE INDEX dead_letters_of_run ON jobkit.dead_letters (run);
