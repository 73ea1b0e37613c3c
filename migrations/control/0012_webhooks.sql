CREATE TABLE webhooks (
    id BIGINT PRIMARY KEY,
    tenant_id BIGINT NOT NULL REFERENCES tenants (id),
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- A JSON list of patterns of actions.
    events TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    secret_sealed BYTEA NOT NULL,
    -- The secret before, which also signs until a moment; empty when there is none.
    previous_sealed BYTEA NOT NULL,
    previous_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    -- What follows is how far it has come: no configuration. All revisions up to this one are delivered or none of its own.
    delivered_to BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    failing_since BIGINT,
    next_attempt_at BIGINT NOT NULL,
    -- Until when a node has it for itself.
    leased_until BIGINT NOT NULL,
    disabled_reason TEXT
);
CREATE INDEX webhooks_by_tenant ON webhooks (tenant_id, id);

CREATE TABLE webhook_deliveries (
    id BIGINT PRIMARY KEY,
    webhook_id BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    event TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    ms BIGINT NOT NULL,
    -- HTTP status; NULL when there was no answer.
    status BIGINT,
    -- delivered, failed or given_up
    outcome TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (at);
