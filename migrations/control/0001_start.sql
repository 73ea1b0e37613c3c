-- The control plane. One text for both databases: the SQLite arm reads BIGINT PRIMARY KEY as its
-- rowid, BYTEA as BLOB, and orders text by octets as COLLATE "C" says for ranges of paths. Times are Unix milliseconds. `revision` is the change that last wrote the row.

-- One row: the number of the newest revision. Its row lock puts the writers of all nodes in order.
CREATE TABLE revision_head (
    one BIGINT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO revision_head (one, number) VALUES (1, 0);

CREATE TABLE revisions (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    caller TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- The tenant that the object belongs to, as a path: who may read this revision.
    path TEXT COLLATE "C" NOT NULL,
    before_json TEXT,
    after_json TEXT,
    touches TEXT NOT NULL
);
CREATE INDEX revisions_by_path ON revisions (path, number);
CREATE INDEX revisions_by_object ON revisions (object, number);

-- A tree; path is the ids from the root, so that "below" is a range of paths.
CREATE TABLE tenants (
    id BIGINT PRIMARY KEY,
    parent_id BIGINT REFERENCES tenants (id),
    path TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('operator', 'reseller', 'customer')),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT tenants_path_key UNIQUE (path)
);
CREATE INDEX tenants_by_parent ON tenants (parent_id, id);

CREATE TABLE users (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('operator', 'reseller', 'customer')),
    password_hash TEXT NOT NULL,
    password_epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT users_name_key UNIQUE (name)
);
CREATE INDEX users_by_tenant ON users (tenant_id, id);

CREATE TABLE api_keys (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('operator', 'reseller', 'customer')),
    read_only BIGINT NOT NULL,
    secret_hash BYTEA NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT api_keys_secret_key UNIQUE (secret_hash)
);
CREATE INDEX api_keys_by_tenant ON api_keys (tenant_id, id);

CREATE TABLE domains (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    imap TEXT NOT NULL CHECK (imap IN ('inherit', 'enabled', 'disabled')),
    pop3 TEXT NOT NULL CHECK (pop3 IN ('inherit', 'enabled', 'disabled')),
    submission TEXT NOT NULL CHECK (submission IN ('inherit', 'enabled', 'disabled')),
    -- '' inherits.
    pop3_on_delete TEXT NOT NULL CHECK (pop3_on_delete IN ('', 'delete', 'trash', 'keep')),
    -- NULL inherits, 0 never expires.
    pop3_expire_days BIGINT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT domains_name_key UNIQUE (name)
);
CREATE INDEX domains_by_tenant ON domains (tenant_id, id);

-- An address is one thing: a mailbox or an alias, never both.
CREATE TABLE addresses (
    address_key TEXT PRIMARY KEY,
    mailbox_id BIGINT,
    alias_id BIGINT,
    CHECK ((mailbox_id IS NULL) <> (alias_id IS NULL))
);

CREATE TABLE mailboxes (
    id BIGINT PRIMARY KEY,
    domain_id BIGINT NOT NULL REFERENCES domains (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    address TEXT NOT NULL,
    address_key TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT,
    password_epoch BIGINT NOT NULL,
    quota_bytes BIGINT,
    quota_messages BIGINT,
    imap TEXT NOT NULL CHECK (imap IN ('inherit', 'enabled', 'disabled')),
    pop3 TEXT NOT NULL CHECK (pop3 IN ('inherit', 'enabled', 'disabled')),
    submission TEXT NOT NULL CHECK (submission IN ('inherit', 'enabled', 'disabled')),
    pop3_on_delete TEXT NOT NULL CHECK (pop3_on_delete IN ('', 'delete', 'trash', 'keep')),
    pop3_expire_days BIGINT,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT mailboxes_address_key UNIQUE (address_key)
);
CREATE INDEX mailboxes_by_domain ON mailboxes (domain_id, id);
CREATE INDEX mailboxes_by_tenant ON mailboxes (tenant_id, id);

CREATE TABLE aliases (
    id BIGINT PRIMARY KEY,
    domain_id BIGINT NOT NULL REFERENCES domains (id),
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    address TEXT NOT NULL,
    address_key TEXT NOT NULL,
    -- A JSON list of addresses.
    targets TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT aliases_address_key UNIQUE (address_key)
);
CREATE INDEX aliases_by_domain ON aliases (domain_id, id);
CREATE INDEX aliases_by_tenant ON aliases (tenant_id, id);

-- A layer above the settings; exactly one of mailbox_id and domain_id is set.
CREATE TABLE suspensions (
    id BIGINT PRIMARY KEY,
    mailbox_id BIGINT,
    domain_id BIGINT,
    scope TEXT NOT NULL CHECK (scope IN ('login', 'send_reject', 'receive')),
    reason TEXT NOT NULL,
    -- NULL until it is lifted.
    until_at BIGINT,
    -- The path length of the tenant whose caller made it: lifted only there or above.
    level BIGINT NOT NULL,
    caller TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX suspensions_by_mailbox ON suspensions (mailbox_id);
CREATE INDEX suspensions_by_domain ON suspensions (domain_id);

-- Signed-in API sessions: a family of refresh tokens of which only the newest is valid.
CREATE TABLE api_sessions (
    id TEXT PRIMARY KEY,
    caller TEXT NOT NULL,
    -- The caller's at the sign-in: it ends when the password changes, also if the two raced.
    password_epoch BIGINT NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);
CREATE INDEX api_sessions_by_caller ON api_sessions (caller);
CREATE INDEX api_sessions_by_expiry ON api_sessions (expires_at);

CREATE TABLE idempotency_keys (
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    request_hash BYTEA NOT NULL,
    -- 0 while the first request is still running.
    status BIGINT NOT NULL,
    response BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Keys of ours, sealed with the master key.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- The last login of each mailbox by each protocol; no configuration, so no revision.
CREATE TABLE logins (
    mailbox_id BIGINT NOT NULL,
    protocol TEXT NOT NULL,
    at BIGINT NOT NULL,
    peer TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, protocol)
);

-- Mailboxes that are gone from the configuration and whose mail still has to go.
CREATE TABLE purges (
    mailbox_id BIGINT PRIMARY KEY,
    created_at BIGINT NOT NULL
);
