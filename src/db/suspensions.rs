//! Rows of `suspensions`: a layer above the settings, of a mailbox or of a domain.

use super::{Result, Row, Tx};
use crate::model::SuspensionScope;
use crate::model::ids::{DomainId, MailboxId, SuspensionId};

/// What is suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspended {
    /// One mailbox.
    Mailbox(MailboxId),
    /// All mailboxes of a domain.
    Domain(DomainId),
}

impl Suspended {
    fn columns(self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Mailbox(id) => (Some(id.0), None),
            Self::Domain(id) => (None, Some(id.0)),
        }
    }
}

/// A suspension.
#[derive(Debug, Clone)]
pub struct SuspensionRow {
    /// Its id.
    pub id: SuspensionId,
    /// What it stops.
    pub scope: SuspensionScope,
    /// Why, for people.
    pub reason: String,
    /// Unix milliseconds; none until it is lifted.
    pub until: Option<i64>,
    /// How deep in the tree its maker stands: lifted only there or above.
    pub level: i64,
    /// Who made it.
    pub caller: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that made it.
    pub revision: i64,
    /// Whether it contains a mailbox: then it ends by releasing that.
    pub contains: bool,
}

fn read(row: &Row) -> Result<SuspensionRow> {
    Ok(SuspensionRow {
        id: SuspensionId(row.get(0)?),
        scope: row.parse(1)?,
        reason: row.get(2)?,
        until: row.get(3)?,
        level: row.get(4)?,
        caller: row.get(5)?,
        created_at: row.get(6)?,
        revision: row.get(7)?,
        contains: row.get::<i64>(8)? != 0,
    })
}

/// Suspensions of a mailbox or a domain, oldest first.
pub async fn list(tx: &mut Tx, of: Suspended) -> Result<Vec<SuspensionRow>> {
    const OF_MAILBOX: &str = "SELECT id, scope, reason, until_at, level, caller, created_at, revision, contains FROM suspensions \
         WHERE mailbox_id = $1 ORDER BY id";
    const OF_DOMAIN: &str = "SELECT id, scope, reason, until_at, level, caller, created_at, revision, contains FROM suspensions \
         WHERE domain_id = $1 ORDER BY id";
    let rows = match of {
        Suspended::Mailbox(id) => tx.all(OF_MAILBOX, &[id.0.into()]).await?,
        Suspended::Domain(id) => tx.all(OF_DOMAIN, &[id.0.into()]).await?,
    };
    rows.iter().map(read).collect()
}

/// Scopes in force at `now`, for a mailbox and its domain together.
pub async fn in_force(
    tx: &mut Tx,
    mailbox: MailboxId,
    domain: DomainId,
    now: i64,
) -> Result<Vec<(SuspensionScope, Option<i64>)>> {
    const SQL: &str = "SELECT scope, until_at FROM suspensions WHERE mailbox_id = $1 AND (until_at IS NULL OR until_at > $3) \
         UNION ALL SELECT scope, until_at FROM suspensions WHERE domain_id = $2 AND (until_at IS NULL OR until_at > $3)";
    let rows = tx.all(SQL, &[mailbox.0.into(), domain.0.into(), now.into()]).await?;
    rows.iter().map(|row| Ok((row.parse(0)?, row.get(1)?))).collect()
}

/// The suspensions that contain mailboxes whose ids lie in a range, with whose they are.
pub async fn containing(tx: &mut Tx, from: MailboxId, to: MailboxId) -> Result<Vec<(MailboxId, SuspensionRow)>> {
    const SQL: &str = "SELECT id, scope, reason, until_at, level, caller, created_at, revision, contains, mailbox_id FROM suspensions \
         WHERE contains = 1 AND mailbox_id >= $1 AND mailbox_id <= $2";
    let rows = tx.all(SQL, &[from.0.into(), to.0.into()]).await?;
    rows.iter().map(|row| Ok((MailboxId(row.get(9)?), read(row)?))).collect()
}

/// Adds a suspension.
pub async fn insert(tx: &mut Tx, of: Suspended, suspension: &SuspensionRow) -> Result<()> {
    const SQL: &str = "INSERT INTO suspensions (id, mailbox_id, domain_id, scope, reason, until_at, level, caller, created_at, revision, contains) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (mailbox, domain) = of.columns();
    let args = [
        suspension.id.0.into(),
        mailbox.into(),
        domain.into(),
        suspension.scope.as_str().into(),
        suspension.reason.as_str().into(),
        suspension.until.into(),
        suspension.level.into(),
        suspension.caller.as_str().into(),
        suspension.created_at.into(),
        suspension.revision.into(),
        suspension.contains.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Removes one suspension of a mailbox or domain; false when there is none of that id.
pub async fn delete(tx: &mut Tx, of: Suspended, id: SuspensionId) -> Result<bool> {
    const SQL: &str = "DELETE FROM suspensions WHERE id = $1 AND (mailbox_id = $2 OR domain_id = $3)";
    let (mailbox, domain) = of.columns();
    Ok(tx.execute(SQL, &[id.0.into(), mailbox.into(), domain.into()]).await? > 0)
}

/// Removes all of a mailbox or domain that is being deleted.
pub async fn delete_all(tx: &mut Tx, of: Suspended) -> Result<()> {
    const SQL: &str = "DELETE FROM suspensions WHERE mailbox_id = $1 OR domain_id = $2";
    let (mailbox, domain) = of.columns();
    tx.execute(SQL, &[mailbox.into(), domain.into()]).await.map(drop)
}
