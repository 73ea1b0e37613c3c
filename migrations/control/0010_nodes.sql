-- Which processes serve this configuration and how far each has come; no configuration, so no revision.
CREATE TABLE nodes (
    id BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    applied BIGINT NOT NULL,
    -- A JSON list of [revision, sessions closed, sessions remaining], the newest few that met any.
    effects TEXT NOT NULL
);
