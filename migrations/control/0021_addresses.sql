-- What addresses come to beyond mailboxes and aliases by name, and how long they last.

-- Every address of this domain stands for the same one there.
ALTER TABLE domains ADD COLUMN alias_of BIGINT REFERENCES domains (id);
-- Where mail for unknown addresses goes; '' nowhere.
ALTER TABLE domains ADD COLUMN catch_all TEXT NOT NULL DEFAULT '';
-- Where postmaster and abuse go when they are no addresses of their own; '' to whoever can be found.
ALTER TABLE domains ADD COLUMN reserved_to TEXT NOT NULL DEFAULT '';
-- Between user and detail (RFC 5233); '' for none.
ALTER TABLE domains ADD COLUMN separator TEXT NOT NULL DEFAULT '+';
CREATE INDEX domains_by_alias ON domains (alias_of);

ALTER TABLE mailboxes ADD COLUMN mode TEXT NOT NULL DEFAULT 'both';
ALTER TABLE mailboxes ADD COLUMN expires_at BIGINT;
-- 1 once nodes have been told that it expired.
ALTER TABLE mailboxes ADD COLUMN expired BIGINT NOT NULL DEFAULT 0;
-- Set while it can still be restored.
ALTER TABLE mailboxes ADD COLUMN deleted_at BIGINT;
ALTER TABLE mailboxes ADD COLUMN purge_at BIGINT;
CREATE INDEX mailboxes_by_expiry ON mailboxes (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX mailboxes_by_purge ON mailboxes (purge_at) WHERE purge_at IS NOT NULL;

ALTER TABLE aliases ADD COLUMN expires_at BIGINT;
ALTER TABLE aliases ADD COLUMN who_may_post TEXT NOT NULL DEFAULT 'anyone';
-- A JSON list of addresses.
ALTER TABLE aliases ADD COLUMN posters TEXT NOT NULL DEFAULT '[]';
