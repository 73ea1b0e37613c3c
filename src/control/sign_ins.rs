//! The sign-ins of a user or a mailbox's owner that stand, shown and ended one by one.
//!
//! Their own, and those of whoever the caller reaches. Ending one is no configuration and makes no revision. Invariant:
//! the tokens of an ended one are worth nothing at the next request, on every node.

use super::{Caller, CallerId, Control, Error, Result, mailboxes, users};
use crate::db::Tx;
use crate::db::api_sessions::{self as rows, ApiSessionRow};
use crate::model::Timestamp;
use crate::model::ids::{MailboxId, SignInId, UserId};

/// A sign-in to the API.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct SignInView {
    /// Its id.
    pub id: SignInId,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The address that it was made from; empty where that was not noted.
    #[schema(example = "203.0.113.7")]
    pub from: String,
    /// What the program called itself.
    #[schema(example = "Mozilla/5.0")]
    pub user_agent: String,
    /// When it was last used, to the minute.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
    /// The address of that use.
    #[schema(example = "203.0.113.9")]
    pub last_used_from: String,
    /// When it ends unless it is refreshed.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// True for the one that asks.
    pub current: bool,
    /// Who acts with it for whom it is of; `null` where nobody else does.
    #[schema(example = json!(null))]
    pub acting: Option<Acting>,
}

/// Who acts for somebody, and why.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct Acting {
    /// The id of the user or key.
    pub by: String,
    /// Why, for people.
    #[schema(example = "ticket 4711: forwards do not work")]
    pub reason: String,
}

impl SignInView {
    fn new(row: ApiSessionRow, caller: &Caller) -> Self {
        Self {
            id: row.number,
            at: Timestamp(row.created_at),
            from: row.peer,
            user_agent: row.user_agent,
            last_used_at: Timestamp(row.last_used_at),
            last_used_from: row.last_used_from,
            expires_at: Timestamp(row.expires_at),
            current: caller.sign_in == Some(row.number),
            acting: (!row.actor.is_empty()).then_some(Acting { by: row.actor, reason: row.reason }),
        }
    }
}

/// Whose sign-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A user's.
    User(UserId),
    /// A mailbox owner's.
    Mailbox(MailboxId),
}

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Mailbox(id) => id.fmt(f),
        }
    }
}

impl Of {
    /// Whether that is the caller itself.
    pub(super) fn is(self, caller: &Caller) -> bool {
        match self {
            Self::User(id) => caller.id == CallerId::User(id),
            Self::Mailbox(id) => caller.id == CallerId::Mailbox(id),
        }
    }

    async fn reach(self, tx: &mut Tx, caller: &Caller) -> Result<()> {
        match self {
            _ if self.is(caller) => Ok(()),
            Self::User(id) => users::reach(tx, caller, id).await.map(drop),
            Self::Mailbox(id) => mailboxes::reach(tx, caller, id).await.map(drop),
        }
    }
}

/// Those that stand, newest first.
pub async fn list(control: &Control, caller: &Caller, of: Of) -> Result<Vec<SignInView>> {
    let mut tx = control.db.read().await?;
    of.reach(&mut tx, caller).await?;
    let rows = rows::list(&mut tx, &of.to_string(), control.now_ms()).await?;
    Ok(rows.into_iter().map(|row| SignInView::new(row, caller)).collect())
}

/// Ends one.
pub async fn revoke(control: &Control, caller: &Caller, of: Of, id: SignInId) -> Result<()> {
    let mut tx = control.db.write().await?;
    of.reach(&mut tx, caller).await?;
    if caller.sign_in != Some(id) {
        caller.acts_for_itself()?;
    }
    if !of.is(caller) {
        caller.may_administer()?;
    }
    if !rows::revoke_of(&mut tx, &of.to_string(), id, control.now_ms()).await? {
        return Err(Error::NotFound);
    }
    Ok(tx.commit().await?)
}
