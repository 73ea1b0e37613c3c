-- Passwords of one program each, made by the server; only a hash is kept.
CREATE TABLE app_passwords (
    id BIGINT PRIMARY KEY,
    mailbox_id BIGINT NOT NULL REFERENCES mailboxes (id),
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    -- JSON lists; of networks, an empty one is everywhere.
    protocols TEXT NOT NULL,
    allow_from TEXT NOT NULL,
    expires_at BIGINT,
    -- 1 once nodes have been told that it expired.
    expired BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    -- The last login with it; no configuration, so no revision.
    last_used_at BIGINT,
    last_protocol TEXT NOT NULL DEFAULT '',
    last_peer TEXT NOT NULL DEFAULT ''
);
CREATE INDEX app_passwords_by_mailbox ON app_passwords (mailbox_id, id);
CREATE INDEX app_passwords_by_expiry ON app_passwords (expires_at) WHERE expires_at IS NOT NULL;

-- 1 where the mailbox's own password opens the API alone.
ALTER TABLE mailboxes ADD COLUMN app_passwords_only BIGINT NOT NULL DEFAULT 0;
