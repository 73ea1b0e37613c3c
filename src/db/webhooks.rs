//! Rows of `webhooks`: where revisions are sent, and how far each has come; and of what was sent.

use super::{DbError, Page, Result, Row, Tx};
use crate::model::ids::{DeliveryId, TenantId, WebhookId};

/// A webhook.
#[derive(Clone)]
pub struct WebhookRow {
    /// Its id.
    pub id: WebhookId,
    /// Whose: it gets revisions of this tenant and below.
    pub tenant: TenantId,
    /// That tenant's path.
    pub path: String,
    /// Where it is sent.
    pub url: String,
    /// What it is for, for people.
    pub description: String,
    /// Patterns of actions.
    pub events: Vec<String>,
    /// Whether it is sent at all.
    pub enabled: bool,
    /// The secret, sealed.
    pub secret: Vec<u8>,
    /// The secret before, sealed; empty when there is none.
    pub previous: Vec<u8>,
    /// Until when the one before also signs, Unix milliseconds.
    pub previous_until: i64,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that last wrote it.
    pub revision: i64,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a webhook has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Revisions up to this one are done.
    pub delivered_to: i64,
    /// Attempts on the next one that failed.
    pub attempts: i64,
    /// Since when all attempts fail, Unix milliseconds.
    pub failing_since: Option<i64>,
    /// Not before, Unix milliseconds.
    pub next_attempt_at: i64,
    /// Until when a node has it for itself, Unix milliseconds.
    pub leased_until: i64,
    /// Why it was disabled, if not by its owner.
    pub disabled_reason: Option<String>,
}

/// An attempt to deliver.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// Of which webhook.
    pub webhook: WebhookId,
    /// Which revision.
    pub revision: i64,
    /// Its action.
    pub event: String,
    /// Which attempt, from 1.
    pub attempt: i64,
    /// Unix milliseconds.
    pub at: i64,
    /// How long it took, milliseconds.
    pub ms: i64,
    /// HTTP status; none when there was no answer.
    pub status: Option<i64>,
    /// `delivered`, `failed` or `given_up`.
    pub outcome: String,
    /// What went wrong; empty when nothing did.
    pub error: String,
}

/// The start of every query that [`read`] takes rows of.
macro_rules! select_webhooks {
    () => {
        "SELECT w.id, w.tenant_id, t.path, w.url, w.description, w.events, w.enabled, w.secret_sealed, \
         w.previous_sealed, w.previous_until, w.created_at, w.revision, w.delivered_to, w.attempts, w.failing_since, \
         w.next_attempt_at, w.leased_until, w.disabled_reason FROM webhooks w JOIN tenants t ON t.id = w.tenant_id "
    };
}

fn read(row: &Row) -> Result<WebhookRow> {
    let events: String = row.get(5)?;
    Ok(WebhookRow {
        id: WebhookId(row.get(0)?),
        tenant: TenantId(row.get(1)?),
        path: row.get(2)?,
        url: row.get(3)?,
        description: row.get(4)?,
        events: serde_json::from_str(&events).map_err(|e| DbError::Damaged(e.to_string()))?,
        enabled: row.get::<i64>(6)? != 0,
        secret: row.get(7)?,
        previous: row.get(8)?,
        previous_until: row.get(9)?,
        created_at: row.get(10)?,
        revision: row.get(11)?,
        progress: Progress {
            delivered_to: row.get(12)?,
            attempts: row.get(13)?,
            failing_since: row.get(14)?,
            next_attempt_at: row.get(15)?,
            leased_until: row.get(16)?,
            disabled_reason: row.get(17)?,
        },
    })
}

/// A webhook by its id.
pub async fn find(tx: &mut Tx, id: WebhookId) -> Result<Option<WebhookRow>> {
    const SQL: &str = concat!(select_webhooks!(), "WHERE w.id = $1");
    tx.one(SQL, &[id.0.into()]).await?.as_ref().map(read).transpose()
}

/// Webhooks of tenants at and below a path, by id.
pub async fn list(tx: &mut Tx, path: &str, page: Page) -> Result<Vec<WebhookRow>> {
    const SQL: &str =
        concat!(select_webhooks!(), "WHERE t.path >= $1 AND t.path < $2 AND w.id > $3 ORDER BY w.id LIMIT $4");
    let args = [path.into(), super::tenants::path_end(path).into(), page.after.into(), page.fetch()];
    tx.all(SQL, &args).await?.iter().map(read).collect()
}

/// All that are enabled.
pub async fn enabled(tx: &mut Tx) -> Result<Vec<WebhookRow>> {
    const SQL: &str = concat!(select_webhooks!(), "WHERE w.enabled = 1 ORDER BY w.id");
    tx.all(SQL, &[]).await?.iter().map(read).collect()
}

/// How many a tenant has.
pub async fn count(tx: &mut Tx, tenant: TenantId) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1";
    tx.one(SQL, &[tenant.0.into()]).await?.map_or(Ok(0), |row| row.get(0))
}

fn events(webhook: &WebhookRow) -> String {
    serde_json::Value::from(webhook.events.clone()).to_string()
}

/// Adds a webhook.
pub async fn insert(tx: &mut Tx, webhook: &WebhookRow) -> Result<()> {
    const SQL: &str = "INSERT INTO webhooks (id, tenant_id, url, description, events, enabled, secret_sealed, previous_sealed, previous_until, created_at, \
         revision, delivered_to, attempts, next_attempt_at, leased_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, 0, 0, 0)";
    let args = [
        webhook.id.0.into(),
        webhook.tenant.0.into(),
        webhook.url.as_str().into(),
        webhook.description.as_str().into(),
        events(webhook).into(),
        webhook.enabled.into(),
        webhook.secret.as_slice().into(),
        webhook.previous.as_slice().into(),
        webhook.created_at.into(),
        webhook.revision.into(),
        webhook.progress.delivered_to.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Writes what is configured of it.
pub async fn update(tx: &mut Tx, webhook: &WebhookRow) -> Result<()> {
    const SQL: &str = "UPDATE webhooks SET url = $2, description = $3, events = $4, enabled = $5, secret_sealed = $6, previous_sealed = $7, \
         previous_until = $8, revision = $9, disabled_reason = $10 WHERE id = $1";
    let args = [
        webhook.id.0.into(),
        webhook.url.as_str().into(),
        webhook.description.as_str().into(),
        events(webhook).into(),
        webhook.enabled.into(),
        webhook.secret.as_slice().into(),
        webhook.previous.as_slice().into(),
        webhook.previous_until.into(),
        webhook.revision.into(),
        webhook.progress.disabled_reason.clone().into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Begins anew after a revision: all later ones are sent, again if they were.
pub async fn rewind(tx: &mut Tx, id: WebhookId, to: i64) -> Result<()> {
    const SQL: &str = "UPDATE webhooks SET delivered_to = $2, attempts = 0, failing_since = NULL, next_attempt_at = 0, leased_until = 0 WHERE id = $1";
    tx.execute(SQL, &[id.0.into(), to.into()]).await.map(drop)
}

/// Takes a webhook that is due for one node; false when another has it or it is not due.
pub async fn claim(tx: &mut Tx, id: WebhookId, now: i64, until: i64) -> Result<bool> {
    const SQL: &str = "UPDATE webhooks SET leased_until = $3 WHERE id = $1 AND enabled = 1 AND leased_until <= $2 AND next_attempt_at <= $2";
    Ok(tx.execute(SQL, &[id.0.into(), now.into(), until.into()]).await? == 1)
}

/// Writes how far it has come, unless it was rewound, taken over, disabled or otherwise changed since it was read (then
/// false).
pub async fn advance(tx: &mut Tx, read: &WebhookRow, to: &Progress) -> Result<bool> {
    const SQL: &str = "UPDATE webhooks SET delivered_to = $5, attempts = $6, failing_since = $7, next_attempt_at = $8, leased_until = $9 \
         WHERE id = $1 AND enabled = 1 AND revision = $2 AND delivered_to = $3 AND leased_until = $4";
    let args = [
        read.id.0.into(),
        read.revision.into(),
        read.progress.delivered_to.into(),
        read.progress.leased_until.into(),
        to.delivered_to.into(),
        to.attempts.into(),
        to.failing_since.into(),
        to.next_attempt_at.into(),
        to.leased_until.into(),
    ];
    Ok(tx.execute(SQL, &args).await? == 1)
}

/// Gives it back as it is, where it is still held as it was read: the next turn takes it by its new configuration.
pub async fn let_go(tx: &mut Tx, read: &WebhookRow) -> Result<()> {
    const SQL: &str = "UPDATE webhooks SET leased_until = 0 WHERE id = $1 AND leased_until = $2";
    tx.execute(SQL, &[read.id.0.into(), read.progress.leased_until.into()]).await.map(drop)
}

/// Removes it and what was noted of its deliveries.
pub async fn delete(tx: &mut Tx, id: WebhookId) -> Result<()> {
    tx.execute("DELETE FROM webhook_deliveries WHERE webhook_id = $1", &[id.0.into()]).await?;
    tx.execute("DELETE FROM webhooks WHERE id = $1", &[id.0.into()]).await.map(drop)
}

/// Notes an attempt.
pub async fn note(tx: &mut Tx, delivery: &DeliveryRow) -> Result<()> {
    const SQL: &str = "INSERT INTO webhook_deliveries (id, webhook_id, revision, event, attempt, at, ms, status, outcome, error) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let args = [
        delivery.id.0.into(),
        delivery.webhook.0.into(),
        delivery.revision.into(),
        delivery.event.as_str().into(),
        delivery.attempt.into(),
        delivery.at.into(),
        delivery.ms.into(),
        delivery.status.into(),
        delivery.outcome.as_str().into(),
        delivery.error.as_str().into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Attempts of a webhook, newest first, before an id.
pub async fn deliveries(tx: &mut Tx, id: WebhookId, before: i64, limit: i64) -> Result<Vec<DeliveryRow>> {
    const SQL: &str = "SELECT id, webhook_id, revision, event, attempt, at, ms, status, outcome, error FROM webhook_deliveries \
         WHERE webhook_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    let read = |row: &Row| {
        Ok(DeliveryRow {
            id: DeliveryId(row.get(0)?),
            webhook: WebhookId(row.get(1)?),
            revision: row.get(2)?,
            event: row.get(3)?,
            attempt: row.get(4)?,
            at: row.get(5)?,
            ms: row.get(6)?,
            status: row.get(7)?,
            outcome: row.get(8)?,
            error: row.get(9)?,
        })
    };
    tx.all(SQL, &[id.0.into(), before.into(), limit.into()]).await?.iter().map(read).collect()
}

/// Forgets attempts that are older than a moment.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM webhook_deliveries WHERE at < $1", &[before.into()]).await.map(drop)
}
