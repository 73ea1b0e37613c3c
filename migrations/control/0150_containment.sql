-- 1 where a suspension contains a mailbox: it is shown with the mailbox and ends by releasing it.
ALTER TABLE suspensions ADD COLUMN contains BIGINT NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX suspensions_containing ON suspensions (mailbox_id) WHERE contains = 1;
