-- The message store. One text for both databases; the SQLite arm reads BIGINT PRIMARY KEY as its
-- rowid, BYTEA as BLOB and the word after "--:" at a table's end as its own option.
-- No column is ever NULL: '' and 0 say "none".

-- Numbers that never come back: the value is the first one not handed out.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('folder', 1), ('message', 1), ('body', 1), ('uid_validity', 1);

-- The mutable head of each folder; what is in the folder stands in its log.
CREATE TABLE folders (
    id BIGINT PRIMARY KEY,
    mailbox_id BIGINT NOT NULL,
    tenant_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    selectable BIGINT NOT NULL,
    special_use BIGINT NOT NULL,
    uid_validity BIGINT NOT NULL,
    uid_next BIGINT NOT NULL,
    highest_modseq BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    unseen BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    ops_bytes BIGINT NOT NULL,
    snapshot_bytes BIGINT NOT NULL
);
CREATE UNIQUE INDEX folders_by_name ON folders (mailbox_id, name);

CREATE TABLE subscriptions (
    mailbox_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (mailbox_id, name)
) --: WITHOUT ROWID
;

-- The folder's log since its snapshot; rows are only added, and removed when a snapshot holds them.
CREATE TABLE folder_ops (
    folder_id BIGINT NOT NULL,
    modseq BIGINT NOT NULL,
    op BYTEA NOT NULL,
    PRIMARY KEY (folder_id, modseq)
) --: WITHOUT ROWID
;

CREATE TABLE folder_snapshots (
    folder_id BIGINT PRIMARY KEY,
    modseq BIGINT NOT NULL,
    data BYTEA NOT NULL
);

-- One row for each stored message; never updated. A copy shares the row (extra_refs counts them).
CREATE TABLE messages (
    id BIGINT PRIMARY KEY,
    mailbox_id BIGINT NOT NULL,
    body_id BIGINT NOT NULL,
    size BIGINT NOT NULL,
    prefix BYTEA NOT NULL
);

CREATE TABLE extra_refs (
    message_id BIGINT PRIMARY KEY,
    n BIGINT NOT NULL
);

-- A body once for each tenant. The summary stands here, apart from the octets, so that listing
-- a folder reads dense pages. hash_key is the hash's first 8 octets, as the index keeps it.
CREATE TABLE bodies (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL,
    hash_key BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    size BIGINT NOT NULL,
    refs BIGINT NOT NULL,
    encoding BIGINT NOT NULL,
    checksum BIGINT NOT NULL,
    file TEXT NOT NULL,
    summary BYTEA NOT NULL
);
CREATE INDEX bodies_by_hash ON bodies (tenant_id, hash_key);

-- The octets of small bodies, compressed.
CREATE TABLE body_octets (
    body_id BIGINT PRIMARY KEY,
    data BYTEA NOT NULL
);

-- What each mailbox holds; a mailbox that has a row here has its default folders.
CREATE TABLE usage (
    mailbox_id BIGINT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL
);

CREATE TABLE pop3_marks (
    folder_id BIGINT NOT NULL,
    uid BIGINT NOT NULL,
    retrieved_at BIGINT NOT NULL,
    hidden BIGINT NOT NULL,
    PRIMARY KEY (folder_id, uid)
) --: WITHOUT ROWID
;
