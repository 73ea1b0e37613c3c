-- Plans, what tenants and plans say about protocols, and how much each tenant has.

CREATE TABLE plans (
    id BIGINT PRIMARY KEY,
    -- Who sells it.
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    -- Limits: NULL is none.
    domains BIGINT,
    mailboxes BIGINT,
    aliases BIGINT,
    bytes BIGINT,
    sends_per_day BIGINT,
    -- Whether what is handed out may in sum pass the limits.
    oversell BIGINT NOT NULL,
    -- What a mailbox may hold that says nothing: NULL is no limit.
    quota_bytes BIGINT,
    quota_messages BIGINT,
    -- A JSON list of protocols; '' allows all.
    allowed TEXT NOT NULL,
    imap TEXT NOT NULL,
    pop3 TEXT NOT NULL,
    submission TEXT NOT NULL,
    pop3_on_delete TEXT NOT NULL,
    pop3_expire_days BIGINT,
    -- JSON; '' restricts nothing.
    restrictions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    CONSTRAINT plans_name_key UNIQUE (tenant_id, name)
);

ALTER TABLE tenants ADD COLUMN plan_id BIGINT REFERENCES plans (id);
ALTER TABLE tenants ADD COLUMN imap TEXT NOT NULL DEFAULT 'inherit';
ALTER TABLE tenants ADD COLUMN pop3 TEXT NOT NULL DEFAULT 'inherit';
ALTER TABLE tenants ADD COLUMN submission TEXT NOT NULL DEFAULT 'inherit';
ALTER TABLE tenants ADD COLUMN pop3_on_delete TEXT NOT NULL DEFAULT '';
ALTER TABLE tenants ADD COLUMN pop3_expire_days BIGINT;
ALTER TABLE tenants ADD COLUMN restrictions TEXT NOT NULL DEFAULT '';
CREATE INDEX tenants_by_plan ON tenants (plan_id);

ALTER TABLE domains ADD COLUMN restrictions TEXT NOT NULL DEFAULT '';
ALTER TABLE mailboxes ADD COLUMN restrictions TEXT NOT NULL DEFAULT '';

-- What a tenant has: objects at and below it, quotas of its own mailboxes. Written in the
-- transaction that makes or removes the object.
CREATE TABLE tenant_counts (
    tenant_id BIGINT PRIMARY KEY,
    domains BIGINT NOT NULL,
    mailboxes BIGINT NOT NULL,
    aliases BIGINT NOT NULL,
    -- Octets that its own mailboxes were given by name.
    quota_bytes BIGINT NOT NULL,
    -- How many of its own mailboxes take their quota from the plan.
    inheriting BIGINT NOT NULL
);
INSERT INTO tenant_counts (tenant_id, domains, mailboxes, aliases, quota_bytes, inheriting)
SELECT t.id,
    (SELECT COUNT(*) FROM domains d JOIN tenants x ON x.id = d.tenant_id WHERE x.path >= t.path AND x.path < t.path || '~'),
    (SELECT COUNT(*) FROM mailboxes m JOIN tenants x ON x.id = m.tenant_id WHERE x.path >= t.path AND x.path < t.path || '~'),
    (SELECT COUNT(*) FROM aliases a JOIN tenants x ON x.id = a.tenant_id WHERE x.path >= t.path AND x.path < t.path || '~'),
    (SELECT CAST(COALESCE(SUM(m.quota_bytes), 0) AS BIGINT) FROM mailboxes m WHERE m.tenant_id = t.id),
    (SELECT COUNT(*) FROM mailboxes m WHERE m.tenant_id = t.id AND m.quota_bytes IS NULL)
FROM tenants t;
