-- Who tried to sign in to a mailbox: one row for all attempts of an hour that are alike in everything that is shown.
-- '' and 0 stand for none. No configuration, so no revision.
CREATE TABLE login_history (
    mailbox_id BIGINT NOT NULL,
    hour BIGINT NOT NULL,
    protocol TEXT NOT NULL,
    -- '' where there were too many addresses to name.
    peer TEXT NOT NULL,
    tls BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    level TEXT NOT NULL,
    app_password_id BIGINT NOT NULL,
    admitted BIGINT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (mailbox_id, hour, protocol, peer, tls, outcome, reason, level, app_password_id)
);
CREATE INDEX login_history_by_time ON login_history (mailbox_id, admitted, last_at);
CREATE INDEX login_history_by_age ON login_history (last_at);
