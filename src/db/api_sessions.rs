//! Rows of `api_sessions`: a sign-in and the hash of its one valid refresh token.

use super::{Result, Tx};

/// A sign-in.
#[derive(Debug, Clone)]
pub struct ApiSessionRow {
    /// Its id, as access tokens name it.
    pub id: String,
    /// Who signed in: the id of a user or a mailbox.
    pub caller: String,
    /// The caller's password epoch at the sign-in.
    pub password_epoch: i64,
    /// SHA-256 of the refresh token that is valid now.
    pub token_hash: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    pub expires_at: i64,
    /// True once it was signed out, or an old token came back.
    pub revoked: bool,
}

/// A sign-in by its id.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<ApiSessionRow>> {
    const SQL: &str = "SELECT id, caller, password_epoch, token_hash, created_at, expires_at, revoked FROM api_sessions WHERE id = $1";
    let Some(row) = tx.one(SQL, &[id.into()]).await? else { return Ok(None) };
    Ok(Some(ApiSessionRow {
        id: row.get(0)?,
        caller: row.get(1)?,
        password_epoch: row.get(2)?,
        token_hash: row.get(3)?,
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        revoked: row.get::<i64>(6)? != 0,
    }))
}

/// Adds a sign-in.
pub async fn insert(tx: &mut Tx, session: &ApiSessionRow) -> Result<()> {
    const SQL: &str = "INSERT INTO api_sessions (id, caller, password_epoch, token_hash, created_at, expires_at, revoked) \
         VALUES ($1, $2, $3, $4, $5, $6, 0)";
    let args = [
        session.id.as_str().into(),
        session.caller.as_str().into(),
        session.password_epoch.into(),
        session.token_hash.as_slice().into(),
        session.created_at.into(),
        session.expires_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Puts a new refresh token in the place of the old one; false when the old one is no longer
/// the valid one, so that one token is consumed once, also by racing calls.
pub async fn rotate(tx: &mut Tx, id: &str, old: &[u8], new: &[u8], expires_at: i64) -> Result<bool> {
    const SQL: &str =
        "UPDATE api_sessions SET token_hash = $3, expires_at = $4 WHERE id = $1 AND token_hash = $2 AND revoked = 0";
    Ok(tx.execute(SQL, &[id.into(), old.into(), new.into(), expires_at.into()]).await? == 1)
}

/// Revokes one sign-in.
pub async fn revoke(tx: &mut Tx, id: &str) -> Result<()> {
    tx.execute("UPDATE api_sessions SET revoked = 1 WHERE id = $1", &[id.into()]).await.map(drop)
}

/// Revokes all sign-ins of a caller.
pub async fn revoke_all(tx: &mut Tx, caller: &str) -> Result<()> {
    tx.execute("UPDATE api_sessions SET revoked = 1 WHERE caller = $1", &[caller.into()]).await.map(drop)
}

/// Forgets sign-ins that have expired.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM api_sessions WHERE expires_at < $1", &[before.into()]).await.map(drop)
}
