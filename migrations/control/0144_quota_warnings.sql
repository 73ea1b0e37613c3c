-- Of which share of its quota a mailbox was last warned, in percent. No configuration, but a warning makes a revision.
CREATE TABLE quota_levels (
    mailbox_id BIGINT PRIMARY KEY,
    percent BIGINT NOT NULL
);
