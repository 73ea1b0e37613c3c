-- Recipients of what was submitted, by hour: of a mailbox, and of each tenant at and above it. Ids are given once, so
-- one column holds both kinds. No configuration, so no revision.
CREATE TABLE sends (
    subject BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    recipients BIGINT NOT NULL,
    PRIMARY KEY (subject, hour)
);
CREATE INDEX sends_by_hour ON sends (hour);
