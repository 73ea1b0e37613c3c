//! Rows of `scheduled_changes`: what begins or ends by itself.

use super::suspensions::Suspended;
use super::{Result, Row, Tx};
use crate::model::ids::{DomainId, MailboxId, ScheduledChangeId};

/// A scheduled change.
#[derive(Debug, Clone)]
pub struct ScheduledRow {
    /// Its id.
    pub id: ScheduledChangeId,
    /// What is changed.
    pub of: Suspended,
    /// When it begins, Unix milliseconds.
    pub begins_at: i64,
    /// When it goes back.
    pub ends_at: Option<i64>,
    /// JSON: what is changed.
    pub body: String,
    /// `waiting`, `running` or `failed`.
    pub state: String,
    /// Why it failed.
    pub error: String,
    /// The revision that began it.
    pub began: Option<i64>,
    /// For whom it is done.
    pub caller: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// When a node looks at it next.
    pub due_at: Option<i64>,
}

fn read(row: &Row) -> Result<ScheduledRow> {
    let mailbox: Option<i64> = row.get(1)?;
    let domain: Option<i64> = row.get(2)?;
    let of = match mailbox {
        Some(id) => Suspended::Mailbox(MailboxId(id)),
        None => Suspended::Domain(DomainId(domain.unwrap_or_default())),
    };
    Ok(ScheduledRow {
        id: ScheduledChangeId(row.get(0)?),
        of,
        begins_at: row.get(3)?,
        ends_at: row.get(4)?,
        body: row.get(5)?,
        state: row.get(6)?,
        error: row.get(7)?,
        began: row.get(8)?,
        caller: row.get(9)?,
        created_at: row.get(10)?,
        due_at: row.get(11)?,
    })
}

/// The mailbox and the domain, of which one is none.
fn parts(of: Suspended) -> (Option<i64>, Option<i64>) {
    match of {
        Suspended::Mailbox(id) => (Some(id.0), None),
        Suspended::Domain(id) => (None, Some(id.0)),
    }
}

/// Those of a mailbox or a domain, by id.
pub async fn list(tx: &mut Tx, of: Suspended) -> Result<Vec<ScheduledRow>> {
    const SQL: &str = "SELECT id, mailbox_id, domain_id, begins_at, ends_at, body, state, error, began, caller, created_at, due_at \
         FROM scheduled_changes WHERE mailbox_id = $1 OR domain_id = $2 ORDER BY id";
    let (mailbox, domain) = parts(of);
    tx.all(SQL, &[mailbox.into(), domain.into()]).await?.iter().map(read).collect()
}

/// Those that a node has to look at by now, some of them.
pub async fn due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<ScheduledRow>> {
    const SQL: &str = "SELECT id, mailbox_id, domain_id, begins_at, ends_at, body, state, error, began, caller, created_at, due_at \
         FROM scheduled_changes WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
    tx.all(SQL, &[now.into(), limit.into()]).await?.iter().map(read).collect()
}

/// Adds one.
pub async fn insert(tx: &mut Tx, change: &ScheduledRow) -> Result<()> {
    const SQL: &str = "INSERT INTO scheduled_changes (id, mailbox_id, domain_id, begins_at, ends_at, body, state, error, began, caller, created_at, due_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let (mailbox, domain) = parts(change.of);
    let args = [
        change.id.0.into(),
        mailbox.into(),
        domain.into(),
        change.begins_at.into(),
        change.ends_at.into(),
        change.body.as_str().into(),
        change.state.as_str().into(),
        change.error.as_str().into(),
        change.began.into(),
        change.caller.as_str().into(),
        change.created_at.into(),
        change.due_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Takes one that is due, in the transaction that does it; false when another node, or a cancellation, was quicker.
pub async fn take(tx: &mut Tx, change: &ScheduledRow) -> Result<bool> {
    const SQL: &str = "UPDATE scheduled_changes SET due_at = NULL WHERE id = $1 AND state = $2 AND due_at = $3";
    Ok(tx.execute(SQL, &[change.id.0.into(), change.state.as_str().into(), change.due_at.into()]).await? == 1)
}

/// Writes how far it has come.
pub async fn update(tx: &mut Tx, change: &ScheduledRow) -> Result<()> {
    const SQL: &str = "UPDATE scheduled_changes SET state = $2, error = $3, began = $4, due_at = $5 WHERE id = $1";
    let args = [
        change.id.0.into(),
        change.state.as_str().into(),
        change.error.as_str().into(),
        change.began.into(),
        change.due_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Removes one.
pub async fn delete(tx: &mut Tx, id: ScheduledChangeId) -> Result<()> {
    tx.execute("DELETE FROM scheduled_changes WHERE id = $1", &[id.0.into()]).await.map(drop)
}
