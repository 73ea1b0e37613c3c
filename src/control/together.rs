//! Several writes in one transaction: each makes its own revision, one commit makes all of them durable.
//!
//! Whoever begins one puts it into the callers of the writes; a [`Change`](super::Change) then takes the transaction
//! from here and gives it back at its end, also when it fails. Invariant: nothing lasts before [`Together::commit`].

use super::{Caller, Control, Result};
use crate::db::Tx;
use crate::model::Revision;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A transaction that several writes share; cheap to clone, used by one write at a time.
#[derive(Clone)]
pub struct Together {
    control: Control,
    shared: Arc<parking_lot::Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    tx: Option<Tx>,
    revisions: Vec<Revision>,
}

impl std::fmt::Debug for Together {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Together")
    }
}

impl Together {
    /// Begins the transaction.
    pub async fn begin(control: &Control) -> Result<Self> {
        let shared = Shared { tx: Some(control.db.write().await?), revisions: Vec::new() };
        Ok(Self { control: control.clone(), shared: Arc::new(parking_lot::Mutex::new(shared)) })
    }

    /// The caller whose next write goes in here. `hash` stands for the password that the write brings in clear:
    /// made beforehand, since nobody must wait for it while the transaction is open.
    pub fn of(&self, caller: &Caller, hash: Option<String>) -> Caller {
        let mut caller = caller.clone();
        caller.intent.together = Some(self.clone());
        caller.intent.hash = hash;
        caller
    }

    /// The transaction, for one write or for a look.
    pub(super) fn take(&self) -> Result<Held> {
        let tx = self.shared.lock().tx.take();
        let lost = || super::Error::Unavailable("the transaction of several writes is gone".into());
        Ok(Held { tx: Some(tx.ok_or_else(lost)?), back: Some(self.clone()) })
    }

    /// Remembers where one write begins; answers the number of revisions so far.
    pub async fn mark(&self) -> Result<usize> {
        self.take()?.execute("SAVEPOINT one", &[]).await?;
        Ok(self.shared.lock().revisions.len())
    }

    /// Keeps what was done since the mark.
    pub async fn keep(&self) -> Result<()> {
        self.take()?.execute("RELEASE SAVEPOINT one", &[]).await?;
        Ok(())
    }

    /// Takes back everything since the mark.
    pub async fn back_to(&self, mark: usize) -> Result<()> {
        self.take()?.execute("ROLLBACK TO SAVEPOINT one", &[]).await?;
        self.keep().await?;
        self.shared.lock().revisions.truncate(mark);
        Ok(())
    }

    /// The revisions since the mark.
    pub fn since(&self, mark: usize) -> Vec<Revision> {
        self.shared.lock().revisions.get(mark..).unwrap_or_default().to_vec()
    }

    pub(super) fn made(&self, revision: Revision) {
        self.shared.lock().revisions.push(revision);
    }

    /// Makes everything durable and wakes the nodes; the revisions that were made.
    pub async fn commit(self) -> Result<Vec<Revision>> {
        let mut held = self.take()?;
        let revisions = std::mem::take(&mut self.shared.lock().revisions);
        held.notify(super::CHANNEL).await?;
        let _wake = super::change::WakeFeed(self.control.committed.clone());
        if let Some(tx) = held.own() {
            tx.commit().await?;
        }
        Ok(revisions)
    }
}

/// A transaction in the hands of one write: its own, or one that goes back to the others.
pub struct Held {
    tx: Option<Tx>,
    back: Option<Together>,
}

impl Held {
    /// One that is nobody else's.
    pub(super) fn alone(tx: Tx) -> Self {
        Self { tx: Some(tx), back: None }
    }

    /// Those that it goes back to.
    pub(super) fn together(&self) -> Option<&Together> {
        self.back.as_ref()
    }

    /// The transaction itself; it goes back no more.
    pub(super) fn own(&mut self) -> Option<Tx> {
        self.tx.take()
    }
}

impl Deref for Held {
    type Target = Tx;

    // Only `own` empties it, and that ends its use.
    fn deref(&self) -> &Tx {
        self.tx.as_ref().expect("a held transaction is there until it is owned")
    }
}

impl DerefMut for Held {
    // Only `own` empties it, and that ends its use.
    fn deref_mut(&mut self) -> &mut Tx {
        self.tx.as_mut().expect("a held transaction is there until it is owned")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let (Some(tx), Some(together)) = (self.tx.take(), &self.back) {
            together.shared.lock().tx = Some(tx);
        }
    }
}
