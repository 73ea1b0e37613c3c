//! Quota warnings: a mailbox is warned once when it comes to a share of its quota, not at every message.
//!
//! Who looks, and the mail that is sent, are `app`'s and `delivery`'s. Invariant: of many nodes that see a mailbox come
//! to a share one warns, in a revision that webhooks get; a share is come to anew only after the mailbox was well below.

use super::change::view;
use super::{Caller, Control, Record, Result};
use crate::db::{mailboxes, quota_levels};
use crate::model::ids::MailboxId;
use crate::model::{Quota, Usage};
use serde::Serialize;

/// How much less than a share a mailbox must hold before it can come to it anew.
const WELL_BELOW: i64 = 5;

/// What is seen of a mailbox.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// What it holds.
    pub usage: Usage,
    /// What it may hold.
    pub quota: Quota,
    /// Whether a message was refused for want of room.
    pub refused: bool,
}

impl Seen {
    /// How full it is: by octets or by messages, whichever is more.
    fn percent(&self) -> i64 {
        let share = |used: u64, max: Option<u64>| match max {
            None => 0,
            Some(0) => 100,
            Some(max) => i64::try_from(u128::from(used) * 100 / u128::from(max)).unwrap_or(i64::MAX),
        };
        share(self.usage.bytes, self.quota.bytes).max(share(self.usage.messages, self.quota.messages))
    }

    /// The highest share that it has come to, or none; one that refused a message has come to the highest.
    fn level(&self, shares: &[u8]) -> i64 {
        let percent = if self.refused { i64::MAX } else { self.percent() };
        shares.iter().map(|share| i64::from(*share)).filter(|share| percent >= *share).max().unwrap_or(0)
    }
}

/// What a warning says, for the log and for webhooks.
#[derive(Debug, Serialize)]
struct Warning {
    /// The share that was come to.
    percent: i64,
    used: Held,
    quota: Held,
}

#[derive(Debug, Serialize)]
struct Held {
    bytes: Option<u64>,
    messages: Option<u64>,
}

/// Looks whether a mailbox came to a share of its quota that it was not warned of; answers it when it is to be warned.
pub async fn look(control: &Control, shares: &[u8], id: MailboxId, seen: Seen) -> Result<Option<u8>> {
    let known = quota_levels::find(&mut control.db.read().await?, id).await?;
    if next(known, shares, &seen) == known {
        return Ok(None);
    }
    let system = Caller::system();
    let mut change = control.begin(&system, "mailbox_quota_warning").await?;
    let Some(mailbox) = mailboxes::find(change.tx(), id).await? else { return Ok(None) };
    // Another node may have been quicker.
    let known = quota_levels::find(change.tx(), id).await?;
    let level = next(known, shares, &seen);
    if level <= known {
        // That it is below again is worth no revision.
        drop(change);
        let mut tx = control.db.write().await?;
        if level < known && quota_levels::find(&mut tx, id).await? == known {
            quota_levels::set(&mut tx, id, level).await?;
            tx.commit().await?;
        }
        return Ok(None);
    }
    quota_levels::set(change.tx(), id, level).await?;
    let Seen { usage, quota, .. } = seen;
    let warning = Warning {
        percent: level,
        used: Held { bytes: Some(usage.bytes), messages: Some(usage.messages) },
        quota: Held { bytes: quota.bytes, messages: quota.messages },
    };
    let record = Record {
        object: id.to_string(),
        path: mailbox.path,
        before: None,
        after: view(&warning),
        // No setting changed: nodes have nothing to look at again.
        touches: Vec::new(),
    };
    change.commit(record).await?;
    Ok(u8::try_from(level).ok())
}

/// The share that stands after this was seen.
fn next(known: i64, shares: &[u8], seen: &Seen) -> i64 {
    let level = seen.level(shares);
    if level >= known {
        return level;
    }
    let lower = shares.iter().map(|share| i64::from(*share)).filter(|share| *share < known).max();
    let well_below = lower.unwrap_or(known).min(known - WELL_BELOW);
    if seen.percent() < well_below { level } else { known }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_come_to_once_until_it_is_well_left() {
        let seen = |bytes: u64, refused: bool| Seen {
            usage: Usage { bytes, messages: 0 },
            quota: Quota { bytes: Some(1000), messages: None },
            refused,
        };
        let mut known = 0;
        for (bytes, refused, expected) in [
            (799, false, 0),
            (800, false, 80),
            (890, false, 80),
            (780, false, 80),
            (800, false, 80),
            (740, false, 0),
            (950, false, 90),
            (940, true, 100),
            (960, false, 100),
            (920, true, 100),
            (890, false, 80),
            (1000, false, 100),
            (0, false, 0),
        ] {
            known = next(known, &[80, 90, 100], &seen(bytes, refused));
            assert_eq!(known, expected, "{bytes} {refused}");
        }
        assert_eq!(next(0, &[], &seen(1000, true)), 0, "no share, no warning");
        let by_messages = Seen {
            usage: Usage { bytes: 1, messages: 9 },
            quota: Quota { bytes: None, messages: Some(10) },
            refused: false,
        };
        assert_eq!(next(0, &[80, 90], &by_messages), 90);
        let none = Seen { quota: Quota { bytes: Some(0), messages: None }, ..by_messages };
        assert_eq!(next(0, &[100], &none), 100);
    }
}
