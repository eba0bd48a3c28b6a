-- Ticks and what accounts for them; what people ask of schedulers; who serves.
--
-- Instants and durations as in 0001.

-- How far each job's ticks are accounted for; these rows are never pruned. Whatever inserts or starts a run of a
-- job locks its row first. A job that was never scheduled has one without a mark, for the lock alone.
CREATE TABLE jobkit.job_states (
    job   text COLLATE "C" NOT NULL,
    node  text COLLATE "C" NOT NULL,  -- '' for a job that is scheduled once per deployment
    mark  bigint,
    hash  text,
    since bigint,
    span  bigint,  -- the span that ends at the mark, if one does
    PRIMARY KEY (job, node)
) WITH (fillfactor = 70);

CREATE TABLE jobkit.spans (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job         text COLLATE "C" NOT NULL,
    node        text COLLATE "C" NOT NULL,
    reason      text NOT NULL,
    cause       text,
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    count       bigint NOT NULL,
    recorded_at bigint NOT NULL
);

CREATE INDEX spans_newest ON jobkit.spans (last, id);
CREATE INDEX spans_of_job ON jobkit.spans (job, last, id);

-- Leases of threads that their runs no longer wait for.
CREATE TABLE jobkit.abandoned (
    run        bigint PRIMARY KEY REFERENCES jobkit.runs (number) ON DELETE CASCADE,
    job        text COLLATE "C" NOT NULL,
    home       text COLLATE "C" NOT NULL,
    limits     text NOT NULL,
    fence      bigint NOT NULL,
    attempt    bigint NOT NULL,
    owner      text NOT NULL,
    node       text NOT NULL,
    pinned     boolean NOT NULL,
    duration   bigint NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX abandoned_of_job ON jobkit.abandoned (job, home);

CREATE TABLE jobkit.cancel_requests (
    run    bigint PRIMARY KEY REFERENCES jobkit.runs (number) ON DELETE CASCADE,
    by     text NOT NULL,
    reason text,
    at     bigint NOT NULL
);

CREATE TABLE jobkit.pauses (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job        text COLLATE "C",  -- NULL: all of them
    since      bigint NOT NULL,
    until      bigint,
    by         text NOT NULL,
    reason     text,
    resumed_at bigint,
    resumed_by text
);

CREATE TABLE jobkit.events (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at    bigint NOT NULL,
    kind  text NOT NULL,
    job   text COLLATE "C",
    actor text,
    data  text NOT NULL
);

CREATE INDEX events_newest ON jobkit.events (at, id);
CREATE INDEX events_of_job ON jobkit.events (job, at, id) WHERE job IS NOT NULL;

CREATE TABLE jobkit.replicas (
    id            text COLLATE "C" PRIMARY KEY,
    place         bigint GENERATED ALWAYS AS IDENTITY,  -- the order of registration
    kind          text NOT NULL,
    owner         text NOT NULL,
    node          text NOT NULL,
    "interval"    bigint NOT NULL,
    registered_at bigint NOT NULL,
    heartbeat_at  bigint NOT NULL,
    stopped_at    bigint
) WITH (fillfactor = 50);

-- Apart, because a heartbeat writes its row anew, and these may be long.
CREATE TABLE jobkit.replica_jobs (
    replica   text COLLATE "C" PRIMARY KEY REFERENCES jobkit.replicas (id) ON DELETE CASCADE,
    jobs      text NOT NULL,
    schedules text NOT NULL,
    details   text NOT NULL
);
