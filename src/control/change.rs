//! A configuration write: a transaction that can only end in the commit that appends its revision.
//!
//! Invariant: one [`Change`], one revision; dropped without commit, nothing happened.

use super::dry_run::Foreseen;
use super::together::Held;
use super::{Caller, Control, Error, Intent, Result};
use crate::db::effective::{Effective, EffectiveAccess};
use crate::db::idempotency;
use crate::db::revisions::{self, RevisionRow};
use crate::db::{DbError, Tx};
use crate::model::revision::Touch;
use crate::model::{Protocol, Revision};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a revision says of the object that it changed. Never holds a secret: it is made of
/// the views that the API shows.
#[derive(Debug, Default)]
pub struct Record {
    /// The object's id.
    pub object: String,
    /// The path of the tenant it belongs to.
    pub path: String,
    /// The object before.
    pub before: Option<serde_json::Value>,
    /// The object after.
    pub after: Option<serde_json::Value>,
    /// What nodes have to look at again.
    pub touches: Vec<Touch>,
}

/// A transaction with its caller, action and number.
pub struct Change {
    tx: Held,
    control: Control,
    caller: String,
    on_behalf_of: Option<String>,
    action: &'static str,
    revision: Revision,
    now: i64,
    intent: Intent,
}

impl Control {
    /// Begins a configuration write of a caller that may write.
    pub(super) async fn begin(&self, caller: &Caller, action: &'static str) -> Result<Change> {
        caller.may_write()?;
        let mut tx = match &caller.intent.together {
            Some(together) => together.take()?,
            None => Held::alone(self.db.write().await?),
        };
        // Taken first: the row lock puts all writers in order, so that what they read stays true.
        let revision = revisions::next(&mut tx).await?;
        let (control, now) = (self.clone(), self.clock.now_ms());
        let intent = caller.intent.clone();
        let on_behalf_of = caller.actor.is_some().then(|| caller.id.to_string());
        Ok(Change { tx, control, caller: caller.who(), on_behalf_of, action, revision, now, intent })
    }
}

impl Change {
    /// The transaction, for reads and writes.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// The number of the revision that this becomes.
    pub fn revision(&self) -> i64 {
        self.revision.0
    }

    /// When it began, Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// A new id; what is made anew gets its old one.
    pub fn new_id(&mut self) -> i64 {
        self.intent.old_id.take().unwrap_or_else(|| self.control.ids.next(self.now))
    }

    /// Appends the revision, makes all of it durable and wakes the nodes. A dry run ends here, in
    /// [`Error::DryRun`].
    pub async fn commit(mut self, record: Record) -> Result<Revision> {
        if let Some(dry_run) = &self.intent.dry_run {
            if let Some(tx) = self.tx.own() {
                dry_run.leave(Foreseen { tx, action: self.action, record });
            }
            return Err(Error::DryRun);
        }
        let text = |value: Option<serde_json::Value>| value.map(|v| v.to_string());
        let row = RevisionRow {
            number: self.revision.0,
            at: self.now,
            caller: self.caller,
            action: self.action.to_owned(),
            object: record.object,
            path: record.path,
            before: text(record.before),
            after: text(record.after),
            touches: record.touches,
            undoes: self.intent.undoes,
            on_behalf_of: self.on_behalf_of,
            damaged: Vec::new(),
        };
        revisions::insert(&mut self.tx, &row).await?;
        // With the change or not at all: whether it was done is known however its answer gets lost.
        if let Some(key) = &self.intent.once {
            let space = super::idempotency::space_of(&row.caller, row.on_behalf_of.as_deref());
            idempotency::done(&mut self.tx, &space, key, row.number).await?;
        }
        if let Some(together) = self.tx.together() {
            together.made(self.revision);
            return Ok(self.revision);
        }
        self.tx.notify(super::CHANNEL).await?;
        // However this ends: a caller who goes away in the middle of the commit must not delay its effect.
        let _wake = WakeFeed(self.control.committed.clone());
        if let Some(tx) = self.tx.own() {
            tx.commit().await?;
        }
        Ok(self.revision)
    }
}

/// Wakes the feed when dropped; a look at a log without news costs one query.
pub(super) struct WakeFeed(pub(super) Arc<Notify>);

impl Drop for WakeFeed {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// The view of an object as a revision keeps it: without what it says of who looks at it.
pub(super) fn view<T: serde::Serialize>(object: &T) -> Option<serde_json::Value> {
    let mut view = serde_json::to_value(object).ok()?;
    if let Some(fields) = view.as_object_mut() {
        fields.remove("editable");
    }
    Some(view)
}

/// Whose sessions lose their right when what holds goes from `before` to `after`.
pub(super) fn closes(before: &Effective, after: &Effective) -> impl Iterator<Item = Touch> {
    let pairs = [(&before.imap, &after.imap), (&before.pop3, &after.pop3), (&before.submission, &after.submission)];
    let restricts = |before: &EffectiveAccess, after: &EffectiveAccess| {
        before.enabled && !after.enabled || !before.tls_only && after.tls_only || before.allow_from != after.allow_from
    };
    let lost = Protocol::ALL.iter().zip(pairs).filter(move |(_, (before, after))| restricts(before, after));
    lost.map(|(protocol, _)| Touch::Closes(*protocol))
}

/// What ends every session says so with these.
pub(super) fn closes_all() -> impl Iterator<Item = Touch> {
    Protocol::ALL.iter().copied().map(Touch::Closes)
}

/// Names the constraint that stood against a write.
pub(super) fn taken(error: DbError, table: &str, column: &str, what: &'static str) -> Error {
    if error.is_unique(table, column) { Error::AlreadyExists(what) } else { error.into() }
}

/// Says what still refers to an object that was to be deleted.
pub(super) fn in_use(error: DbError, what: &'static str) -> Error {
    if matches!(error, DbError::Referred) { Error::InUse(what) } else { error.into() }
}

/// Refuses a write to an object that was changed since the caller read it (If-Match).
pub(super) fn check_unchanged(expected: Option<&[i64]>, revision: i64) -> Result<()> {
    if expected.is_some_and(|expected| !expected.contains(&revision)) { Err(Error::Stale) } else { Ok(()) }
}
