//! Mail of Facteur's own on its way: sealed while it waits, tried again with growing rests, gone once it is out.
//!
//! It says what is due and writes what became of it; `app` carries it. Of several nodes one has a letter, under a lease.
//! Invariant: a letter goes out in the transaction that made its link or not at all, and none after the link's end.

use super::letters::{Letter, Letterhead};
use super::{Control, Error, Result};
use crate::auth::seal::Seal;
use crate::db::Tx;
use crate::db::outbox::{self as rows, OutboxRow};
use crate::db::password_links::LinkRow;
use crate::model::{EmailAddress, bounds};

/// A node has a letter for itself so long, longer than any attempt.
const LEASE_MS: i64 = 3 * 60_000;
/// Rests after the first, second, … failed attempt, seconds; then the last one again and again.
const RESTS: [i64; 6] = [10, 60, 300, 900, 1800, 3600];

/// A message to carry.
pub struct Outgoing {
    id: i64,
    attempts: i64,
    expires_at: i64,
    /// Where it goes.
    pub to: EmailAddress,
    /// Its octets.
    pub message: Vec<u8>,
}

/// What became of an attempt.
pub enum Outcome {
    /// It is out.
    Sent,
    /// It may be tried again, unless trying is of no use.
    Failed(String, bool),
}

fn sealed_name(id: i64) -> String {
    format!("letter {id}")
}

/// Puts a letter about a link into the outbox.
pub(super) async fn queue(control: &Control, tx: &mut Tx, seal: &Seal, link: &LinkRow, letter: &Letter) -> Result<()> {
    let now = control.now_ms();
    let id = control.ids.next(now);
    let text = serde_json::to_vec(letter).map_err(|e| Error::Internal(e.to_string()))?;
    let sealed = seal.seal(&sealed_name(id), &text).map_err(|e| Error::Internal(e.to_string()))?;
    let row = OutboxRow {
        id,
        link: link.id,
        recipient: link.recipient.clone(),
        letter: sealed,
        state: "waiting".into(),
        attempts: 0,
        next_attempt_at: now,
        expires_at: link.expires_at,
        error: String::new(),
        created_at: now,
    };
    Ok(rows::insert(tx, &row).await?)
}

/// What is due, written and claimed for this node. What cannot be written is given up, with the reason in its row.
pub async fn due(control: &Control, seal: &Seal, head: &Letterhead) -> Result<Vec<Outgoing>> {
    let now = control.now_ms();
    let mut tx = control.db.read().await?;
    let found = rows::due(&mut tx, now, bounds::OUTBOX_BATCH).await?;
    drop(tx);
    let mut outgoing = Vec::new();
    for row in found {
        let mut tx = control.db.write().await?;
        if !rows::claim(&mut tx, row.id, now, now + LEASE_MS).await? {
            continue;
        }
        match open(seal, &row).and_then(|letter| letter.write(head, &row.recipient, row.id, now / 1000)) {
            Ok(message) if row.expires_at > now => {
                let OutboxRow { id, attempts, expires_at, recipient: to, .. } = row;
                outgoing.push(Outgoing { id, attempts, expires_at, to, message });
            }
            Ok(_) => rows::end(&mut tx, row.id, "failed", "its link has ended").await?,
            Err(error) => {
                tracing::error!(letter = row.id, %error, "mail of ours is given up");
                rows::end(&mut tx, row.id, "failed", "it cannot be written: the log says why").await?;
            }
        }
        tx.commit().await?;
    }
    Ok(outgoing)
}

fn open(seal: &Seal, row: &OutboxRow) -> Result<Letter> {
    let text = seal.open_sealed(&sealed_name(row.id), &row.letter).map_err(|e| Error::Internal(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| Error::Internal(e.to_string()))
}

/// Writes what became of an attempt.
pub async fn done(control: &Control, outgoing: &Outgoing, outcome: Outcome) -> Result<()> {
    let (now, id) = (control.now_ms(), outgoing.id);
    let mut tx = control.db.write().await?;
    match outcome {
        Outcome::Sent => rows::end(&mut tx, id, "sent", "").await?,
        Outcome::Failed(error, permanent) => {
            let again = now + rest(outgoing.attempts) * 1000;
            if permanent || again >= outgoing.expires_at {
                rows::end(&mut tx, id, "failed", &error).await?;
            } else {
                rows::postpone(&mut tx, id, again, &error).await?;
            }
        }
    }
    Ok(tx.commit().await?)
}

/// Seconds to rest after so many attempts before this one.
fn rest(attempts: i64) -> i64 {
    let at = usize::try_from(attempts).unwrap_or(0).min(RESTS.len() - 1);
    RESTS.get(at).copied().unwrap_or(3600)
}
