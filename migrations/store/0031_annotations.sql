-- What clients note about folders (RFC 5464); folder 0 is the mailbox as a whole. Entries are in lower case.
CREATE TABLE annotations (
    mailbox_id BIGINT NOT NULL,
    folder_id BIGINT NOT NULL,
    entry TEXT NOT NULL,
    value BYTEA NOT NULL,
    PRIMARY KEY (mailbox_id, folder_id, entry)
) --: WITHOUT ROWID
;
