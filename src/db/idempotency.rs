//! Rows of `idempotency_keys`: which answer a key has had.

use super::{Result, Tx};

/// What stands under a key.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// Hash of the request that came first.
    pub request_hash: Vec<u8>,
    /// HTTP status; 0 while that request still runs.
    pub status: i64,
    /// The answer, sealed.
    pub response: Vec<u8>,
    /// Unix milliseconds.
    pub created_at: i64,
    /// The revision that it made, as soon as that is durable.
    pub revision: Option<i64>,
}

/// Takes a key; false when it is taken.
pub async fn begin(tx: &mut Tx, caller: &str, key: &str, request_hash: &[u8], now: i64) -> Result<bool> {
    const SQL: &str = "INSERT INTO idempotency_keys (caller, idempotency_key, request_hash, status, response, created_at) \
         VALUES ($1, $2, $3, 0, $4, $5) ON CONFLICT (caller, idempotency_key) DO NOTHING";
    let empty: &[u8] = &[];
    Ok(tx.execute(SQL, &[caller.into(), key.into(), request_hash.into(), empty.into(), now.into()]).await? == 1)
}

/// What stands under a key.
pub async fn find(tx: &mut Tx, caller: &str, key: &str) -> Result<Option<StoredAnswer>> {
    const SQL: &str = "SELECT request_hash, status, response, created_at, revision FROM idempotency_keys WHERE caller = $1 AND idempotency_key = $2";
    let Some(row) = tx.one(SQL, &[caller.into(), key.into()]).await? else { return Ok(None) };
    Ok(Some(StoredAnswer {
        request_hash: row.get(0)?,
        status: row.get(1)?,
        response: row.get(2)?,
        created_at: row.get(3)?,
        revision: row.get(4)?,
    }))
}

/// Notes the revision that the request makes, in the transaction that makes it.
pub async fn done(tx: &mut Tx, caller: &str, key: &str, revision: i64) -> Result<()> {
    const SQL: &str =
        "UPDATE idempotency_keys SET revision = $3 WHERE caller = $1 AND idempotency_key = $2 AND status = 0";
    tx.execute(SQL, &[caller.into(), key.into(), revision.into()]).await.map(drop)
}

/// Keeps the answer.
pub async fn finish(tx: &mut Tx, caller: &str, key: &str, status: i64, response: &[u8]) -> Result<()> {
    const SQL: &str =
        "UPDATE idempotency_keys SET status = $3, response = $4 WHERE caller = $1 AND idempotency_key = $2";
    tx.execute(SQL, &[caller.into(), key.into(), status.into(), response.into()]).await.map(drop)
}

/// Gives a key back whose request did nothing; one that made a revision stays.
pub async fn release(tx: &mut Tx, caller: &str, key: &str) -> Result<()> {
    const SQL: &str =
        "DELETE FROM idempotency_keys WHERE caller = $1 AND idempotency_key = $2 AND status = 0 AND revision IS NULL";
    tx.execute(SQL, &[caller.into(), key.into()]).await.map(drop)
}

/// Forgets old keys.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM idempotency_keys WHERE created_at < $1", &[before.into()]).await.map(drop)
}
