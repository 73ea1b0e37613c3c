-- 1 where the password must be changed before anything else.
ALTER TABLE users ADD COLUMN must_change_password BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailboxes ADD COLUMN must_change_password BIGINT NOT NULL DEFAULT 0;
