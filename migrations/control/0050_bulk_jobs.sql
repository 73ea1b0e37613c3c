-- Work of many rows that a caller gave: imports and the like. No configuration itself: what it does are revisions.

CREATE TABLE bulk_jobs (
    id BIGINT PRIMARY KEY,
    -- Whose: who may see it.
    tenant_id BIGINT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    -- For whom it is done: the id of a user or a key.
    caller TEXT NOT NULL,
    dry_run BIGINT NOT NULL,
    -- JSON: what the kind wants to know.
    parameters TEXT NOT NULL,
    -- receiving, waiting, done, cancelled or failed
    state TEXT NOT NULL,
    -- Rows; NULL while it is not known.
    total BIGINT,
    done BIGINT NOT NULL,
    succeeded BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    -- Where the next turn begins.
    place BIGINT NOT NULL,
    -- Why it failed.
    error TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    -- When it had its last turn, and until when a node has it for itself.
    turn_at BIGINT NOT NULL,
    leased_until BIGINT NOT NULL
);
CREATE INDEX bulk_jobs_by_tenant ON bulk_jobs (tenant_id, id);
CREATE INDEX bulk_jobs_by_turn ON bulk_jobs (turn_at) WHERE state = 'waiting';

-- What was sent, sealed: it may hold passwords. Gone once the job has ended.
CREATE TABLE bulk_rows (
    job_id BIGINT NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    first_row BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (job_id, first_row)
);

-- What came of each row, some rows a JSON list.
CREATE TABLE bulk_results (
    job_id BIGINT NOT NULL REFERENCES bulk_jobs (id) ON DELETE CASCADE,
    first_row BIGINT NOT NULL,
    results TEXT NOT NULL,
    PRIMARY KEY (job_id, first_row)
);
