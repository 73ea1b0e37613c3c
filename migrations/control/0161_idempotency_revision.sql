-- The revision that the first request under a key made, written by the change's own transaction: there exactly when it is done.
ALTER TABLE idempotency_keys ADD COLUMN revision BIGINT;
