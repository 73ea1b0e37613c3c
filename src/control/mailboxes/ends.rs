//! How mailboxes end: at once, with days of grace in which they can be restored, or because their time came.
//!
//! Nothing here deletes mail: a removed mailbox is noted for the purge, which the store carries out after the commit.

use super::{Mailbox, check_there, reach, view_of};
use crate::control::change::{check_unchanged, closes_all, view};
use crate::control::limits::{give_back, take_quota};
use crate::control::suspensions::refuse_deletion;
use crate::control::{Caller, Change, Control, Error, Record, Result};
use crate::db::mailboxes::{self as rows, MailboxRow};
use crate::db::suspensions::{self, Suspended};
use crate::db::{
    addresses, api_sessions, app_passwords, login_history, logins, purges, quota_levels, recovery, second_factors,
};
use crate::model::ids::MailboxId;
use crate::model::{LimitName, Revision, Touch};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// Days for which a deleted mailbox can be restored at most.
pub const GRACE_DAYS: u16 = 365;

/// Deletes a mailbox so that it can be restored for some days: it keeps its address, its mail and its place in the
/// plan, and nobody signs in or sends to it.
pub async fn delete_softly(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    days: u16,
    expected: Option<&[i64]>,
) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "trash_mailbox").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    check_there(&before)?;
    let now = change.now();
    refuse_deletion(change.tx(), caller, Suspended::Mailbox(id), now).await?;
    let mut after = before.clone();
    after.deleted_at = Some(now);
    after.purge_at = Some(now + i64::from(days) * DAY_MS);
    let (_, revision) = put(change, caller, before, after).await?;
    Ok(revision)
}

/// Restores a mailbox that was deleted a while ago, as it was.
pub async fn restore(
    control: &Control,
    caller: &Caller,
    id: MailboxId,
    expected: Option<&[i64]>,
) -> Result<(Mailbox, Revision)> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "restore_mailbox").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    if before.deleted_at.is_none() {
        return Err(Error::InUse("the mailbox is not deleted"));
    }
    let mut after = before.clone();
    (after.deleted_at, after.purge_at) = (None, None);
    put(change, caller, before, after).await
}

/// Writes a mailbox and its revision.
pub(super) async fn put(
    mut change: Change,
    caller: &Caller,
    before: MailboxRow,
    mut after: MailboxRow,
) -> Result<(Mailbox, Revision)> {
    let id = after.id;
    after.revision = change.revision();
    rows::update(change.tx(), &after).await?;
    if after.deleted_at.is_some() {
        api_sessions::revoke_all(change.tx(), &id.to_string()).await?;
    }
    let path = after.path.clone();
    let (before, after) = (view_of(change.tx(), caller, &before).await?, view_of(change.tx(), caller, &after).await?);
    let record = Record {
        object: id.to_string(),
        path,
        before: view(&before),
        after: view(&after),
        touches: [Touch::Mailbox(id)].into_iter().chain(closes_all()).collect(),
    };
    Ok((after, change.commit(record).await?))
}

/// Tells the nodes that a mailbox has ended; nothing when it was told, or ends later by now.
pub(in crate::control) async fn end(control: &Control, id: MailboxId) -> Result<()> {
    let system = Caller::system();
    let mut change = control.begin(&system, "expire_mailbox").await?;
    let before = reach(change.tx(), &system, id).await?;
    let now = change.now();
    if before.expired || before.expires_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    let mut after = before.clone();
    after.expired = true;
    put(change, &system, before, after).await.map(drop)
}

/// Deletes a mailbox; its mail goes soon after.
pub async fn delete(control: &Control, caller: &Caller, id: MailboxId, expected: Option<&[i64]>) -> Result<Revision> {
    caller.may_administer()?;
    let mut change = control.begin(caller, "delete_mailbox").await?;
    let before = reach(change.tx(), caller, id).await?;
    check_unchanged(expected, before.revision)?;
    let now = change.now();
    refuse_deletion(change.tx(), caller, Suspended::Mailbox(id), now).await?;
    remove(change, caller, before).await
}

/// Removes a deleted mailbox whose time to be restored is over.
pub(in crate::control) async fn purge(control: &Control, id: MailboxId) -> Result<()> {
    let system = Caller::system();
    let mut change = control.begin(&system, "purge_mailbox").await?;
    let before = reach(change.tx(), &system, id).await?;
    let now = change.now();
    // It may have been restored meanwhile.
    if before.purge_at.is_none_or(|at| at > now) {
        return Ok(());
    }
    remove(change, &system, before).await.map(drop)
}

/// Removes a mailbox and everything of it; its mail is purged after the commit.
async fn remove(mut change: Change, caller: &Caller, before: MailboxRow) -> Result<Revision> {
    let (id, now) = (before.id, change.now());
    let tx = change.tx();
    addresses::delete(tx, before.address.key()).await?;
    suspensions::delete_all(tx, Suspended::Mailbox(id)).await?;
    logins::delete(tx, id).await?;
    login_history::delete(tx, id).await?;
    quota_levels::delete(tx, id).await?;
    app_passwords::delete_all(tx, id).await?;
    second_factors::delete(tx, &id.to_string()).await?;
    recovery::delete(tx, &id.to_string()).await?;
    api_sessions::revoke_all(tx, &id.to_string()).await?;
    let seen = view_of(tx, caller, &before).await?;
    rows::delete(tx, id).await?;
    give_back(tx, &before.path, LimitName::Mailboxes).await?;
    take_quota(tx, caller, &before.path, Some(before.quota), None).await?;
    purges::insert(tx, id, now).await?;
    let record = Record {
        object: id.to_string(),
        path: before.path.clone(),
        before: view(&seen),
        after: None,
        touches: [Touch::Mailbox(id)].into_iter().chain(closes_all()).collect(),
    };
    change.commit(record).await
}
