-- Changes that begin or end by themselves. Exactly one of mailbox_id and domain_id is set.
CREATE TABLE scheduled_changes (
    id BIGINT PRIMARY KEY,
    mailbox_id BIGINT,
    domain_id BIGINT,
    begins_at BIGINT NOT NULL,
    -- When it goes back to what was; NULL never.
    ends_at BIGINT,
    -- JSON: what is changed, as the operation itself takes it.
    body TEXT NOT NULL,
    -- waiting, running or failed
    state TEXT NOT NULL,
    error TEXT NOT NULL,
    -- The revision that began it.
    began BIGINT,
    caller TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- When a node looks at it next; NULL never.
    due_at BIGINT
);
CREATE INDEX scheduled_changes_by_mailbox ON scheduled_changes (mailbox_id);
CREATE INDEX scheduled_changes_by_domain ON scheduled_changes (domain_id);
CREATE INDEX scheduled_changes_by_due ON scheduled_changes (due_at) WHERE due_at IS NOT NULL;
