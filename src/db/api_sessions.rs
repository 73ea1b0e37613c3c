//! Rows of `api_sessions`: a sign-in and the hash of its one valid refresh token.

use super::{Result, Row, Tx};
use crate::model::bounds;
use crate::model::ids::SignInId;

/// A sign-in.
#[derive(Debug, Clone)]
pub struct ApiSessionRow {
    /// Its id, as access tokens name it: half of the refresh token, so it is shown to nobody.
    pub id: String,
    /// The id that is shown.
    pub number: SignInId,
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
    /// The address that it was made from.
    pub peer: String,
    /// What the program called itself.
    pub user_agent: String,
    /// When it was last used, Unix milliseconds.
    pub last_used_at: i64,
    /// The address of that use.
    pub last_used_from: String,
    /// The id of who acts with it for whom it is of; empty where nobody else does.
    pub actor: String,
    /// Why.
    pub reason: String,
}

fn read(row: &Row) -> Result<ApiSessionRow> {
    Ok(ApiSessionRow {
        id: row.get(0)?,
        number: SignInId(row.get(1)?),
        caller: row.get(2)?,
        password_epoch: row.get(3)?,
        token_hash: row.get(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        revoked: row.get::<i64>(7)? != 0,
        peer: row.get(8)?,
        user_agent: row.get(9)?,
        last_used_at: row.get(10)?,
        last_used_from: row.get(11)?,
        actor: row.get(12)?,
        reason: row.get(13)?,
    })
}

macro_rules! columns {
    () => {
        "id, number, caller, password_epoch, token_hash, created_at, expires_at, revoked, peer, user_agent, last_used_at, last_used_from, actor, reason"
    };
}

/// A sign-in by its id.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<ApiSessionRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM api_sessions WHERE id = $1");
    tx.one(SQL, &[id.into()]).await?.as_ref().map(read).transpose()
}

/// The sign-ins of a caller that stand, newest first.
pub async fn list(tx: &mut Tx, caller: &str, now: i64) -> Result<Vec<ApiSessionRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM api_sessions WHERE caller = $1 AND revoked = 0 AND expires_at > $2 ORDER BY number DESC LIMIT $3"
    );
    tx.all(SQL, &[caller.into(), now.into(), bounds::SIGN_INS.into()]).await?.iter().map(read).collect()
}

/// Adds a sign-in. Of more than may stand the oldest ends.
pub async fn insert(tx: &mut Tx, session: &ApiSessionRow) -> Result<()> {
    const SQL: &str = "INSERT INTO api_sessions (id, number, caller, password_epoch, token_hash, created_at, expires_at, revoked, \
         peer, user_agent, last_used_at, last_used_from, actor, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, $11, $12, $13)";
    const OLDEST: &str = "UPDATE api_sessions SET revoked = 1 WHERE caller = $1 AND revoked = 0 AND number <= \
         (SELECT number FROM api_sessions WHERE caller = $1 AND revoked = 0 ORDER BY number DESC LIMIT 1 OFFSET $2)";
    let args = [
        session.id.as_str().into(),
        session.number.0.into(),
        session.caller.as_str().into(),
        session.password_epoch.into(),
        session.token_hash.as_slice().into(),
        session.created_at.into(),
        session.expires_at.into(),
        session.peer.as_str().into(),
        session.user_agent.as_str().into(),
        session.last_used_at.into(),
        session.last_used_from.as_str().into(),
        session.actor.as_str().into(),
        session.reason.as_str().into(),
    ];
    tx.execute(SQL, &args).await?;
    tx.execute(OLDEST, &[session.caller.as_str().into(), bounds::SIGN_INS.into()]).await.map(drop)
}

/// Notes a use.
pub async fn used(tx: &mut Tx, id: &str, now: i64, from: &str) -> Result<()> {
    const SQL: &str = "UPDATE api_sessions SET last_used_at = $2, last_used_from = $3 WHERE id = $1";
    tx.execute(SQL, &[id.into(), now.into(), from.into()]).await.map(drop)
}

/// Revokes one of a caller's sign-ins that stand; false when it has no such.
pub async fn revoke_of(tx: &mut Tx, caller: &str, number: SignInId, now: i64) -> Result<bool> {
    const SQL: &str =
        "UPDATE api_sessions SET revoked = 1 WHERE caller = $1 AND number = $2 AND revoked = 0 AND expires_at > $3";
    Ok(tx.execute(SQL, &[caller.into(), number.0.into(), now.into()]).await? == 1)
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

/// Revokes all sign-ins of a caller but one, which goes on with the caller's new password.
pub async fn revoke_others(tx: &mut Tx, caller: &str, kept: Option<SignInId>, epoch: i64) -> Result<()> {
    const OTHERS: &str = "UPDATE api_sessions SET revoked = 1 WHERE caller = $1 AND number <> $2";
    const KEPT: &str = "UPDATE api_sessions SET password_epoch = $3 WHERE caller = $1 AND number = $2";
    let number = kept.map_or(0, |kept| kept.0);
    tx.execute(OTHERS, &[caller.into(), number.into()]).await?;
    tx.execute(KEPT, &[caller.into(), number.into(), epoch.into()]).await.map(drop)
}

/// Forgets sign-ins that have expired.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM api_sessions WHERE expires_at < $1", &[before.into()]).await.map(drop)
}
