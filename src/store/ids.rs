//! Numbers that never come back, taken from the database in blocks.
//!
//! A block that was not used up when the process ends is lost, which costs nothing. Invariant:
//! a number is handed out only after the transaction that reserves its block has it, and blocks
//! of a transaction that failed are forgotten.

use super::tx::{Tx, TxError, TxResult};
use std::ops::Range;

/// Numbers of one block.
const BLOCK: i64 = 4096;

/// The blocks that this process holds.
#[derive(Debug, Default)]
pub(super) struct Ids {
    folder: Range<i64>,
    message: Range<i64>,
    body: Range<i64>,
    uid_validity: i64,
    /// A block was taken in the transaction that is under way.
    taken: bool,
}

/// How many numbers of each kind a batch may need.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IdNeeds {
    pub folders: i64,
    pub messages: i64,
    pub bodies: i64,
}

impl Ids {
    /// Makes sure that there are enough numbers for a batch.
    pub async fn reserve(&mut self, tx: &mut Tx, needs: IdNeeds, now: i64) -> TxResult<()> {
        self.taken = false;
        self.taken |= top_up(tx, "folder", &mut self.folder, needs.folders).await?;
        self.taken |= top_up(tx, "message", &mut self.message, needs.messages).await?;
        self.taken |= top_up(tx, "body", &mut self.body, needs.bodies).await?;
        if needs.folders > 0 {
            // RFC 9051 §2.3.1.1: a folder made again under its old name must get a greater UIDVALIDITY;
            // the clock alone could go back.
            let rows = tx
                .query(
                    "UPDATE counters SET value = CASE WHEN value < $1 THEN $1 + 1 ELSE value + 1 END \
                     WHERE name = 'uid_validity' RETURNING value",
                    &[now.into()],
                )
                .await?;
            self.uid_validity = first(&rows)?;
        }
        Ok(())
    }

    /// The transaction is undone, and with it what it reserved.
    pub fn undone(&mut self) {
        if self.taken {
            *self = Self::default();
        }
    }

    /// The number of a new folder.
    pub fn folder(&mut self) -> Option<i64> {
        self.folder.next()
    }

    /// The number of a new message.
    pub fn message(&mut self) -> Option<i64> {
        self.message.next()
    }

    /// The number of a new body.
    pub fn body(&mut self) -> Option<i64> {
        self.body.next()
    }

    /// The UIDVALIDITY of folders made in this batch.
    pub fn uid_validity(&self) -> u32 {
        u32::try_from(self.uid_validity).unwrap_or(u32::MAX)
    }
}

fn first(rows: &[super::tx::Columns]) -> TxResult<i64> {
    let missing = || TxError { message: "a counter is missing".into(), fatal: false };
    rows.first().ok_or_else(missing)?.int(0).map_err(|_| missing())
}

async fn top_up(tx: &mut Tx, name: &'static str, block: &mut Range<i64>, need: i64) -> TxResult<bool> {
    if block.end - block.start >= need {
        return Ok(false);
    }
    let size = need.max(BLOCK);
    let sql = "UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value";
    let end = first(&tx.query(sql, &[size.into(), name.into()]).await?)?;
    *block = end - size..end;
    Ok(true)
}
