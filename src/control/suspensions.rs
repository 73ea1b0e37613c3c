//! Suspensions: a layer above the settings that stops login, sending or receiving, and lifts without a trace.
//!
//! Invariant: nothing here edits a setting, so lifting restores exactly what was.

use super::change::{closes_all, view};
use super::passwords::check_name;
use super::{Caller, Control, Error, Record, Result, domains, mailboxes};
use crate::db::suspensions::{self as rows, Suspended, SuspensionRow};
use crate::db::{Tx, domains as domain_rows, mailboxes as mailbox_rows};
use crate::model::ids::{DomainId, MailboxId, SuspensionId};
use crate::model::{Protocol, Revision, SuspensionScope, Timestamp, Touch};

/// A suspension as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Suspension {
    /// Its id.
    pub id: SuspensionId,
    /// What it stops.
    pub scope: SuspensionScope,
    /// Why, for people.
    #[schema(example = "unpaid invoice 1042")]
    pub reason: String,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Whether it contains the mailbox: it then ends by releasing that.
    #[schema(example = false)]
    pub containment: bool,
    /// Who made it.
    pub by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<SuspensionRow> for Suspension {
    fn from(row: SuspensionRow) -> Self {
        Self {
            id: row.id,
            scope: row.scope,
            reason: row.reason,
            until: row.until.map(Timestamp),
            containment: row.contains,
            by: row.caller,
            created_at: Timestamp(row.created_at),
        }
    }
}

/// A suspension to make.
#[derive(Debug, Clone)]
pub struct NewSuspension {
    /// What it stops.
    pub scope: SuspensionScope,
    /// Why, for people.
    pub reason: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// The scopes in force for a mailbox and its domain.
pub(super) async fn in_force(
    tx: &mut Tx,
    mailbox: MailboxId,
    domain: DomainId,
    now: i64,
) -> Result<Vec<SuspensionScope>> {
    let rows = rows::in_force(tx, mailbox, domain, now).await?;
    Ok(rows.into_iter().map(|(scope, _)| scope).collect())
}

/// What is suspended: its id as text, path and touch.
pub(super) struct Target {
    pub object: String,
    pub path: String,
    touch: Touch,
}

pub(super) async fn reach(tx: &mut Tx, caller: &Caller, of: Suspended) -> Result<Target> {
    Ok(match of {
        Suspended::Mailbox(id) => {
            let row = mailboxes::reach(tx, caller, id).await?;
            Target { object: id.to_string(), path: row.path, touch: Touch::Mailbox(id) }
        }
        Suspended::Domain(id) => {
            let row = domains::reach(tx, caller, id).await?;
            Target { object: id.to_string(), path: row.path, touch: Touch::Domain(id) }
        }
    })
}

/// The suspended object's ETag changes with its suspensions.
pub(super) async fn touch(tx: &mut Tx, of: Suspended, revision: i64) -> Result<()> {
    match of {
        Suspended::Mailbox(id) => {
            if let Some(mut row) = mailbox_rows::find(tx, id).await? {
                row.revision = revision;
                mailbox_rows::update(tx, &row).await?;
            }
        }
        Suspended::Domain(id) => domain_rows::touch(tx, id, revision).await?,
    }
    Ok(())
}

/// Whose sessions a suspension ends.
fn stops(scope: SuspensionScope) -> Vec<Touch> {
    match scope {
        SuspensionScope::Login => closes_all().collect(),
        SuspensionScope::SendReject => vec![Touch::Closes(Protocol::Submission)],
        SuspensionScope::Receive => Vec::new(),
    }
}

/// Suspends a mailbox or all mailboxes of a domain.
pub async fn create(
    control: &Control,
    caller: &Caller,
    of: Suspended,
    new: NewSuspension,
) -> Result<(Suspension, Revision)> {
    caller.may_administer()?;
    if let Some(error) = check_name("/reason", &new.reason) {
        return Err(Error::Invalid(vec![error]));
    }
    if new.until.is_some_and(|at| at.0 <= control.now_ms()) {
        return Err(Error::field("/until", "past", "must lie in the future"));
    }
    let mut change = control.begin(caller, "create_suspension").await?;
    let target = reach(change.tx(), caller, of).await?;
    let row = SuspensionRow {
        id: SuspensionId(change.new_id()),
        scope: new.scope,
        reason: new.reason,
        until: new.until.map(|at| at.0),
        level: caller.level(),
        caller: caller.id.to_string(),
        created_at: change.now(),
        revision: change.revision(),
        contains: false,
    };
    rows::insert(change.tx(), of, &row).await?;
    let revision = change.revision();
    touch(change.tx(), of, revision).await?;
    let suspension = Suspension::from(row);
    let record = Record {
        object: target.object,
        path: target.path,
        before: None,
        after: view(&suspension),
        touches: [target.touch].into_iter().chain(stops(new.scope)).collect(),
    };
    Ok((suspension, change.commit(record).await?))
}

/// Refuses a caller to delete what is suspended above it: made anew, it would be free.
pub(super) async fn refuse_deletion(tx: &mut Tx, caller: &Caller, of: Suspended, now: i64) -> Result<()> {
    match is_suspended_above(tx, caller, of, now).await? {
        true => Err(Error::NotAllowed("it is suspended at a level above yours and can only be deleted there")),
        false => Ok(()),
    }
}

/// Refuses a caller to move a mailbox out of a domain that is suspended above it: elsewhere, it would be free.
pub(super) async fn refuse_escape(tx: &mut Tx, caller: &Caller, from: DomainId, now: i64) -> Result<()> {
    match is_suspended_above(tx, caller, Suspended::Domain(from), now).await? {
        true => Err(Error::NotAllowed("its domain is suspended at a level above yours: it can only be moved there")),
        false => Ok(()),
    }
}

async fn is_suspended_above(tx: &mut Tx, caller: &Caller, of: Suspended, now: i64) -> Result<bool> {
    let in_force = |row: &SuspensionRow| row.until.is_none_or(|until| until > now);
    Ok(rows::list(tx, of).await?.iter().any(|row| row.level < caller.level() && in_force(row)))
}

/// The suspensions of a mailbox or a domain.
pub async fn list(control: &Control, caller: &Caller, of: Suspended) -> Result<Vec<Suspension>> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, of).await?;
    let rows = rows::list(&mut tx, of).await?;
    Ok(rows.into_iter().map(Suspension::from).collect())
}

/// Lifts a suspension; one that was made above the caller is lifted only there.
pub async fn lift(control: &Control, caller: &Caller, of: Suspended, id: SuspensionId) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_suspension").await?;
    let target = reach(change.tx(), caller, of).await?;
    let row = rows::list(change.tx(), of).await?.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
    if row.level < caller.level() {
        return Err(Error::NotAllowed("this suspension was made at a level above yours and is lifted there"));
    }
    if row.contains {
        return Err(Error::InUse("it contains the mailbox: release that"));
    }
    rows::delete(change.tx(), of, id).await?;
    let revision = change.revision();
    touch(change.tx(), of, revision).await?;
    let record = Record {
        object: target.object,
        path: target.path,
        before: view(&Suspension::from(row)),
        after: None,
        touches: vec![target.touch],
    };
    change.commit(record).await
}
