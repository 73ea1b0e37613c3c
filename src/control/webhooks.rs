//! Webhooks: where a tenant's revisions are sent, signed, as <https://www.standardwebhooks.com> describes.
//!
//! The secret is shown once and sealed. How far each has come is no configuration and makes no revision; who sends
//! is `dispatch`. Invariant: a webhook gets what its tenant reaches, no more.

use super::change::{check_unchanged, view};
use super::editable::{Named, Patch, Writable, check, editable};
use super::passwords::check_name;
use super::{Caller, Control, Error, FieldError, PageRequest, Paged, Record, Result, tenants};
use crate::auth::seal::Seal;
use crate::db::Tx;
use crate::db::webhooks::{self as rows, DeliveryRow, Progress, WebhookRow};
use crate::model::ids::{DeliveryId, TenantId, WebhookId};
use crate::model::{Resource, Revision, Timestamp, bounds};
use crate::net::Outbound;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a secret begins with (Standard Webhooks, "Signature scheme").
pub const SECRET_PREFIX: &str = "whsec_";
/// How long the secret before a new one also signs, milliseconds.
const OVERLAP_MS: i64 = 24 * 3600 * 1000;

/// A webhook as callers see it: without its secret.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose: it gets what happens in this tenant and below.
    pub tenant: TenantId,
    /// Where it is sent.
    #[schema(example = "https://panel.example.org/facteur")]
    pub url: String,
    /// What it is for, for people.
    pub description: String,
    /// Which actions it gets; `*` stands for any letters.
    #[schema(example = json!(["*_mailbox", "update_domain"]))]
    pub events: Vec<String>,
    /// Whether it is sent at all.
    pub enabled: bool,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The fields that you may set on it: those of its PATCH.
    #[schema(value_type = Vec<String>, example = json!(["url", "description", "events", "enabled"]))]
    pub editable: Vec<&'static str>,
    /// The revision that last changed it: the value of its ETag.
    #[serde(skip)]
    pub etag: i64,
}

/// How far a webhook has come.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct WebhookState {
    /// Revisions up to this one are done.
    #[schema(example = 42)]
    pub delivered_to: i64,
    /// Attempts on the next one that failed.
    pub attempts: i64,
    /// Since when all attempts fail.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failing_since: Option<Timestamp>,
    /// When it is tried again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// Why it was disabled, if not by its owner.
    pub disabled_reason: Option<String>,
}

impl From<&WebhookRow> for Webhook {
    fn from(row: &WebhookRow) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            url: row.url.clone(),
            description: row.description.clone(),
            events: row.events.clone(),
            enabled: row.enabled,
            created_at: Timestamp(row.created_at),
            editable: Vec::new(),
            etag: row.revision,
        }
    }
}

impl From<&Progress> for WebhookState {
    fn from(progress: &Progress) -> Self {
        Self {
            delivered_to: progress.delivered_to,
            attempts: progress.attempts,
            failing_since: progress.failing_since.map(Timestamp),
            next_attempt_at: Some(progress.next_attempt_at).filter(|_| progress.attempts > 0).map(Timestamp),
            disabled_reason: progress.disabled_reason.clone(),
        }
    }
}

/// An attempt to deliver a revision.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The revision.
    #[schema(example = 42)]
    pub revision: i64,
    /// Its action.
    #[schema(example = "update_mailbox")]
    pub event: String,
    /// Which attempt on it, from 1.
    pub attempt: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub ms: i64,
    /// The HTTP status of the answer; none when there was none.
    pub status: Option<i64>,
    /// `delivered`, `failed`, or `given_up` when it is not tried again.
    #[schema(example = "delivered")]
    pub outcome: String,
    /// What went wrong.
    pub error: String,
}

impl From<DeliveryRow> for Delivery {
    fn from(row: DeliveryRow) -> Self {
        Self {
            id: row.id,
            revision: row.revision,
            event: row.event,
            attempt: row.attempt,
            at: Timestamp(row.at),
            ms: row.ms,
            status: row.status,
            outcome: row.outcome,
            error: row.error,
        }
    }
}

/// What is said of a webhook: to create one, or to change one, where `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookPatch {
    /// Where it is sent.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Which actions it gets.
    pub events: Option<Vec<String>>,
    /// Whether it is sent at all.
    pub enabled: Option<bool>,
}

impl WebhookPatch {
    fn check(&self, outbound: &Outbound) -> Result<()> {
        let mut errors = Vec::new();
        if self.url.as_ref().is_some_and(|url| url.len() > bounds::URL_OCTETS) {
            let detail = format!("must have at most {} octets", bounds::URL_OCTETS);
            errors.push(FieldError::new("/url", "too_long", detail));
        } else if let Some(Err(error)) = self.url.as_deref().map(|url| outbound.check(url)) {
            errors.push(FieldError::new("/url", "invalid_url", error.to_string()));
        }
        errors.extend(self.description.as_deref().and_then(|text| check_name("/description", text)));
        for (index, pattern) in self.events.iter().flatten().enumerate() {
            let right = |o: u8| o.is_ascii_lowercase() || o.is_ascii_digit() || o == b'_' || o == b'*';
            if pattern.is_empty() || pattern.len() > 64 || !pattern.bytes().all(right) {
                let detail = "must be an action such as update_mailbox, or a pattern such as *_mailbox";
                errors.push(FieldError::new(format!("/events/{index}"), "invalid", detail));
            }
        }
        if self.events.as_ref().is_some_and(|events| events.is_empty() || events.len() > bounds::WEBHOOK_PATTERNS) {
            let detail = format!("must have 1 to {} patterns", bounds::WEBHOOK_PATTERNS);
            errors.push(FieldError::new("/events", "out_of_range", detail));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }

    fn apply(self, row: &mut WebhookRow) {
        row.url = self.url.unwrap_or_else(|| row.url.clone());
        row.description = self.description.unwrap_or_else(|| row.description.clone());
        row.events = self.events.unwrap_or_else(|| row.events.clone());
        row.enabled = self.enabled.unwrap_or(row.enabled);
        if row.enabled {
            row.progress.disabled_reason = None;
        }
    }
}

/// Whether an action fits a pattern, in which `*` stands for any letters.
pub(super) fn fits(pattern: &str, action: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == action };
    let Some(mut left) = action.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = left.get(at + part.len()..).unwrap_or_default();
    }
    left.ends_with(last)
}

/// What a secret is sealed as.
pub(super) fn sealed_name(id: WebhookId) -> String {
    format!("webhook:{id}")
}

/// A new secret: its text for the receiver, and sealed for us.
fn new_secret(seal: &Seal, id: WebhookId) -> Result<(String, Vec<u8>)> {
    let octets: [u8; 32] = rand::random();
    let sealed = seal.seal(&sealed_name(id), &octets).map_err(|e| Error::Internal(e.to_string()))?;
    Ok((format!("{SECRET_PREFIX}{}", STANDARD.encode(octets)), sealed))
}

/// A webhook with what the caller may set on it.
fn show(caller: &Caller, row: &WebhookRow) -> Webhook {
    Webhook { editable: editable(caller, row), ..row.into() }
}

impl Writable for WebhookRow {
    type Patch = WebhookPatch;
    const RESOURCE: Resource = Resource::Webhooks;

    fn may_set(&self, caller: &Caller, _: &str) -> Result<()> {
        caller.may_administer()?;
        caller.may_make_lasting()
    }
}

impl Patch for WebhookPatch {
    fn named(&self) -> Named {
        vec![
            ("url", self.url.is_some()),
            ("description", self.description.is_some()),
            ("events", self.events.is_some()),
            ("enabled", self.enabled.is_some()),
        ]
    }
}

async fn reach(tx: &mut Tx, caller: &Caller, id: WebhookId) -> Result<WebhookRow> {
    let row = rows::find(tx, id).await?.ok_or(Error::NotFound)?;
    caller.reach(&row.path)?;
    Ok(row)
}

fn record(before: Option<&WebhookRow>, after: Option<&WebhookRow>) -> Record {
    let of = |row: &WebhookRow| (row.id.to_string(), row.path.clone());
    let (object, path) = after.or(before).map(of).unwrap_or_default();
    let shown = |row: Option<&WebhookRow>| row.and_then(|row| view(&Webhook::from(row)));
    // No node keeps anything of a webhook in its directory.
    Record { object, path, before: shown(before), after: shown(after), touches: Vec::new() }
}

/// Creates a webhook; the secret is answered once. It gets what happens from here on.
pub async fn create(
    control: &Control,
    (seal, outbound): (&Seal, &Outbound),
    caller: &Caller,
    tenant: Option<TenantId>,
    patch: WebhookPatch,
) -> Result<(Webhook, String, Revision)> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    patch.check(outbound)?;
    let mut change = control.begin(caller, "create_webhook").await?;
    let tenant = tenants::reach(change.tx(), caller, tenant.unwrap_or(caller.tenant)).await?;
    if rows::count(change.tx(), tenant.id).await? >= bounds::WEBHOOKS_PER_TENANT {
        let detail = format!("the tenant has {} webhooks, as many as it may", bounds::WEBHOOKS_PER_TENANT);
        return Err(Error::field("/tenant", "too_many", detail));
    }
    let id = WebhookId(change.new_id());
    let (text, secret) = new_secret(seal, id)?;
    let mut row = WebhookRow {
        id,
        tenant: tenant.id,
        path: tenant.path,
        url: String::new(),
        description: String::new(),
        events: vec!["*".to_owned()],
        enabled: true,
        secret,
        previous: Vec::new(),
        previous_until: 0,
        created_at: change.now(),
        revision: change.revision(),
        progress: Progress {
            delivered_to: change.revision(),
            attempts: 0,
            failing_since: None,
            next_attempt_at: 0,
            leased_until: 0,
            disabled_reason: None,
        },
    };
    patch.apply(&mut row);
    rows::insert(change.tx(), &row).await?;
    let record = record(None, Some(&row));
    Ok((show(caller, &row), text, change.commit(record).await?))
}

/// One webhook, and how far it has come.
pub async fn get(control: &Control, caller: &Caller, id: WebhookId) -> Result<(Webhook, WebhookState)> {
    let mut tx = control.db.read().await?;
    let row = reach(&mut tx, caller, id).await?;
    Ok((show(caller, &row), WebhookState::from(&row.progress)))
}

/// Webhooks of tenants at and below the caller's.
pub async fn list(control: &Control, caller: &Caller, page: PageRequest) -> Result<Paged<(Webhook, WebhookState)>> {
    let mut tx = control.db.read().await?;
    let rows = rows::list(&mut tx, caller.list_path()?, page.into()).await?;
    Ok(Paged::new(rows, page, |row| row.id.0, |row| (show(caller, &row), WebhookState::from(&row.progress))))
}

/// Changes a webhook. One that is enabled anew goes on where it stopped, at once.
pub async fn update(
    control: &Control,
    outbound: &Outbound,
    caller: &Caller,
    id: WebhookId,
    patch: WebhookPatch,
    expected: Option<&[i64]>,
) -> Result<(Webhook, Revision)> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    patch.check(outbound)?;
    let mut change = control.begin(caller, "update_webhook").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check(caller, &before, &patch)?;
    let mut after = before.clone();
    patch.apply(&mut after);
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    if after.enabled && (!before.enabled || before.url != after.url) {
        rows::rewind(change.tx(), id, before.progress.delivered_to).await?;
    }
    Ok((show(caller, &after), change.commit(record(Some(&before), Some(&after))).await?))
}

/// Gives a webhook another secret; the one before also signs for a day, so that no delivery fails meanwhile.
pub async fn rotate(
    control: &Control,
    seal: &Seal,
    caller: &Caller,
    id: WebhookId,
) -> Result<(Webhook, String, Revision)> {
    caller.may_administer()?;
    caller.may_make_lasting()?;
    let mut change = control.begin(caller, "rotate_webhook_secret").await?;
    let before = reach(change.tx(), caller, id).await?;
    let (text, secret) = new_secret(seal, id)?;
    let mut after = before.clone();
    after.previous = std::mem::replace(&mut after.secret, secret);
    after.previous_until = change.now() + OVERLAP_MS;
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    Ok((show(caller, &after), text, change.commit(record(Some(&before), Some(&after))).await?))
}

/// Deletes a webhook.
pub async fn delete(control: &Control, caller: &Caller, id: WebhookId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    let mut change = control.begin(caller, "delete_webhook").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    rows::delete(change.tx(), id).await?;
    change.commit(record(Some(&before), None)).await
}

/// Disables a webhook that cannot be delivered, as Facteur itself.
pub(super) async fn disable(control: &Control, id: WebhookId, reason: &str) -> Result<()> {
    let system = Caller::system();
    let mut change = control.begin(&system, "disable_webhook").await?;
    let Some(before) = rows::find(change.tx(), id).await?.filter(|row| row.enabled) else { return Ok(()) };
    let mut after = before.clone();
    after.enabled = false;
    after.progress.disabled_reason = Some(reason.to_owned());
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    change.commit(record(Some(&before), Some(&after))).await.map(drop)
}

/// Attempts of a webhook, newest first, before an id; the second value is where the next page begins.
pub async fn deliveries(
    control: &Control,
    caller: &Caller,
    id: WebhookId,
    before: Option<i64>,
    limit: usize,
) -> Result<(Vec<Delivery>, Option<i64>)> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await?;
    let limit = limit.clamp(1, bounds::PAGE_ITEMS);
    let mut found = rows::deliveries(&mut tx, id, before.unwrap_or(i64::MAX), limit as i64 + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|row| row.id.0);
    Ok((found.into_iter().map(Delivery::from).collect(), next))
}

/// Sends everything after a revision, again if it was sent; also forward, past what is not wanted.
pub async fn replay(control: &Control, caller: &Caller, id: WebhookId, after: i64) -> Result<(Webhook, WebhookState)> {
    caller.may_administer()?;
    let mut tx = control.db.write().await?;
    reach(&mut tx, caller, id).await?;
    if after < 0 || after > crate::db::revisions::newest(&mut tx).await?.0 {
        return Err(Error::field("/after", "out_of_range", "must be the number of a revision, or 0"));
    }
    if let Some(oldest) =
        crate::db::revisions::oldest(&mut tx).await?.filter(|oldest| after.saturating_add(1) < *oldest)
    {
        return Err(Error::HistoryDropped(oldest));
    }
    rows::rewind(&mut tx, id, after).await?;
    let row = reach(&mut tx, caller, id).await?;
    tx.commit().await?;
    control.committed.notify_one();
    Ok((show(caller, &row), WebhookState::from(&row.progress)))
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_whole_actions() {
        for (pattern, action, expected) in [
            ("*", "update_mailbox", true),
            ("update_mailbox", "update_mailbox", true),
            ("update_mailbox", "update_mailbox_protocols", false),
            ("update_mailbox*", "update_mailbox_protocols", true),
            ("*_mailbox", "delete_mailbox", true),
            ("*_mailbox", "update_mailbox_protocols", false),
            ("*_mailbox*", "update_mailbox_protocols", true),
            ("u*_m*x", "update_mailbox", true),
            ("a*a", "a", false),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, action), expected, "{pattern} {action}");
        }
    }
}
