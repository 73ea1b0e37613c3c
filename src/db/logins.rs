//! Rows of `logins`: the last login of each mailbox by each protocol.

use super::{Result, Tx};
use crate::model::Protocol;
use crate::model::ids::MailboxId;

/// A last login.
#[derive(Debug, Clone)]
pub struct LoginRow {
    /// By which protocol.
    pub protocol: Protocol,
    /// Unix milliseconds.
    pub at: i64,
    /// From which address.
    pub peer: String,
}

/// Notes a login unless a later one is noted.
pub async fn note(tx: &mut Tx, mailbox: MailboxId, login: &LoginRow) -> Result<()> {
    const SQL: &str = "INSERT INTO logins (mailbox_id, protocol, at, peer) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (mailbox_id, protocol) DO UPDATE SET at = excluded.at, peer = excluded.peer WHERE logins.at <= excluded.at";
    let args = [mailbox.0.into(), login.protocol.as_str().into(), login.at.into(), login.peer.as_str().into()];
    tx.execute(SQL, &args).await.map(drop)
}

/// The last logins of a mailbox.
pub async fn list(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<LoginRow>> {
    let rows = tx
        .all("SELECT protocol, at, peer FROM logins WHERE mailbox_id = $1 ORDER BY protocol", &[mailbox.0.into()])
        .await?;
    rows.iter().map(|row| Ok(LoginRow { protocol: row.parse(0)?, at: row.get(1)?, peer: row.get(2)? })).collect()
}

/// Forgets a mailbox that is being deleted.
pub async fn delete(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM logins WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}
