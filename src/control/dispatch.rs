//! Sends revisions to webhooks: in order, again until they arrive, from where each stands in the log.
//!
//! The log itself is the queue, so nothing is lost by a restart, and a webhook that lags costs nothing. Of several nodes one
//! sends, under a lease. Invariant: how far a webhook has come is written after the answer, so that a revision is sent at
//! least once, always under the same `webhook-id`.

use super::revisions::RevisionView;
use super::webhooks::{disable, fits, sealed_name};
use super::{Control, Result};
use crate::auth::seal::Seal;
use crate::db::revisions as log;
use crate::db::webhooks::{self as rows, DeliveryRow, Progress, WebhookRow};
use crate::model::ids::{DeliveryId, WebhookId};
use crate::model::{Revision, Timestamp, bounds};
use crate::net::Outbound;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Between two looks for what is due.
const TURN: Duration = Duration::from_secs(1);
/// A node has a webhook for itself so long, longer than any attempt.
const LEASE_MS: i64 = 60_000;
/// When a webhook that another node has is looked at again.
const OTHERS_MS: i64 = 5_000;
/// Revisions read at once.
const BATCH: i64 = 200;
/// Rests after the first, second, … failed attempt, seconds; then the last one again and again.
const RESTS: [i64; 8] = [5, 30, 120, 600, 1800, 3600, 7200, 14_400];
/// Attempts after which an event is given up that the receiver refuses for what it is.
const REFUSALS: i64 = 8;
/// A webhook that only fails is disabled after so long.
const FAILING_MS: i64 = 5 * 24 * 3600 * 1000;

/// What sending takes; cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    /// The rules, and the clock.
    pub control: Control,
    /// Opens the secrets.
    pub seal: Seal,
    /// The client.
    pub outbound: Outbound,
}

/// Names and values.
type Headers = Vec<(&'static str, String)>;

/// What is known of a webhook without asking.
struct Known {
    row: WebhookRow,
    /// Whether the log may hold something for it.
    pending: bool,
    busy: bool,
    not_before: i64,
}

/// What came of a turn of one webhook.
struct Done {
    id: WebhookId,
    /// Whether there is more, and not before when.
    again: Option<i64>,
    /// How far it has come, where this node had it.
    progress: Option<Progress>,
    /// When the turn ended.
    at: i64,
}

impl Dispatch {
    /// Sends until it is told to stop; `applied` changes with each revision.
    pub async fn run(self, mut applied: watch::Receiver<Revision>, stop: CancellationToken) {
        let (done, mut finished) = mpsc::unbounded_channel();
        let places = Arc::new(Semaphore::new(bounds::WEBHOOK_SENDERS));
        let (mut known, mut seen) = (HashMap::new(), None);
        loop {
            if let Err(error) = self.look(&mut known, &mut seen).await {
                tracing::warn!(%error, "webhooks cannot be looked at");
            }
            let now = self.control.now_ms();
            let due = known.iter_mut().filter(|(_, known)| known.pending && !known.busy && known.not_before <= now);
            let mut due: Vec<_> = due.collect();
            // Who has waited longest comes first, so that none with a long backlog keeps the others from a place.
            due.sort_unstable_by_key(|(_, known)| known.not_before);
            for (id, webhook) in due {
                let Ok(place) = places.clone().try_acquire_owned() else { break };
                (webhook.busy, webhook.pending) = (true, false);
                let (dispatch, id, done, stop) = (self.clone(), *id, done.clone(), stop.clone());
                tokio::spawn(async move {
                    let (again, progress) = dispatch.turn(id, &stop).await.unwrap_or_else(|error| {
                        tracing::warn!(webhook = %id, %error, "a webhook cannot be served now");
                        (Some(dispatch.control.now_ms() + OTHERS_MS), None)
                    });
                    let _ = done.send(Done { id, again, progress, at: dispatch.control.now_ms() });
                    drop(place);
                });
            }
            tokio::select! {
                () = stop.cancelled() => break,
                _ = applied.changed() => {}
                Some(done) = finished.recv() => finish(&mut known, done),
                () = tokio::time::sleep(TURN) => {}
            }
        }
        // Attempts that are under way end by themselves; what they learn is written.
        let all = u32::try_from(bounds::WEBHOOK_SENDERS).unwrap_or(u32::MAX);
        let _ = places.acquire_many(all).await;
    }

    /// Which webhooks there are, and for which of them something has come.
    async fn look(&self, known: &mut HashMap<WebhookId, Known>, seen: &mut Option<i64>) -> Result<()> {
        let mut tx = self.control.db.read().await?;
        let newest = log::newest(&mut tx).await?.0;
        let rows = rows::enabled(&mut tx).await?;
        let mut before: HashMap<WebhookId, Known> = std::mem::take(known);
        for row in rows {
            let webhook = match before.remove(&row.id) {
                Some(old) if is_changed(&old.row, &row) => {
                    let not_before = row.progress.next_attempt_at;
                    Known { pending: true, busy: old.busy, not_before, row }
                }
                Some(old) => Known { row, ..old },
                None => Known { pending: true, busy: false, not_before: row.progress.next_attempt_at, row },
            };
            known.insert(webhook.row.id, webhook);
        }
        // At the start each has its turn, which reads the log from where it stands.
        let mut at = seen.unwrap_or(newest);
        while at < newest && !known.is_empty() {
            let batch = log::headings_after(&mut tx, at, BATCH).await?;
            let Some(last) = batch.last() else { break };
            at = last.number;
            for webhook in known.values_mut() {
                webhook.pending |= batch.iter().any(|one| is_for(&webhook.row, &one.path, &one.action));
            }
        }
        *seen = Some(newest);
        Ok(())
    }

    /// A turn of one webhook, if it is to be had: when to look again, if there is more, and how far it has come.
    async fn turn(&self, id: WebhookId, stop: &CancellationToken) -> Result<(Option<i64>, Option<Progress>)> {
        let now = self.control.now_ms();
        let mut tx = self.control.db.write().await?;
        if !rows::claim(&mut tx, id, now, now + LEASE_MS).await? {
            return Ok((Some(now + OTHERS_MS), None));
        }
        let Some(mut row) = rows::find(&mut tx, id).await? else { return Ok((None, None)) };
        tx.commit().await?;
        let again = self.send(&mut row, stop).await?;
        Ok((again, Some(row.progress)))
    }

    /// Sends what a webhook has to get, as far as its turn goes. When to look again, if there is more.
    async fn send(&self, row: &mut WebhookRow, stop: &CancellationToken) -> Result<Option<i64>> {
        let began = Instant::now();
        loop {
            let mut tx = self.control.db.read().await?;
            let newest = log::newest(&mut tx).await?.0;
            let batch = log::list_after(&mut tx, &row.path, row.progress.delivered_to, BATCH).await?;
            drop(tx);
            let full = batch.len() as i64 == BATCH;
            let mut passed = row.progress.delivered_to;
            for revision in batch {
                passed = revision.number;
                if !is_for(row, &revision.path, &revision.action) {
                    continue;
                }
                // The place is for others, too: slow receivers have long backlogs.
                if stop.is_cancelled() || began.elapsed() >= bounds::WEBHOOK_TURN_TIME {
                    let to = Progress { leased_until: 0, ..row.progress.clone() };
                    self.advance(row, to, None).await?;
                    return Ok(Some(self.control.now_ms()));
                }
                let revision = RevisionView::from(revision);
                if !self.attempt(row, &revision).await? {
                    return Ok(Some(row.progress.next_attempt_at.max(self.control.now_ms())));
                }
            }
            if !full {
                // Nothing of its own lies before the newest: the next look begins there. Nothing fails, either.
                let to = Progress {
                    delivered_to: newest.max(passed),
                    leased_until: 0,
                    failing_since: None,
                    ..row.progress.clone()
                };
                let ours = self.advance(row, to, None).await?;
                return Ok((!ours).then(|| self.control.now_ms()));
            }
            let leased_until = self.control.now_ms() + LEASE_MS;
            let to = Progress { delivered_to: passed, leased_until, ..row.progress.clone() };
            if !self.advance(row, to, None).await? {
                return Ok(Some(self.control.now_ms()));
            }
        }
    }

    /// Writes how far a webhook has come, and the attempt that brought it there; false when it is no longer ours, or no
    /// longer as we know it: its turn ends.
    async fn advance(&self, row: &mut WebhookRow, to: Progress, delivery: Option<&DeliveryRow>) -> Result<bool> {
        let mut tx = self.control.db.write().await?;
        let ours = rows::advance(&mut tx, row, &to).await?;
        if !ours {
            // Left where it was: of what was passed by its former patterns, the new ones may want something.
            rows::let_go(&mut tx, row).await?;
        }
        if let Some(delivery) = delivery {
            rows::note(&mut tx, delivery).await?;
        }
        tx.commit().await?;
        if ours {
            row.progress = to;
        }
        Ok(ours)
    }

    /// Sends one revision; true when the next one may follow.
    async fn attempt(&self, row: &mut WebhookRow, revision: &RevisionView) -> Result<bool> {
        let (at, began) = (self.control.now_ms(), Instant::now());
        let (headers, body) = self.message(row, revision)?;
        let answer = self.outbound.post(&row.url, &headers, body).await;
        let now = self.control.now_ms();
        let status = answer.as_ref().ok().map(|status| i64::from(*status));
        let progress = &row.progress;
        let attempt = progress.attempts + 1;
        let delivered = matches!(status, Some(200..=299));
        let given_up = !delivered && refuses(status) && attempt >= REFUSALS;
        let error = match &answer {
            Ok(_) if delivered => String::new(),
            Ok(status) => format!("the receiver answered {status}"),
            Err(error) => error.to_string(),
        };
        let outcome = if delivered {
            "delivered"
        } else if given_up {
            "given_up"
        } else {
            "failed"
        };
        let delivery = DeliveryRow {
            id: DeliveryId(self.control.ids.next(now)),
            webhook: row.id,
            revision: revision.number,
            event: revision.action.clone(),
            attempt,
            at,
            ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
            status,
            outcome: outcome.to_owned(),
            error: error.clone(),
        };
        let failing_since = if delivered { None } else { Some(progress.failing_since.unwrap_or(at)) };
        let to = if delivered || given_up {
            let delivered_to = revision.number;
            let leased_until = now + LEASE_MS;
            Progress {
                delivered_to,
                attempts: 0,
                failing_since,
                next_attempt_at: 0,
                leased_until,
                disabled_reason: None,
            }
        } else {
            let next_attempt_at = now + rest(attempt) * 1000;
            Progress { attempts: attempt, failing_since, next_attempt_at, leased_until: 0, ..progress.clone() }
        };
        let ours = self.advance(row, to, Some(&delivery)).await?;
        let failing = failing_since.is_some_and(|since| now - since >= FAILING_MS);
        // RFC 9110 §15.5.11: gone for good.
        if ours && (failing || status == Some(410)) {
            disable(&self.control, row.id, &format!("disabled after failures: {error}")).await?;
            return Ok(false);
        }
        Ok(ours && (delivered || given_up))
    }

    /// The headers and body of a delivery (Standard Webhooks 1.0, "Webhook headers" and "Signature scheme").
    fn message(&self, row: &WebhookRow, revision: &RevisionView) -> Result<(Headers, Vec<u8>)> {
        let wrong = |error: String| super::Error::Internal(error);
        let payload =
            serde_json::json!({ "type": revision.action, "timestamp": Timestamp(revision.at.0), "data": revision });
        let body = payload.to_string().into_bytes();
        let id = format!("{}_{}", row.id, revision.number);
        let timestamp = self.control.clock.now().to_string();
        let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
        let mut signatures = Vec::new();
        let previous = (row.previous_until > self.control.now_ms()).then_some(&row.previous);
        for sealed in std::iter::once(&row.secret).chain(previous) {
            let secret = self.seal.open_sealed(&sealed_name(row.id), sealed).map_err(|e| wrong(e.to_string()))?;
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &signed);
            signatures.push(format!("v1,{}", STANDARD.encode(tag.as_ref())));
        }
        let headers =
            vec![("webhook-id", id), ("webhook-timestamp", timestamp), ("webhook-signature", signatures.join(" "))];
        Ok((headers, body))
    }
}

fn finish(known: &mut HashMap<WebhookId, Known>, Done { id, again, progress, at }: Done) {
    let Some(webhook) = known.get_mut(&id) else { return };
    webhook.busy = false;
    webhook.pending |= again.is_some();
    webhook.not_before = again.unwrap_or(at);
    webhook.row.progress = progress.unwrap_or(webhook.row.progress.clone());
}

/// Whether a webhook was rewound, changed, or rests until another time, so that the log is looked at anew. That it went on
/// is no such change, nor is who has it: nodes would wake each other for ever.
fn is_changed(old: &WebhookRow, new: &WebhookRow) -> bool {
    new.revision != old.revision
        || new.progress.delivered_to < old.progress.delivered_to
        || new.progress.next_attempt_at != old.progress.next_attempt_at
}

/// Whether a revision is a webhook's: of its tenant or below, and one of its events.
pub(super) fn is_for(row: &WebhookRow, path: &str, action: &str) -> bool {
    path.starts_with(&row.path) && row.events.iter().any(|pattern| fits(pattern, action))
}

/// Whether the receiver refuses this event for what it is, so that trying again for days is of no use.
fn refuses(status: Option<i64>) -> bool {
    matches!(status, Some(400..=499)) && !matches!(status, Some(408 | 410 | 425 | 429))
}

/// Seconds to rest after so many failed attempts, with some chance in it so that not all come back at once.
fn rest(attempts: i64) -> i64 {
    let at = usize::try_from(attempts - 1).unwrap_or(0).min(RESTS.len() - 1);
    let base = RESTS.get(at).copied().unwrap_or(5);
    base + i64::from(rand::random::<u16>()) * base / (5 * i64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_bound() {
        for (attempts, least) in [(1, 5), (2, 30), (8, 14_400), (100, 14_400)] {
            let rest = rest(attempts);
            assert!((least..=least + least / 5).contains(&rest), "{attempts}: {rest}");
        }
        assert!(refuses(Some(404)) && !refuses(Some(429)) && !refuses(Some(503)) && !refuses(None));
    }
}
