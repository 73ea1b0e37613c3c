//! Rows of `secrets`: keys of ours, sealed by the master key before they come here.

use super::{Result, Tx};

/// A sealed secret by name.
pub async fn find(tx: &mut Tx, name: &str) -> Result<Option<Vec<u8>>> {
    let row = tx.one("SELECT sealed FROM secrets WHERE name = $1", &[name.into()]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// Adds a secret unless there is one of that name.
pub async fn insert(tx: &mut Tx, name: &str, sealed: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    tx.execute(SQL, &[name.into(), sealed.into()]).await.map(drop)
}
