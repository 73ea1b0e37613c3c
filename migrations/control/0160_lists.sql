-- What lists are filtered and sorted by. Lines behind "--pg:" are PostgreSQL's alone: there, text that lists are
-- sorted by, and whose beginnings are ranges, is ordered by octets, as SQLite does it anyway.
--pg: ALTER TABLE mailboxes ALTER COLUMN address_key TYPE TEXT COLLATE "C";
--pg: ALTER TABLE aliases ALTER COLUMN address_key TYPE TEXT COLLATE "C";
--pg: ALTER TABLE domains ALTER COLUMN name TYPE TEXT COLLATE "C";
--pg: ALTER TABLE tenants ALTER COLUMN name TYPE TEXT COLLATE "C";
--pg: ALTER TABLE users ALTER COLUMN name TYPE TEXT COLLATE "C";
--pg: ALTER TABLE api_keys ALTER COLUMN name TYPE TEXT COLLATE "C";
CREATE INDEX mailboxes_by_creation ON mailboxes (created_at, id);
CREATE INDEX aliases_by_creation ON aliases (created_at, id);
CREATE INDEX domains_by_creation ON domains (created_at, id);
CREATE INDEX tenants_by_name ON tenants (LOWER(name), id);
CREATE INDEX users_by_name ON users (LOWER(name), id);
CREATE INDEX api_keys_by_name ON api_keys (LOWER(name), id);

-- What each mailbox holds, as the message store last told: a copy to list by. The store's own figures count.
CREATE TABLE mailbox_usage (
    mailbox_id BIGINT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL
);
CREATE INDEX mailbox_usage_by_bytes ON mailbox_usage (bytes, mailbox_id);
INSERT INTO mailbox_usage (mailbox_id, bytes, messages) SELECT id, 0, 0 FROM mailboxes;
