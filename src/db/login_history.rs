//! Rows of `login_history`: attempts to sign in to a mailbox, those of an hour that are alike in one row.
//!
//! Invariant: a mailbox that is not there gets no row, and one that is has at most so many of each kind (admitted, not
//! admitted): a flood of failures pushes no login out.

use super::{DbError, Result, Row, Tx};
use crate::model::ids::{AppPasswordId, MailboxId};
use crate::model::{LoginOutcome, LoginReason, Protocol, SettingLevel, bounds};

const HOUR_MS: i64 = 3_600_000;

/// Everything by which attempts are told apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// By which protocol.
    pub protocol: Protocol,
    /// From which address; empty where there were too many to name.
    pub peer: String,
    /// Whether TLS protected it.
    pub tls: bool,
    /// What became of it.
    pub outcome: LoginOutcome,
    /// Why it was refused.
    pub reason: Option<LoginReason>,
    /// The level of settings that decided.
    pub level: Option<SettingLevel>,
    /// The app password that it came with.
    pub app: Option<AppPasswordId>,
}

/// How often something was seen, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The first time, Unix milliseconds.
    pub first: i64,
    /// The last time.
    pub last: i64,
    /// How often.
    pub times: i64,
}

impl Times {
    /// Seen once.
    pub fn once(at: i64) -> Self {
        Self { first: at, last: at, times: 1 }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        let (first, last) = (self.first.min(other.first), self.last.max(other.last));
        Self { first, last, times: self.times + other.times }
    }
}

fn word<T: Copy>(word: Option<T>, text: impl Fn(T) -> &'static str) -> super::Arg {
    word.map(text).unwrap_or_default().into()
}

fn none_or<T: std::str::FromStr>(row: &Row, column: usize) -> Result<Option<T>> {
    let text: String = row.get(column)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| DbError::Damaged(text)) }
}

/// Notes attempts of a mailbox that is there.
pub async fn note(tx: &mut Tx, mailbox: MailboxId, seen: &Seen, at: Times) -> Result<()> {
    const SQL: &str = "INSERT INTO login_history (mailbox_id, hour, protocol, peer, tls, outcome, reason, level, app_password_id, admitted, first_at, last_at, times) \
         SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), $3, $4, CAST($5 AS BIGINT), $6, $7, $8, CAST($9 AS BIGINT), CAST($10 AS BIGINT), CAST($11 AS BIGINT), CAST($12 AS BIGINT), CAST($13 AS BIGINT) WHERE EXISTS (SELECT 1 FROM mailboxes WHERE id = $1) \
         ON CONFLICT (mailbox_id, hour, protocol, peer, tls, outcome, reason, level, app_password_id) DO UPDATE SET \
         last_at = CASE WHEN excluded.last_at > login_history.last_at THEN excluded.last_at ELSE login_history.last_at END, \
         times = login_history.times + excluded.times RETURNING times";
    let admitted = seen.outcome == LoginOutcome::Admitted;
    let args = [
        mailbox.0.into(),
        (at.last / HOUR_MS).into(),
        seen.protocol.as_str().into(),
        seen.peer.as_str().into(),
        seen.tls.into(),
        seen.outcome.as_str().into(),
        word(seen.reason, LoginReason::as_str),
        word(seen.level, SettingLevel::as_str),
        seen.app.map_or(0, |app| app.0).into(),
        admitted.into(),
        at.first.into(),
        at.last.into(),
        at.times.into(),
    ];
    let written = tx.one(SQL, &args).await?.map(|row| row.get::<i64>(0)).transpose()?;
    // Only a new row can be one too many.
    if written == Some(at.times) { trim(tx, mailbox, admitted).await } else { Ok(()) }
}

async fn trim(tx: &mut Tx, mailbox: MailboxId, admitted: bool) -> Result<()> {
    const SQL: &str = "DELETE FROM login_history WHERE mailbox_id = $1 AND admitted = $2 \
         AND (hour, protocol, peer, tls, outcome, reason, level, app_password_id) NOT IN \
         (SELECT hour, protocol, peer, tls, outcome, reason, level, app_password_id FROM login_history \
         WHERE mailbox_id = $1 AND admitted = $2 ORDER BY last_at DESC, hour DESC, protocol, peer, tls, outcome, reason, level, app_password_id LIMIT $3)";
    let args = [mailbox.0.into(), admitted.into(), bounds::LOGIN_HISTORY.into()];
    tx.execute(SQL, &args).await.map(drop)
}

/// What is known of a mailbox's logins, newest first.
pub async fn list(tx: &mut Tx, mailbox: MailboxId) -> Result<Vec<(Seen, Times)>> {
    const SQL: &str = "SELECT protocol, peer, tls, outcome, reason, level, app_password_id, first_at, last_at, times \
         FROM login_history WHERE mailbox_id = $1 ORDER BY last_at DESC, admitted, protocol, peer, reason";
    let read = |row: &Row| {
        let seen = Seen {
            protocol: row.parse(0)?,
            peer: row.get(1)?,
            tls: row.get::<i64>(2)? != 0,
            outcome: row.parse(3)?,
            reason: none_or(row, 4)?,
            level: none_or(row, 5)?,
            app: Some(row.get::<i64>(6)?).filter(|id| *id != 0).map(AppPasswordId),
        };
        Ok((seen, Times { first: row.get(7)?, last: row.get(8)?, times: row.get(9)? }))
    };
    tx.all(SQL, &[mailbox.0.into()]).await?.iter().map(read).collect()
}

/// Forgets a mailbox that is being deleted.
pub async fn delete(tx: &mut Tx, mailbox: MailboxId) -> Result<()> {
    tx.execute("DELETE FROM login_history WHERE mailbox_id = $1", &[mailbox.0.into()]).await.map(drop)
}

/// Forgets what was last seen before a moment.
pub async fn forget(tx: &mut Tx, before: i64) -> Result<()> {
    tx.execute("DELETE FROM login_history WHERE last_at < $1", &[before.into()]).await.map(drop)
}
