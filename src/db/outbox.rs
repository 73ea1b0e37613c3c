//! Rows of `outbox`: mail of ours on its way. What it says comes sealed and is emptied once it is sent or given up.

use super::{Result, Row, Tx};
use crate::model::EmailAddress;
use crate::model::ids::InvitationId;

/// What is left of a letter.
const EMPTY: &[u8] = &[];

/// A letter.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// Its id.
    pub id: i64,
    /// The link that it is about.
    pub link: InvitationId,
    /// Where it goes.
    pub recipient: EmailAddress,
    /// What it says, sealed.
    pub letter: Vec<u8>,
    /// `waiting`, `sent` or `failed`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next, Unix milliseconds.
    pub next_attempt_at: i64,
    /// After when it is given up.
    pub expires_at: i64,
    /// What the last attempt failed of.
    pub error: String,
    /// Unix milliseconds.
    pub created_at: i64,
}

macro_rules! columns {
    () => {
        "id, link_id, recipient, letter_sealed, state, attempts, next_attempt_at, expires_at, error, created_at"
    };
}

fn read(row: &Row) -> Result<OutboxRow> {
    Ok(OutboxRow {
        id: row.get(0)?,
        link: InvitationId(row.get(1)?),
        recipient: row.parse(2)?,
        letter: row.get(3)?,
        state: row.get(4)?,
        attempts: row.get(5)?,
        next_attempt_at: row.get(6)?,
        expires_at: row.get(7)?,
        error: row.get(8)?,
        created_at: row.get(9)?,
    })
}

/// Adds one.
pub async fn insert(tx: &mut Tx, row: &OutboxRow) -> Result<()> {
    const SQL: &str = "INSERT INTO outbox (id, link_id, recipient, letter_sealed, state, attempts, next_attempt_at, leased_until, expires_at, error, created_at) \
         VALUES ($1, $2, $3, $4, 'waiting', 0, $5, 0, $6, '', $7)";
    let args = [
        row.id.into(),
        row.link.0.into(),
        row.recipient.to_string().into(),
        row.letter.as_slice().into(),
        row.next_attempt_at.into(),
        row.expires_at.into(),
        row.created_at.into(),
    ];
    tx.execute(SQL, &args).await.map(drop)
}

/// What is due, at most `limit`, oldest first.
pub async fn due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<OutboxRow>> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM outbox WHERE state = 'waiting' AND next_attempt_at <= $1 AND leased_until <= $1 ORDER BY next_attempt_at LIMIT $2"
    );
    tx.all(SQL, &[now.into(), limit.into()]).await?.iter().map(read).collect()
}

/// Takes one for this node for a while; false when another has it.
pub async fn claim(tx: &mut Tx, id: i64, now: i64, until: i64) -> Result<bool> {
    const SQL: &str = "UPDATE outbox SET leased_until = $3 WHERE id = $1 AND state = 'waiting' AND leased_until <= $2";
    Ok(tx.execute(SQL, &[id.into(), now.into(), until.into()]).await? == 1)
}

/// It is sent, or given up: what it said is gone.
pub async fn end(tx: &mut Tx, id: i64, state: &str, error: &str) -> Result<()> {
    const SQL: &str =
        "UPDATE outbox SET state = $2, error = $3, attempts = attempts + 1, letter_sealed = $4 WHERE id = $1";
    tx.execute(SQL, &[id.into(), state.into(), error.into(), EMPTY.into()]).await.map(drop)
}

/// It is tried again later.
pub async fn postpone(tx: &mut Tx, id: i64, at: i64, error: &str) -> Result<()> {
    const SQL: &str =
        "UPDATE outbox SET attempts = attempts + 1, next_attempt_at = $2, leased_until = 0, error = $3 WHERE id = $1";
    tx.execute(SQL, &[id.into(), at.into(), error.into()]).await.map(drop)
}

/// Gives up what waits about a link: it opens nothing any more.
pub async fn cancel(tx: &mut Tx, link: InvitationId) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET state = 'failed', error = 'revoked', letter_sealed = $2 WHERE link_id = $1 AND state = 'waiting'";
    tx.execute(SQL, &[link.0.into(), EMPTY.into()]).await.map(drop)
}

/// The newest letter about a link.
pub async fn newest(tx: &mut Tx, link: InvitationId) -> Result<Option<OutboxRow>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM outbox WHERE link_id = $1 ORDER BY id DESC LIMIT 1");
    tx.one(SQL, &[link.0.into()]).await?.as_ref().map(read).transpose()
}
