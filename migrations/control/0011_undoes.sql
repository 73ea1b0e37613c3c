-- The revision that this one undoes, if it does.
ALTER TABLE revisions ADD COLUMN undoes BIGINT;
CREATE INDEX revisions_by_undoes ON revisions (undoes) WHERE undoes IS NOT NULL;
