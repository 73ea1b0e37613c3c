//! The last login of a mailbox by each protocol, for whoever reaches the mailbox.
//!
//! What became of every attempt is `login_history`'s.

use super::reach;
use crate::control::{Caller, Control, Result};
use crate::db::logins;
use crate::model::ids::MailboxId;
use crate::model::{Protocol, Timestamp};

/// A last login as callers see it.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct LastLogin {
    /// By which protocol.
    pub protocol: Protocol,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// From which address.
    #[schema(example = "203.0.113.7")]
    pub from: String,
}

/// The last login of a mailbox by each protocol.
pub async fn last_logins(control: &Control, caller: &Caller, id: MailboxId) -> Result<Vec<LastLogin>> {
    let mut tx = control.db.read().await?;
    reach(&mut tx, caller, id).await?;
    let rows = logins::list(&mut tx, id).await?;
    Ok(rows
        .into_iter()
        .map(|row| LastLogin { protocol: row.protocol, at: Timestamp(row.at), from: row.peer })
        .collect())
}
