//! Rows of `app_passwords`: a hash of each, never the password.

use super::logins::LoginRow;
use super::{DbError, Result, Row, Tx};
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{Network, Protocol};

/// An app password.
#[derive(Debug, Clone)]
pub struct AppPasswordRow {
    /// Its id.
    pub id: AppPasswordId,
    /// Whose it is.
    pub mailbox: MailboxId,
    /// What its owner calls it.
    pub name: String,
    /// The SHA-256 of its text.
    pub secret_hash: Vec<u8>,
    /// What it opens.
    pub protocols: Vec<Protocol>,
    /// From where; an empty list is everywhere.
    pub allow_from: Vec<Network>,
    /// Unix milliseconds; none never expires.
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The last login with it.
    pub last: Option<LoginRow>,
}

fn list_of<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(|error| DbError::Failed(format!("a list of an app password: {error}")))
}

fn text_of<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

fn read(row: &Row) -> Result<AppPasswordRow> {
    let last = match row.get::<Option<i64>>(8)? {
        Some(at) => Some(LoginRow { protocol: row.parse(9)?, at, peer: row.get(10)? }),
        None => None,
    };
    Ok(AppPasswordRow {
        id: AppPasswordId(row.get(0)?),
        mailbox: MailboxId(row.get(1)?),
        name: row.get(2)?,
        secret_hash: row.get(3)?,
        protocols: list_of(&row.get::<String>(4)?)?,
        allow_from: list_of(&row.get::<String>(5)?)?,
        expires_at: row.get(6)?,
        created_at: row.get(7)?,
        last,
    })
}

/// Those of a mailbox, oldest first.
pub async fn list(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<AppPasswordRow>> {
    const SQL: &str = "SELECT id, mailbox_id, name, secret_hash, protocols, allow_from, expires_at, created_at, last_used_at, last_protocol, last_peer \
         FROM app_passwords WHERE mailbox_id = $1 ORDER BY id";
    tx.all(SQL, &[mailbox.0.into()]).await?.iter().map(read).collect()
}

/// Adds one.
pub async fn insert(tx: &mut Tx, app: &AppPasswordRow) -> Result<()> {
    const SQL: &str = "INSERT INTO app_passwords (id, mailbox_id, name, secret_hash, protocols, allow_from, expires_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = [
        app.id.0.into(),
        app.mailbox.0.into(),
        app.name.as_str().into(),
        app.secret_hash.as_slice().into(),
        text_of(&app.protocols).into(),
        text_of(&app.allow_from).into(),
        app.expires_at.into(),
        app.created_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// Notes a login with it unless a later one is noted.
pub async fn used(tx: &mut Tx, id: AppPasswordId, login: &LoginRow) -> Result<()> {
    const SQL: &str = "UPDATE app_passwords SET last_used_at = $2, last_protocol = $3, last_peer = $4 \
         WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $2)";
    let args = [id.0.into(), login.at.into(), login.protocol.as_str().into(), login.peer.as_str().into()];
    tx.execute(SQL, &args).await.map(drop)
}

/// Those that have expired and of which nodes do not know yet.
pub async fn expiring(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<(MailboxId, AppPasswordId)>> {
    const SQL: &str = "SELECT mailbox_id, id FROM app_passwords WHERE expires_at IS NOT NULL AND expires_at <= $1 AND expired = 0 \
         ORDER BY expires_at LIMIT $2";
    let rows = tx.all(SQL, &[now.into(), limit.into()]).await?;
    rows.iter().map(|row| Ok((MailboxId(row.get(0)?), AppPasswordId(row.get(1)?)))).collect()
}

/// Nodes are told that it expired; false when they were, or it is gone.
pub async fn expire(tx: &mut Tx, id: AppPasswordId) -> Result<bool> {
    const SQL: &str = "UPDATE app_passwords SET expired = 1 WHERE id = $1 AND expired = 0";
    Ok(tx.execute(SQL, &[id.0.into()]).await? > 0)
}

/// Removes it.
pub async fn delete(tx: &mut Tx, id: AppPasswordId) -> Result<()> {
    tx.execute("DELETE FROM app_passwords WHERE id = $1", &[id.0.into()]).await.map(drop)
}

/// Removes all of a mailbox that is being deleted.
pub async fn delete_all(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM app_passwords WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}
