//! Rows of `sends`: recipients of what was submitted, in buckets of an hour.
//!
//! A day is the running hour and the 23 before it. Invariant: whoever compares with a limit holds the subject's lock,
//! so that of many who want the last place, one gets it.

use super::{Result, Tx};

const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = 24;

/// Makes everybody else who counts for this subject wait until this transaction ends.
pub async fn lock(tx: &mut Tx, subject: i64) -> Result<()> {
    match tx {
        // There is one writer anyway.
        Tx::Lite(_) => Ok(()),
        Tx::Pg(_) => tx.execute("SELECT pg_advisory_xact_lock($1)", &[subject.into()]).await.map(drop),
    }
}

/// Counts recipients at a moment, Unix milliseconds; fewer when the number is negative.
pub async fn add(tx: &mut Tx, subject: i64, at: i64, recipients: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO sends (subject, hour, recipients) VALUES ($1, $2, $3) \
         ON CONFLICT (subject, hour) DO UPDATE SET recipients = sends.recipients + excluded.recipients";
    tx.execute(SQL, &[subject.into(), (at / HOUR_MS).into(), recipients.into()]).await.map(drop)
}

/// Recipients within the day that ends at a moment.
pub async fn used(tx: &mut Tx, subject: i64, now: i64) -> Result<u64> {
    const SQL: &str = "SELECT CAST(COALESCE(SUM(recipients), 0) AS BIGINT) FROM sends WHERE subject = $1 AND hour > $2";
    let row = tx.one(SQL, &[subject.into(), (now / HOUR_MS - HOURS).into()]).await?;
    let used = row.map(|row| row.get::<i64>(0)).transpose()?.unwrap_or(0);
    Ok(u64::try_from(used).unwrap_or(0))
}

/// Forgets what no day holds any more.
pub async fn forget(tx: &mut Tx, now: i64) -> Result<()> {
    tx.execute("DELETE FROM sends WHERE hour <= $1", &[(now / HOUR_MS - HOURS).into()]).await.map(drop)
}
