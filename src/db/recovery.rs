//! Rows of `recovery`: where mail of ours reaches a user or a mailbox's owner.

use super::{Result, Tx, password_links};
use crate::model::LinkKind;

/// Where and how.
#[derive(Debug, Clone, Default)]
pub struct RecoveryRow {
    /// The address, if one is known.
    pub address: Option<String>,
    /// The language; empty is as whoever asks reads.
    pub locale: String,
}

/// Of a user or mailbox; nothing known is a row of nothing.
pub async fn find(tx: &mut Tx, owner: &str) -> Result<RecoveryRow> {
    const SQL: &str = "SELECT address, locale FROM recovery WHERE owner = $1";
    match tx.one(SQL, &[owner.into()]).await? {
        Some(row) => Ok(RecoveryRow { address: row.get(0)?, locale: row.get(1)? }),
        None => Ok(RecoveryRow::default()),
    }
}

/// Writes it.
pub async fn put(tx: &mut Tx, owner: &str, row: &RecoveryRow) -> Result<()> {
    const SQL: &str = "INSERT INTO recovery (owner, address, locale) VALUES ($1, $2, $3) \
         ON CONFLICT (owner) DO UPDATE SET address = excluded.address, locale = excluded.locale";
    tx.execute(SQL, &[owner.into(), row.address.clone().into(), row.locale.as_str().into()]).await.map(drop)
}

/// Lets one request for an owner after the other decide, until the transaction ends.
pub async fn lock(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("UPDATE recovery SET locale = locale WHERE owner = $1", &[owner.into()]).await.map(drop)
}

/// Forgets a user or mailbox that is being deleted, with links that are under way.
pub async fn delete(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM recovery WHERE owner = $1", &[owner.into()]).await?;
    for kind in LinkKind::ALL {
        password_links::revoke_all(tx, owner, *kind).await?;
    }
    Ok(())
}
