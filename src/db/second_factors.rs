//! Rows of `second_factors` and `recovery_codes`: secrets come sealed, codes as keyed hashes.

use super::{Result, Row, Tx};

/// A second factor.
#[derive(Debug, Clone)]
pub struct SecondFactorRow {
    /// The shared secret, sealed.
    pub secret: Vec<u8>,
    /// Whether its owner has shown that codes come out right.
    pub confirmed: bool,
    /// The newest step whose code was taken.
    pub last_step: i64,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn read(row: &Row) -> Result<SecondFactorRow> {
    Ok(SecondFactorRow {
        secret: row.get(0)?,
        confirmed: row.get::<i64>(1)? != 0,
        last_step: row.get(2)?,
        created_at: row.get(3)?,
    })
}

/// The one of a user or mailbox.
pub async fn find(tx: &mut Tx, owner: &str) -> Result<Option<SecondFactorRow>> {
    const SQL: &str = "SELECT secret_sealed, confirmed, last_step, created_at FROM second_factors WHERE owner = $1";
    tx.one(SQL, &[owner.into()]).await?.as_ref().map(read).transpose()
}

/// Begins one anew, unless one is in force; false then.
pub async fn begin(tx: &mut Tx, owner: &str, secret: &[u8], now: i64) -> Result<bool> {
    const SQL: &str = "INSERT INTO second_factors (owner, secret_sealed, confirmed, last_step, created_at) VALUES ($1, $2, 0, 0, $3) \
         ON CONFLICT (owner) DO UPDATE SET secret_sealed = excluded.secret_sealed, created_at = excluded.created_at \
         WHERE second_factors.confirmed = 0";
    Ok(tx.execute(SQL, &[owner.into(), secret.into(), now.into()]).await? == 1)
}

/// Takes the code of a step, once; false when that step, or a later one, was taken before.
pub async fn take_step(tx: &mut Tx, owner: &str, step: i64) -> Result<bool> {
    const SQL: &str = "UPDATE second_factors SET last_step = $2 WHERE owner = $1 AND last_step < $2";
    Ok(tx.execute(SQL, &[owner.into(), step.into()]).await? == 1)
}

/// Puts it in force; false when it is.
pub async fn confirm(tx: &mut Tx, owner: &str) -> Result<bool> {
    const SQL: &str = "UPDATE second_factors SET confirmed = 1 WHERE owner = $1 AND confirmed = 0";
    Ok(tx.execute(SQL, &[owner.into()]).await? == 1)
}

/// Removes it, with its recovery codes.
pub async fn delete(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM second_factors WHERE owner = $1", &[owner.into()]).await?;
    forget_codes(tx, owner).await
}

/// Adds a recovery code.
pub async fn add_code(tx: &mut Tx, owner: &str, hash: &[u8]) -> Result<()> {
    const SQL: &str = "INSERT INTO recovery_codes (owner, code_hash) VALUES ($1, $2)";
    tx.execute(SQL, &[owner.into(), hash.into()]).await.map(drop)
}

/// Takes a recovery code, once; false when there is none such.
pub async fn take_code(tx: &mut Tx, owner: &str, hash: &[u8]) -> Result<bool> {
    const SQL: &str = "DELETE FROM recovery_codes WHERE owner = $1 AND code_hash = $2";
    Ok(tx.execute(SQL, &[owner.into(), hash.into()]).await? == 1)
}

/// How many recovery codes are left.
pub async fn codes_left(tx: &mut Tx, owner: &str) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM recovery_codes WHERE owner = $1";
    tx.one(SQL, &[owner.into()]).await?.map_or(Ok(0), |row| row.get(0))
}

/// Removes all recovery codes.
pub async fn forget_codes(tx: &mut Tx, owner: &str) -> Result<()> {
    tx.execute("DELETE FROM recovery_codes WHERE owner = $1", &[owner.into()]).await.map(drop)
}
