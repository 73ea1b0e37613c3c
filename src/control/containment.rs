//! Containing a mailbox that somebody else may hold: nobody signs in, nothing is submitted, mail still comes in.
//!
//! It is one suspension of logins, marked, so what stands beneath (settings, passwords, app passwords, other suspensions)
//! is not touched and holds again once the mailbox is released. Sign-ins to the API are ended for good: who holds them
//! is what is in doubt. Invariant: a mailbox is contained once or not at all.

use super::change::{closes_all, view};
use super::mailboxes::{self, Mailbox};
use super::passwords::check_name;
use super::{Caller, Change, Control, Error, Record, Result, suspensions};
use crate::db::mailboxes::MailboxRow;
use crate::db::suspensions::{self as rows, Suspended, SuspensionRow};
use crate::db::{Tx, api_sessions};
use crate::model::ids::{MailboxId, SuspensionId};
use crate::model::{Revision, SuspensionScope, Timestamp, Touch};
use std::collections::HashMap;

/// Why a mailbox is contained.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Containment {
    /// Why, for people.
    #[schema(example = "sends spam since this morning")]
    pub reason: String,
    /// Who contained it.
    pub by: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<SuspensionRow> for Containment {
    fn from(row: SuspensionRow) -> Self {
        Self { reason: row.reason, by: row.caller, at: Timestamp(row.created_at) }
    }
}

/// Whether and why a mailbox is contained.
pub(super) async fn of(tx: &mut Tx, mailbox: MailboxId) -> Result<Option<Containment>> {
    Ok(row_of(tx, mailbox).await?.map(Containment::from))
}

/// Which of some mailboxes are contained, and why: few ever are.
pub(super) async fn of_all(
    tx: &mut Tx,
    mailboxes: impl Iterator<Item = MailboxId> + Clone,
) -> Result<HashMap<MailboxId, Containment>> {
    let (Some(first), Some(last)) = (mailboxes.clone().min(), mailboxes.max()) else { return Ok(HashMap::new()) };
    let found = rows::containing(tx, first, last).await?;
    Ok(found.into_iter().map(|(id, row)| (id, row.into())).collect())
}

async fn row_of(tx: &mut Tx, mailbox: MailboxId) -> Result<Option<SuspensionRow>> {
    Ok(rows::containing(tx, mailbox, mailbox).await?.pop().map(|(_, row)| row))
}

/// Contains a mailbox.
pub async fn contain(control: &Control, caller: &Caller, id: MailboxId, reason: String) -> Result<(Mailbox, Revision)> {
    caller.may_administer()?;
    if let Some(error) = check_name("/reason", &reason) {
        return Err(Error::Invalid(vec![error]));
    }
    let mut change = control.begin(caller, "contain_mailbox").await?;
    let mailbox = mailboxes::reach(change.tx(), caller, id).await?;
    mailboxes::check_there(&mailbox)?;
    if of(change.tx(), id).await?.is_some() {
        return Err(Error::InUse("the mailbox is contained already"));
    }
    let row = SuspensionRow {
        id: SuspensionId(change.new_id()),
        scope: SuspensionScope::Login,
        reason,
        until: None,
        level: caller.level(),
        caller: caller.id.to_string(),
        created_at: change.now(),
        revision: change.revision(),
        contains: true,
    };
    rows::insert(change.tx(), Suspended::Mailbox(id), &row).await?;
    api_sessions::revoke_all(change.tx(), &id.to_string()).await?;
    let touches = [Touch::Mailbox(id)].into_iter().chain(closes_all()).collect();
    let record = Record { after: view(&Containment::from(row)), touches, ..Record::default() };
    finish(change, caller, mailbox, record).await
}

/// Releases a mailbox: what was holds again. What was contained above the caller is released there.
pub async fn release(control: &Control, caller: &Caller, id: MailboxId) -> Result<(Mailbox, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "release_mailbox").await?;
    let mailbox = mailboxes::reach(change.tx(), caller, id).await?;
    let row = row_of(change.tx(), id).await?.ok_or(Error::InUse("the mailbox is not contained"))?;
    if row.level < caller.level() {
        return Err(Error::NotAllowed("it was contained at a level above yours and is released there"));
    }
    rows::delete(change.tx(), Suspended::Mailbox(id), row.id).await?;
    let record =
        Record { before: view(&Containment::from(row)), touches: vec![Touch::Mailbox(id)], ..Record::default() };
    finish(change, caller, mailbox, record).await
}

/// The mailbox's ETag changes with it, and it is shown as it is then.
async fn finish(
    mut change: Change,
    caller: &Caller,
    mut mailbox: MailboxRow,
    what: Record,
) -> Result<(Mailbox, Revision)> {
    let revision = change.revision();
    suspensions::touch(change.tx(), Suspended::Mailbox(mailbox.id), revision).await?;
    mailbox.revision = revision;
    let seen = mailboxes::view_of(change.tx(), caller, &mailbox).await?;
    let record = Record { object: mailbox.id.to_string(), path: mailbox.path, ..what };
    Ok((seen, change.commit(record).await?))
}
