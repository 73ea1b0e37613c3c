//! A mailbox's login history: what its owner, and who is above, may know of attempts to sign in.
//!
//! It is written by the directory, behind the login's back. Invariant: whoever reaches the mailbox sees it, nobody else.

use super::{Caller, Control, Result, mailboxes};
use crate::db::login_history::{self as rows, Seen, Times};
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{LoginOutcome, LoginReason, Protocol, SettingLevel, Timestamp, bounds};

/// Attempts to sign in that are alike, within an hour.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct LoginEntry {
    /// When, or when last.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By which protocol.
    pub protocol: Protocol,
    /// From which address; `null` where there were too many to name each.
    #[schema(example = "203.0.113.7")]
    pub from: Option<String>,
    /// Whether TLS protected it.
    pub tls: bool,
    /// What became of it: `admitted`, `refused`, or `throttled` (not even looked at, after too many failures).
    pub outcome: LoginOutcome,
    /// Why it was refused; `null` when it was not.
    pub reason: Option<LoginReason>,
    /// The level of settings that decided, where settings did.
    pub level: Option<SettingLevel>,
    /// The app password that it came with; `null` for the mailbox's own.
    pub app_password: Option<AppPasswordId>,
    /// How often, in this hour.
    #[schema(example = 1)]
    pub times: i64,
    /// When first.
    #[schema(value_type = String, format = DateTime)]
    pub first_at: Timestamp,
}

impl From<(Seen, Times)> for LoginEntry {
    fn from((seen, times): (Seen, Times)) -> Self {
        Self {
            at: Timestamp(times.last),
            protocol: seen.protocol,
            from: Some(seen.peer).filter(|peer| !peer.is_empty()),
            tls: seen.tls,
            outcome: seen.outcome,
            reason: seen.reason,
            level: seen.level,
            app_password: seen.app,
            times: times.times,
            first_at: Timestamp(times.first),
        }
    }
}

/// The attempts to sign in to a mailbox that are still known, newest first.
pub async fn list(control: &Control, caller: &Caller, id: MailboxId) -> Result<Vec<LoginEntry>> {
    let mut tx = control.db.read().await?;
    mailboxes::reach(&mut tx, caller, id).await?;
    Ok(rows::list(&mut tx, id).await?.into_iter().map(LoginEntry::from).collect())
}

/// Forgets what is too old.
pub(super) async fn forget(tx: &mut crate::db::Tx, now: i64) -> Result<()> {
    let kept = i64::try_from(bounds::LOGIN_HISTORY_TIME.as_millis()).unwrap_or(i64::MAX);
    Ok(rows::forget(tx, now - kept).await?)
}
