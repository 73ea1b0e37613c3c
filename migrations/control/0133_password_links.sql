-- Where mail of ours reaches a user or a mailbox's owner, and in which language.
CREATE TABLE recovery (
    -- The id of a user or a mailbox.
    owner TEXT PRIMARY KEY,
    address TEXT,
    -- '' is as whoever asks reads.
    locale TEXT NOT NULL
);

-- Invitations and password resets: links that set a password, once.
CREATE TABLE password_links (
    id BIGINT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('invitation', 'reset')),
    owner TEXT NOT NULL,
    -- The path of the owner's tenant, when it was made.
    path TEXT COLLATE "C" NOT NULL,
    recipient TEXT NOT NULL,
    locale TEXT NOT NULL,
    -- SHA-256 of 256 random bits, which are kept nowhere once the mail is out.
    token_hash BYTEA NOT NULL,
    -- The owner's when it was made: another password voids it.
    password_epoch BIGINT NOT NULL,
    caller TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- pending, used or revoked
    state TEXT NOT NULL,
    CONSTRAINT password_links_token_key UNIQUE (token_hash)
);
CREATE INDEX password_links_by_owner ON password_links (owner, created_at);
CREATE INDEX password_links_by_kind ON password_links (kind, id);
CREATE INDEX password_links_by_expiry ON password_links (expires_at);

-- Mail of ours on its way. What it says is sealed, and gone once it is sent or given up.
CREATE TABLE outbox (
    id BIGINT PRIMARY KEY,
    -- The link that it is about.
    link_id BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    letter_sealed BYTEA NOT NULL,
    -- waiting, sent or failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    -- Until when a node has it for itself.
    leased_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX outbox_by_link ON outbox (link_id, id);
CREATE INDEX outbox_waiting ON outbox (next_attempt_at) WHERE state = 'waiting';
