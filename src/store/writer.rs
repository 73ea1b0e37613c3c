//! The one writer of a node: takes what has queued up, commits it as one, then answers.
//!
//! While one commit is being synced the next group gathers. Invariants: nobody gets `Ok` and
//! nothing is published before the commit succeeded; after a commit that the disk failed nothing
//! is written until a restart.

use super::batch::Batch;
use super::flush::Aftermath;
use super::ids::Ids;
use super::load::Needs;
use super::postgres::PostgresTx;
use super::sqlite::{SqliteTx, WriteSlot};
use super::tx::{Tx, TxError, TxResult};
use super::watches::News;
use super::{FolderState, Result, Shared, StoreError};
use crate::model::ids::{FolderId, MailboxId};
use crate::model::{Acl, bounds};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};

/// One kind of write.
pub(super) trait Write: Send + 'static {
    /// What it answers.
    type Output: Send + 'static;

    /// What must be loaded for it.
    fn needs(&self, needs: &mut Needs);

    /// Folders whose states must be loaded, now that the heads are known.
    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        let _ = batch;
        Vec::new()
    }

    /// Does it, in memory. An error means that nothing was changed.
    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Self::Output>;

    /// True when it must be the only write of its commit (it changes names, which others look up).
    fn alone(&self) -> bool {
        false
    }

    /// Octets of bodies that it writes.
    fn octets(&self) -> usize {
        0
    }
}

/// A write that waits in the queue.
pub(super) trait Job: Send {
    fn needs(&self, needs: &mut Needs);
    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId>;
    fn apply(&mut self, batch: &mut Batch<'_>);
    fn alone(&self) -> bool;
    fn octets(&self) -> usize;
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

struct Queued<W: Write> {
    write: W,
    outcome: Option<Result<W::Output>>,
    answer: oneshot::Sender<Result<W::Output>>,
}

impl<W: Write> Job for Queued<W> {
    fn needs(&self, needs: &mut Needs) {
        self.write.needs(needs);
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        self.write.states(batch)
    }

    fn apply(&mut self, batch: &mut Batch<'_>) {
        self.outcome = Some(self.write.apply(batch));
    }

    fn alone(&self) -> bool {
        self.write.alone()
    }

    fn octets(&self) -> usize {
        self.write.octets()
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let Self { write, outcome, answer } = *self;
        // A body that was not needed has left the disk before anybody hears about it.
        drop(write);
        let outcome = match (failure, outcome) {
            (Some(StoreError::ReadOnly), _) => Err(StoreError::ReadOnly),
            (Some(error), _) => Err(StoreError::Failed(error.to_string())),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::Failed("the write was not run".into())),
        };
        // Who asked may have gone; the write stands all the same.
        answer.send(outcome).ok();
    }
}

/// Queues a write and waits until it is committed (or refused).
pub(super) async fn submit<W: Write>(shared: &Shared, write: W) -> Result<W::Output> {
    if shared.read_only.load(Ordering::Acquire) {
        return Err(StoreError::ReadOnly);
    }
    let (answer, outcome) = oneshot::channel();
    let job: AnyJob = Box::new(Queued { write, outcome: None, answer });
    let queue = shared.queue.lock().clone();
    let queue = queue.ok_or_else(|| StoreError::Failed("the store is closed".into()))?;
    queue.try_send(job).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => StoreError::Busy,
        mpsc::error::TrySendError::Closed(_) => StoreError::Failed("the store is closed".into()),
    })?;
    outcome.await.map_err(|_| StoreError::Failed("the store is closed".into()))?
}

/// Any write.
pub(super) type AnyJob = Box<dyn Job>;

/// Where the writer's transactions come from.
pub(super) enum WriteEnd {
    /// The one connection that writes.
    Sqlite(WriteSlot),
    /// The pool.
    Postgres(sqlx::PgPool),
}

impl WriteEnd {
    async fn begin(&self) -> TxResult<Tx> {
        Ok(match self {
            Self::Sqlite(slot) => Tx::Sqlite(SqliteTx::begin(slot, true)?),
            Self::Postgres(pool) => Tx::Postgres(PostgresTx::begin(pool, true).await?),
        })
    }
}

/// The writer.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub end: WriteEnd,
    pub queue: mpsc::Receiver<AnyJob>,
    pub ids: Ids,
}

/// What a commit has changed, for whom it concerns.
struct Committed {
    states: Vec<(MailboxId, FolderId, Arc<FolderState>, Acl)>,
    deleted: Vec<FolderId>,
    after: Aftermath,
    news: News,
}

impl Writer {
    /// Runs until the queue is closed and empty.
    pub async fn run(mut self) {
        let mut waiting: Option<AnyJob> = None;
        loop {
            let first = match waiting.take() {
                Some(job) => job,
                None => match self.queue.recv().await {
                    Some(job) => job,
                    None => return,
                },
            };
            let (jobs, left) = self.gather(first);
            waiting = left;
            self.round(jobs).await;
        }
    }

    /// What goes into one commit with `first`, and the one that must wait for the next.
    fn gather(&mut self, first: AnyJob) -> (Vec<AnyJob>, Option<AnyJob>) {
        let (mut octets, alone) = (first.octets(), first.alone());
        let mut jobs = vec![first];
        while !alone && jobs.len() < bounds::COMMIT_BATCH && octets < bounds::COMMIT_BATCH_OCTETS {
            match self.queue.try_recv() {
                Ok(job) if job.alone() => return (jobs, Some(job)),
                Ok(job) => {
                    octets += job.octets();
                    jobs.push(job);
                }
                Err(_) => break,
            }
        }
        (jobs, None)
    }

    async fn round(&mut self, mut jobs: Vec<AnyJob>) {
        let outcome = if self.shared.read_only.load(Ordering::Acquire) {
            Err(StoreError::ReadOnly)
        } else {
            self.commit(&mut jobs).await
        };
        let failure = match outcome {
            Ok(committed) => {
                self.settle(committed);
                None
            }
            Err(error) => {
                // Its blocks of numbers were undone with it.
                self.ids = Ids::default();
                Some(error)
            }
        };
        for job in jobs {
            job.answer(failure.as_ref());
        }
    }

    async fn commit(&mut self, jobs: &mut [AnyJob]) -> Result<Committed> {
        match self.try_commit(jobs).await {
            Ok(committed) => {
                crate::meters::meters().commit(jobs.len());
                Ok(committed)
            }
            Err(Failure::Tx(error)) => {
                tracing::error!(error = error.message, fatal = error.fatal, "a group commit failed");
                if error.fatal {
                    self.shared.read_only.store(true, Ordering::Release);
                }
                Err(StoreError::Failed(error.message))
            }
            Err(Failure::Store(error)) => Err(error),
        }
    }

    async fn try_commit(&mut self, jobs: &mut [AnyJob]) -> std::result::Result<Committed, Failure> {
        let mut needs = Needs::default();
        for job in jobs.iter() {
            job.needs(&mut needs);
        }
        let mut tx = self.end.begin().await?;
        let shared = &self.shared;
        let mut batch = Batch::load(&mut tx, &mut self.ids, &needs, shared.clock.now()).await?;
        for mailbox in batch.suspects().filter(|mailbox| shared.suspects.add(*mailbox)) {
            tracing::error!(%mailbox, "a folder's head or the usage counter is damaged; see `facteur store check`");
        }
        let wanted: BTreeSet<FolderId> = jobs.iter().flat_map(|job| job.states(&batch)).collect();
        // A folder that is open is brought along in any case, since its sessions want the news.
        let open = batch.heads.keys().copied().filter(|id| shared.open.state(*id).is_some());
        let wanted: BTreeSet<FolderId> = wanted.into_iter().chain(open).collect();
        let preloaded = |id| needs.preloaded.iter().find(|(folder, _)| *folder == id).map(|(_, state)| state.clone());
        batch.load_states(&mut tx, wanted, |id| shared.open.state(id).or_else(|| preloaded(id))).await?;
        for job in jobs.iter_mut() {
            job.apply(&mut batch);
        }
        let (mut after, mut news) = (Aftermath::default(), News::default());
        if !batch.changes.is_empty() {
            after = batch.flush(&mut tx, &shared.bodies).await?;
            let told = batch.changes.heads.iter().chain(&batch.changes.deleted_folders).copied().collect();
            news = News::of(&batch.changes, &batch.heads);
            super::nodes::tell(&mut tx, shared.node, &told, &news.mailboxes).await?;
            if let Err(error) = tx.commit().await {
                // It may yet turn out to be stored: its files stay, for the sweep to judge.
                after.claimed.iter().for_each(|claim| claim.keep());
                return Err(error.into());
            }
        } else {
            // Nothing is committed, so other nodes, and this one after a restart, are given the same numbers again.
            batch.ids.undone();
        }
        let Batch { heads, states, changes, gone, .. } = batch;
        shared.usage_changed.lock().extend(changes.usage.iter().chain(&changes.deleted_mailboxes));
        let open = |(id, state): (FolderId, Result<Arc<FolderState>>)| {
            let head = heads.get(&id).filter(|head| head.selectable)?;
            Some((head.mailbox, id, state.ok()?, head.acl.clone()))
        };
        let states = states.into_iter().filter_map(open).collect();
        Ok(Committed { states, deleted: changes.deleted_folders.into_iter().chain(gone).collect(), after, news })
    }

    fn settle(&self, committed: Committed) {
        committed.after.claimed.iter().for_each(|claim| claim.keep());
        for (mailbox, folder, state, acl) in committed.states {
            self.shared.open.publish(mailbox, folder, state, acl);
        }
        for folder in committed.deleted {
            self.shared.open.close(folder);
        }
        self.shared.watches.tell(committed.news);
        for name in committed.after.orphaned {
            self.shared.bodies.remove(&name);
        }
    }
}

enum Failure {
    Tx(TxError),
    Store(StoreError),
}

impl From<TxError> for Failure {
    fn from(error: TxError) -> Self {
        Self::Tx(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
