//! Rows of what mailboxes hold and do, by day; of domains and tenants the sums.
//!
//! Invariant: a row is written for what changed or was done, never for a day that went by, and `usage_sums` is at every
//! commit the sum of `usage_held`.

use super::{Result, Row, Tx};
use crate::model::ids::{DomainId, MailboxId};
use crate::model::{Day, Usage};

/// What was done on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Logins by IMAP.
    pub imap: i64,
    /// Logins by POP3.
    pub pop3: i64,
    /// Logins by submission.
    pub submission: i64,
    /// Messages that came in.
    pub received: i64,
    /// Messages that were submitted.
    pub sent: i64,
}

/// A day of a mailbox, domain or tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRow {
    /// Which day.
    pub day: Day,
    /// What was held at its last count; none where that is as before.
    pub held: Option<Usage>,
    /// What was done.
    pub done: Done,
}

/// A mailbox at the last count and now.
#[derive(Debug, Clone)]
pub struct MailboxUsage {
    /// The mailbox.
    pub id: MailboxId,
    /// Where it counts: its domain and its tenant's path. None when it is gone.
    pub place: Option<(DomainId, String)>,
    /// Where it counted and what it held; none when it never did.
    pub counted: Option<(DomainId, String, Usage)>,
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn held(row: &Row, at: usize) -> Result<Option<Usage>> {
    let (bytes, messages) = (row.get::<Option<i64>>(at)?, row.get::<Option<i64>>(at + 1)?);
    Ok(bytes.zip(messages).map(|(bytes, messages)| Usage { bytes: number(bytes), messages: number(messages) }))
}

/// Adds to what was done on a day.
pub async fn add_done(tx: &mut Tx, subject: i64, day: Day, done: &Done) -> Result<()> {
    const SQL: &str = "INSERT INTO usage_days (subject, day, imap, pop3, submission, received, sent) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (subject, day) DO UPDATE SET imap = usage_days.imap + excluded.imap, pop3 = usage_days.pop3 + excluded.pop3, \
         submission = usage_days.submission + excluded.submission, received = usage_days.received + excluded.received, \
         sent = usage_days.sent + excluded.sent";
    let Done { imap, pop3, submission, received, sent } = *done;
    let args = [subject, day.0, imap, pop3, submission, received, sent].map(Into::into);
    tx.execute(SQL, &args).await.map(drop)
}

/// Says what was held at the last count of a day.
pub async fn set_held(tx: &mut Tx, subject: i64, day: Day, usage: Usage) -> Result<()> {
    const SQL: &str = "INSERT INTO usage_days (subject, day, bytes, messages) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (subject, day) DO UPDATE SET bytes = excluded.bytes, messages = excluded.messages";
    tx.execute(SQL, &[subject, day.0, whole(usage.bytes), whole(usage.messages)].map(Into::into)).await.map(drop)
}

/// Adds to a sum, which is negative when less is held, and says so for a day.
pub async fn add_sum(tx: &mut Tx, subject: i64, day: Day, bytes: i64, messages: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO usage_sums (subject, bytes, messages) VALUES ($1, $2, $3) \
         ON CONFLICT (subject) DO UPDATE SET bytes = usage_sums.bytes + excluded.bytes, messages = usage_sums.messages + excluded.messages \
         RETURNING bytes, messages";
    let row = tx.one(SQL, &[subject, bytes, messages].map(Into::into)).await?;
    match row.as_ref().map(|row| held(row, 0)).transpose()?.flatten() {
        Some(sum) => set_held(tx, subject, day, sum).await,
        None => Ok(()),
    }
}

/// What a domain or tenant held at the last count.
pub async fn sum(tx: &mut Tx, subject: i64) -> Result<Usage> {
    let row = tx.one("SELECT bytes, messages FROM usage_sums WHERE subject = $1", &[subject.into()]).await?;
    Ok(row.as_ref().map(|row| held(row, 0)).transpose()?.flatten().unwrap_or_default())
}

/// Ids of mailboxes, rising, after one.
pub async fn mailboxes(tx: &mut Tx, after: MailboxId, limit: i64) -> Result<Vec<MailboxId>> {
    const SQL: &str = "SELECT id FROM mailboxes WHERE id > $1 ORDER BY id LIMIT $2";
    tx.all(SQL, &[after.0.into(), limit.into()]).await?.iter().map(|row| row.get(0).map(MailboxId)).collect()
}

/// The mailboxes from one to another, with what was counted of them.
pub async fn between(tx: &mut Tx, first: MailboxId, last: MailboxId) -> Result<Vec<MailboxUsage>> {
    const SQL: &str = "SELECT m.id, m.domain_id, t.path, h.domain_id, h.path, h.bytes, h.messages \
         FROM mailboxes m JOIN tenants t ON t.id = m.tenant_id LEFT JOIN usage_held h ON h.mailbox_id = m.id \
         WHERE m.id >= $1 AND m.id <= $2 ORDER BY m.id";
    let read = |row: &Row| {
        Ok(MailboxUsage {
            id: MailboxId(row.get(0)?),
            place: Some((DomainId(row.get(1)?), row.get(2)?)),
            counted: counted(row, 3)?,
        })
    };
    tx.all(SQL, &[first.0.into(), last.0.into()]).await?.iter().map(read).collect()
}

/// Some mailboxes that were counted and are gone.
pub async fn gone(tx: &mut Tx, limit: i64) -> Result<Vec<MailboxUsage>> {
    const SQL: &str = "SELECT h.mailbox_id, h.domain_id, h.path, h.bytes, h.messages FROM usage_held h \
         LEFT JOIN mailboxes m ON m.id = h.mailbox_id WHERE m.id IS NULL ORDER BY h.mailbox_id LIMIT $1";
    let read = |row: &Row| Ok(MailboxUsage { id: MailboxId(row.get(0)?), place: None, counted: counted(row, 1)? });
    tx.all(SQL, &[limit.into()]).await?.iter().map(read).collect()
}

fn counted(row: &Row, at: usize) -> Result<Option<(DomainId, String, Usage)>> {
    let (domain, path) = (row.get::<Option<i64>>(at)?, row.get::<Option<String>>(at + 1)?);
    let usage = held(row, at + 2)?;
    Ok(domain.zip(path).zip(usage).map(|((domain, path), usage)| (DomainId(domain), path, usage)))
}

/// Notes what a mailbox holds and where that counts.
pub async fn hold(tx: &mut Tx, id: MailboxId, domain: DomainId, path: &str, usage: Usage) -> Result<()> {
    const SQL: &str = "INSERT INTO usage_held (mailbox_id, domain_id, path, bytes, messages) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (mailbox_id) DO UPDATE SET domain_id = excluded.domain_id, path = excluded.path, \
         bytes = excluded.bytes, messages = excluded.messages";
    let args = [id.0.into(), domain.0.into(), path.into(), whole(usage.bytes).into(), whole(usage.messages).into()];
    tx.execute(SQL, &args).await.map(drop)
}

/// Forgets a mailbox that is gone, and its days.
pub async fn let_go(tx: &mut Tx, id: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM usage_days WHERE subject = $1", &[id.0.into()]).await?;
    tx.execute("DELETE FROM usage_held WHERE mailbox_id = $1", &[id.0.into()]).await.map(drop)
}

/// Takes an hour's count, which one node does; nobody else writes counts until this transaction ends.
pub async fn take_turn(tx: &mut Tx, hour: i64) -> Result<bool> {
    const SQL: &str = "UPDATE usage_counts SET hour = $1 WHERE id = 1 AND hour < $1";
    Ok(tx.execute(SQL, &[hour.into()]).await? > 0)
}

/// Makes everybody else who writes counts wait until this transaction ends.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE usage_counts SET hour = hour WHERE id = 1", &[]).await.map(drop)
}

/// The days of a mailbox, domain or tenant that have rows.
pub async fn days(tx: &mut Tx, subject: i64, from: Day, to: Day) -> Result<Vec<DayRow>> {
    const SQL: &str = "SELECT day, bytes, messages, imap, pop3, submission, received, sent FROM usage_days \
         WHERE subject = $1 AND day >= $2 AND day <= $3 ORDER BY day";
    let read = |row: &Row| {
        let done = Done {
            imap: row.get(3)?,
            pop3: row.get(4)?,
            submission: row.get(5)?,
            received: row.get(6)?,
            sent: row.get(7)?,
        };
        Ok(DayRow { day: Day(row.get(0)?), held: held(row, 1)?, done })
    };
    tx.all(SQL, &[subject, from.0, to.0].map(Into::into)).await?.iter().map(read).collect()
}

/// What was held before a day.
pub async fn before(tx: &mut Tx, subject: i64, day: Day) -> Result<Option<Usage>> {
    const SQL: &str = "SELECT bytes, messages FROM usage_days \
         WHERE subject = $1 AND day < $2 AND bytes IS NOT NULL ORDER BY day DESC LIMIT 1";
    let row = tx.one(SQL, &[subject, day.0].map(Into::into)).await?;
    row.as_ref().map(|row| held(row, 0)).transpose().map(Option::flatten)
}

/// Forgets days before one, but of each subject the newest row that says what it holds: later days may refer to it.
pub async fn forget(tx: &mut Tx, before: Day) -> Result<()> {
    const SQL: &str = "DELETE FROM usage_days WHERE day < $1 AND (bytes IS NULL OR EXISTS (SELECT 1 FROM usage_days n \
         WHERE n.subject = usage_days.subject AND n.day > usage_days.day AND n.day <= $1 AND n.bytes IS NOT NULL))";
    tx.execute(SQL, &[before.0.into()]).await.map(drop)
}
