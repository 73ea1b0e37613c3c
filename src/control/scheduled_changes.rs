//! Scheduled changes: a protocol switched on until Friday, a suspension from the first of the month.
//!
//! Here is when each is due and how far it has come; what it does goes through the operation that it schedules, in the same
//! transaction. One that goes back gives each field its value from before, unless it was changed since. Invariant: it begins and
//! ends at most once, whoever crashes.

use super::change::view;
use super::suspensions::reach;
use super::together::Together;
use super::{Caller, Control, Error, Record, Result, sign_in};
use crate::db::scheduled_changes::{self as rows, ScheduledRow};
use crate::db::suspensions::Suspended;
use crate::model::ids::ScheduledChangeId;
use crate::model::{Revision, Timestamp, bounds};
use serde_json::Value;

/// Changes that are looked at in one turn.
const BATCH: i64 = 50;

/// A scheduled change as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct ScheduledChange {
    /// Its id.
    pub id: ScheduledChangeId,
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it goes back; `null` never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// What changes, as the operation itself takes it.
    #[schema(value_type = Option<Object>)]
    pub protocols: Option<Value>,
    /// What is suspended, as the operation itself takes it.
    #[schema(value_type = Option<Object>)]
    pub suspension: Option<Value>,
    /// `waiting`, `running` (until it goes back) or `failed`.
    #[schema(example = "running")]
    pub state: String,
    /// Why it failed; empty unless it did.
    pub error: String,
    /// The revision that began it.
    #[schema(example = 42)]
    pub began: Option<i64>,
    /// For whom it is done.
    pub by: String,
    /// When it was scheduled.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<&ScheduledRow> for ScheduledChange {
    fn from(row: &ScheduledRow) -> Self {
        let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
        Self {
            id: row.id,
            at: Timestamp(row.begins_at),
            until: row.ends_at.map(Timestamp),
            protocols: body.get("protocols").cloned(),
            suspension: body.get("suspension").cloned(),
            state: row.state.clone(),
            error: row.error.clone(),
            began: row.began,
            by: row.caller.clone(),
            created_at: Timestamp(row.created_at),
        }
    }
}

/// A change to schedule.
#[derive(Debug, Clone)]
pub struct NewScheduledChange {
    /// When it begins; none now.
    pub at: Option<Timestamp>,
    /// When it goes back.
    pub until: Option<Timestamp>,
    /// `{"protocols": …}` or `{"suspension": …}`, as the operations take them.
    pub body: Value,
}

/// Schedules a change, in a transaction with what it may do at once.
pub async fn create(
    control: &Control,
    caller: &Caller,
    of: Suspended,
    new: NewScheduledChange,
) -> Result<(ScheduledRow, Revision)> {
    caller.may_administer()?;
    caller.acts_for_itself()?;
    let now = control.now_ms();
    let begins_at = new.at.map_or(now, |at| at.0);
    if begins_at < now {
        return Err(Error::field("/at", "past", "must lie in the future, or be absent: then it begins now"));
    }
    if new.until.is_some_and(|until| until.0 <= begins_at) {
        return Err(Error::field("/until", "past", "must lie after the beginning"));
    }
    let mut change = control.begin(caller, "create_scheduled_change").await?;
    let target = reach(change.tx(), caller, of).await?;
    if rows::list(change.tx(), of).await?.len() >= bounds::SCHEDULED_CHANGES {
        return Err(Error::InUse("too many changes are scheduled here: remove some"));
    }
    let row = ScheduledRow {
        id: ScheduledChangeId(change.new_id()),
        of,
        begins_at,
        ends_at: new.until.map(|until| until.0),
        body: new.body.to_string(),
        state: "waiting".to_owned(),
        error: String::new(),
        began: None,
        caller: caller.id.to_string(),
        created_at: now,
        due_at: Some(begins_at),
    };
    rows::insert(change.tx(), &row).await?;
    let after = view(&ScheduledChange::from(&row));
    let record = Record { object: target.object, path: target.path, before: None, after, touches: Vec::new() };
    Ok((row, change.commit(record).await?))
}

/// What is scheduled for a mailbox or a domain.
pub async fn list(control: &Control, caller: &Caller, of: Suspended) -> Result<Vec<ScheduledChange>> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, of).await?;
    Ok(rows::list(&mut tx, of).await?.iter().map(ScheduledChange::from).collect())
}

/// One of them.
pub async fn find(control: &Control, caller: &Caller, of: Suspended, id: ScheduledChangeId) -> Result<ScheduledRow> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, of).await?;
    let row = rows::list(&mut tx, of).await?.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
    caller.may_administer()?;
    Ok(row)
}

/// Removes a scheduled change; what it has changed stays, unless the same transaction takes it back.
pub async fn delete(control: &Control, caller: &Caller, of: Suspended, id: ScheduledChangeId) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_scheduled_change").await?;
    let target = reach(change.tx(), caller, of).await?;
    let row = rows::list(change.tx(), of).await?.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
    rows::delete(change.tx(), id).await?;
    let before = view(&ScheduledChange::from(&row));
    let record = Record { object: target.object, path: target.path, before, after: None, touches: Vec::new() };
    change.commit(record).await
}

/// Those that are due.
pub async fn due(control: &Control) -> Result<Vec<ScheduledRow>> {
    let mut tx = control.db.read().await?;
    Ok(rows::due(&mut tx, control.now_ms(), BATCH).await?)
}

/// For whom a change begins, as that caller is now.
pub async fn caller_of(control: &Control, row: &ScheduledRow) -> Result<Option<Caller>> {
    let mut tx = control.db.read().await?;
    sign_in::still(&mut tx, &row.caller, control.now_ms()).await
}

/// Who takes a change back: the promise was made when it was scheduled, so nobody's leaving breaks it.
pub fn taker_back() -> Caller {
    Caller::system()
}

/// Takes a change that is due; false when another node, or a cancellation, was quicker.
pub async fn take(together: &Together, row: &ScheduledRow) -> Result<bool> {
    Ok(rows::take(&mut *together.take()?, row).await?)
}

/// It has begun, with this revision: it waits for its end, or is done with.
pub async fn begun(together: &Together, row: &ScheduledRow, revision: i64) -> Result<ScheduledRow> {
    let (state, began) = ("running".to_owned(), Some(revision));
    let after = ScheduledRow { state, began, due_at: row.ends_at, ..row.clone() };
    let mut tx = together.take()?;
    if after.due_at.is_some() {
        rows::update(&mut tx, &after).await?;
    } else {
        rows::delete(&mut tx, row.id).await?;
    }
    Ok(after)
}

/// It is done with.
pub async fn done(together: &Together, row: &ScheduledRow) -> Result<()> {
    Ok(rows::delete(&mut *together.take()?, row.id).await?)
}

/// It was refused, and is shown so until it is removed.
pub async fn failed(control: &Control, row: &ScheduledRow, error: String) -> Result<()> {
    let mut tx = control.db.write().await?;
    if rows::take(&mut tx, row).await? {
        rows::update(&mut tx, &ScheduledRow { state: "failed".to_owned(), error, due_at: None, ..row.clone() }).await?;
    }
    Ok(tx.commit().await?)
}

/// What it was scheduled for is gone.
pub async fn forget(control: &Control, row: &ScheduledRow) -> Result<()> {
    let mut tx = control.db.write().await?;
    rows::delete(&mut tx, row.id).await?;
    Ok(tx.commit().await?)
}
