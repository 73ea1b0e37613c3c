-- What mailboxes hold and do, by day (UTC, days since 1970): of a mailbox, a domain or a tenant, whose ids are given once.
-- bytes and messages are those of the day's last count; NULL where nothing changed since the last row that has them.
-- No configuration, so no revision.
CREATE TABLE usage_days (
    subject BIGINT NOT NULL,
    day BIGINT NOT NULL,
    bytes BIGINT,
    messages BIGINT,
    imap BIGINT NOT NULL DEFAULT 0,
    pop3 BIGINT NOT NULL DEFAULT 0,
    submission BIGINT NOT NULL DEFAULT 0,
    received BIGINT NOT NULL DEFAULT 0,
    sent BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, day)
);
CREATE INDEX usage_days_by_day ON usage_days (day);
-- What each mailbox held at the last count, and where it counted.
CREATE TABLE usage_held (
    mailbox_id BIGINT PRIMARY KEY,
    domain_id BIGINT NOT NULL,
    path TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL
);
-- What the mailboxes of a domain, or at and below a tenant, held at the last count.
CREATE TABLE usage_sums (
    subject BIGINT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL
);
-- The hour of the last count, so that of many nodes one counts.
CREATE TABLE usage_counts (
    id BIGINT PRIMARY KEY,
    hour BIGINT NOT NULL
);
INSERT INTO usage_counts (id, hour) VALUES (1, 0);
