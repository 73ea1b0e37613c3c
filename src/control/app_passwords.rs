//! App passwords of a mailbox: made by the server, shown once, for one program each.
//!
//! They open mail protocols and never the API: signing in there knows the mailbox's own password alone, so one can
//! neither make nor read nor widen another. Invariant: a revoked or expired one ends the sessions that it opened, and
//! only those.

use super::change::view;
use super::mailboxes::{check_there, reach};
use super::passwords::check_name;
use super::{Caller, Control, Error, FieldError, Record, Result};
use crate::auth::tokens;
use crate::db::app_passwords::{self as rows, AppPasswordRow};
use crate::db::mailboxes::MailboxRow;
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{Network, Protocol, Revision, Timestamp, Touch, bounds};

/// An app password as callers see it: without the password.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct AppPassword {
    /// Its id.
    pub id: AppPasswordId,
    /// What its owner calls it.
    #[schema(example = "phone")]
    pub name: String,
    /// What it opens.
    pub protocols: Vec<Protocol>,
    /// The networks it opens them from; an empty list is everywhere.
    #[schema(value_type = Vec<String>, example = json!(["203.0.113.0/24"]))]
    pub allow_from: Vec<Network>,
    /// When it stops working.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// The last login with it.
    pub last_use: Option<LastUse>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// A login with an app password.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct LastUse {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By which protocol.
    pub protocol: Protocol,
    /// From which address.
    #[schema(example = "203.0.113.7")]
    pub from: String,
}

impl From<AppPasswordRow> for AppPassword {
    fn from(row: AppPasswordRow) -> Self {
        let last_use =
            row.last.map(|login| LastUse { at: Timestamp(login.at), protocol: login.protocol, from: login.peer });
        Self {
            id: row.id,
            name: row.name,
            protocols: row.protocols,
            allow_from: row.allow_from,
            expires_at: row.expires_at.map(Timestamp),
            last_use,
            created_at: Timestamp(row.created_at),
        }
    }
}

/// An app password to make.
#[derive(Debug, Clone)]
pub struct NewAppPassword {
    /// What its owner calls it.
    pub name: String,
    /// What it opens.
    pub protocols: Vec<Protocol>,
    /// The networks it opens them from; an empty list is everywhere.
    pub allow_from: Vec<Network>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

impl NewAppPassword {
    fn check(&self, now: i64) -> Result<()> {
        let mut errors = Vec::new();
        if self.name.trim().is_empty() {
            errors.push(FieldError::new("/name", "required", "must not be empty"));
        }
        errors.extend(check_name("/name", &self.name));
        if self.protocols.is_empty() {
            errors.push(FieldError::new("/protocols", "required", "must name at least one protocol"));
        }
        if self.allow_from.len() > bounds::NETWORKS {
            let detail = format!("must hold at most {} networks", bounds::NETWORKS);
            errors.push(FieldError::new("/allow_from", "too_many", detail));
        }
        if self.expires_at.is_some_and(|at| at.0 <= now) {
            errors.push(FieldError::new("/expires_at", "past", "must lie in the future"));
        }
        if errors.is_empty() { Ok(()) } else { Err(Error::Invalid(errors)) }
    }
}

/// A revision belongs to the mailbox, as those of suspensions do.
fn record(mailbox: MailboxRow, before: Option<AppPasswordRow>, after: Option<&AppPassword>) -> Record {
    let protocols = before.as_ref().map(|row| row.protocols.clone()).unwrap_or_default();
    let closes = protocols.into_iter().map(Touch::Closes);
    Record {
        object: mailbox.id.to_string(),
        path: mailbox.path,
        before: before.and_then(|row| view(&AppPassword::from(row))),
        after: after.and_then(view),
        touches: [Touch::Mailbox(mailbox.id)].into_iter().chain(closes).collect(),
    }
}

/// Makes one; its text is answered once and kept nowhere.
pub async fn create(
    control: &Control,
    caller: &Caller,
    mailbox: MailboxId,
    mut new: NewAppPassword,
) -> Result<(AppPassword, String, Revision)> {
    caller.acts_for_itself()?;
    new.check(control.now_ms())?;
    new.protocols.sort_unstable();
    new.protocols.dedup();
    let mut change = control.begin(caller, "create_app_password").await?;
    let of = reach(change.tx(), caller, mailbox).await?;
    check_there(&of)?;
    if rows::list(change.tx(), mailbox).await?.len() >= bounds::APP_PASSWORDS {
        return Err(Error::InUse("the mailbox has as many app passwords as it may have: revoke one first"));
    }
    let text = tokens::random_password();
    let row = AppPasswordRow {
        id: AppPasswordId(change.new_id()),
        mailbox,
        name: new.name,
        secret_hash: tokens::token_hash(&text),
        protocols: new.protocols,
        allow_from: new.allow_from,
        expires_at: new.expires_at.map(|at| at.0),
        created_at: change.now(),
        last: None,
    };
    rows::insert(change.tx(), &row).await?;
    let made = AppPassword::from(row);
    let record = record(of, None, Some(&made));
    Ok((made, text, change.commit(record).await?))
}

/// Those of a mailbox, oldest first.
pub async fn list(control: &Control, caller: &Caller, mailbox: MailboxId) -> Result<Vec<AppPassword>> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, mailbox).await?;
    Ok(rows::list(&mut tx, mailbox).await?.into_iter().map(AppPassword::from).collect())
}

/// Revokes one: it opens nothing any more, and the sessions that it opened end.
pub async fn delete(control: &Control, caller: &Caller, mailbox: MailboxId, id: AppPasswordId) -> Result<Revision> {
    caller.acts_for_itself()?;
    let mut change = control.begin(caller, "delete_app_password").await?;
    let of = reach(change.tx(), caller, mailbox).await?;
    let before = rows::list(change.tx(), mailbox).await?.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
    rows::delete(change.tx(), id).await?;
    change.commit(record(of, Some(before), None)).await
}

/// Tells the nodes that one has expired; nothing when they were told.
pub(super) async fn expire(control: &Control, mailbox: MailboxId, id: AppPasswordId) -> Result<()> {
    let system = Caller::system();
    let mut change = control.begin(&system, "expire_app_password").await?;
    let of = reach(change.tx(), &system, mailbox).await?;
    let before = rows::list(change.tx(), mailbox).await?.into_iter().find(|row| row.id == id).ok_or(Error::NotFound)?;
    if !rows::expire(change.tx(), id).await? {
        return Ok(());
    }
    let after = AppPassword::from(before.clone());
    change.commit(record(of, Some(before), Some(&after))).await.map(drop)
}
