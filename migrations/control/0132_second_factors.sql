-- 1 where a sign-in takes a code besides the password.
ALTER TABLE users ADD COLUMN second_factor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE mailboxes ADD COLUMN second_factor BIGINT NOT NULL DEFAULT 0;

CREATE TABLE second_factors (
    -- The id of a user or a mailbox.
    owner TEXT PRIMARY KEY,
    secret_sealed BYTEA NOT NULL,
    -- 0 until its owner has shown that codes come out right.
    confirmed BIGINT NOT NULL,
    -- The newest step of time whose code was taken (RFC 6238 §5.2): each is taken once.
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Codes for a lost device. Keyed hashes: without the master key they cannot be tried against guesses.
CREATE TABLE recovery_codes (
    owner TEXT NOT NULL,
    code_hash BYTEA NOT NULL,
    PRIMARY KEY (owner, code_hash)
);
