//! A dry run: the same code in the same transaction, which is then rolled back instead of committed.
//!
//! Whoever asks for one puts a [`DryRun`] into the caller; [`Change::commit`](super::Change::commit) then leaves
//! the open transaction there and ends in [`Error::DryRun`](super::Error::DryRun), so that nothing that would follow
//! a write runs. Invariant: a [`Foreseen`] that is dropped has changed nothing, not even the next revision's number.

use super::diff::{FieldChange, diff};
use super::{Record, Result};
use crate::db::{Tx, touched};
use crate::model::Touch;
use crate::model::ids::MailboxId;
use std::sync::Arc;

/// Mailboxes that a dry run names.
const NAMED: usize = 100;

/// Where a dry run leaves what it found; cheap to clone.
#[derive(Clone, Default)]
pub struct DryRun(Arc<parking_lot::Mutex<Option<Foreseen>>>);

impl std::fmt::Debug for DryRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DryRun")
    }
}

impl DryRun {
    /// What the write would have done, once it has come to its end.
    pub fn take(&self) -> Option<Foreseen> {
        self.0.lock().take()
    }

    pub(super) fn leave(&self, foreseen: Foreseen) {
        *self.0.lock() = Some(foreseen);
    }
}

/// A write at the moment before its commit.
pub struct Foreseen {
    /// The transaction with everything written: whoever wants to know more reads here.
    pub tx: Tx,
    /// What would be done.
    pub action: &'static str,
    /// What the revision would say.
    pub record: Record,
}

/// A mailbox in the scope of a write.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
pub struct TouchedMailbox {
    /// Its id.
    pub id: MailboxId,
    /// Its address.
    #[schema(example = "alice@example.org")]
    pub address: String,
}

/// The mailboxes in the scope of a write.
#[derive(Debug, Clone, Default, serde::Serialize, utoipa::ToSchema)]
pub struct TouchedMailboxes {
    /// How many.
    #[schema(example = 1)]
    pub count: u64,
    /// The first hundred of them.
    pub first: Vec<TouchedMailbox>,
}

impl Foreseen {
    /// The fields that would differ.
    pub fn changes(&self) -> Vec<FieldChange> {
        diff(self.record.before.as_ref(), self.record.after.as_ref())
    }

    /// The mailboxes that nodes would have to look at again.
    pub async fn mailboxes(&mut self) -> Result<TouchedMailboxes> {
        let mut found = TouchedMailboxes::default();
        for touch in self.record.touches.clone() {
            let (count, rows) = match touch {
                Touch::Mailbox(id) => (1, vec![self.mailbox(id).await?]),
                Touch::Domain(id) => touched::of_domain(&mut self.tx, id, NAMED).await?,
                Touch::Tenant(id) => touched::of_tenant(&mut self.tx, id, NAMED).await?,
                Touch::Plan(id) => touched::of_plan(&mut self.tx, id, NAMED).await?,
                _ => continue,
            };
            found.count += count;
            found.first.extend(rows.into_iter().map(|(id, address)| TouchedMailbox { id, address }));
        }
        found.first.truncate(NAMED);
        Ok(found)
    }

    /// A mailbox by its row, or by the record when it would be deleted.
    async fn mailbox(&mut self, id: MailboxId) -> Result<(MailboxId, String)> {
        if let Some(row) = touched::mailbox(&mut self.tx, id).await? {
            return Ok(row);
        }
        let address = self.record.before.as_ref().and_then(|view| view.get("address")).and_then(|a| a.as_str());
        Ok((id, address.unwrap_or_default().to_owned()))
    }
}
