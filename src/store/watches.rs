//! Who waits for news of a whole mailbox: told after each commit that changed something in it.
//!
//! Folders are only said to have changed, so that a thousand commits between two looks are one piece of news; what was
//! noted about folders is named, in a short queue. Invariant: news comes after the commit, never before.

use super::batch::Changes;
use super::head::Head;
use super::{Result, Store, StoreError};
use crate::model::ids::{FolderId, MailboxId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::{broadcast, watch};

/// Entries that may wait for a slow session.
const NOTES: usize = 128;

/// Waits of this node, by mailbox.
#[derive(Default)]
pub(super) struct Watches {
    map: Mutex<HashMap<MailboxId, Watched>>,
}

struct Watched {
    folders: watch::Sender<()>,
    notes: broadcast::Sender<Noted>,
}

/// An annotation that was set or removed: whose (none: the mailbox as a whole), and which.
pub type Noted = (Option<FolderId>, Arc<str>);

/// What happened in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxNews {
    /// Folders, their counts, names, rights or subscriptions may have changed.
    Folders,
    /// An annotation was set or removed.
    Noted(Noted),
    /// More was noted than was looked at in time.
    Missed,
}

/// Waits for news of a mailbox.
pub struct MailboxWatch {
    folders: watch::Receiver<()>,
    notes: broadcast::Receiver<Noted>,
    /// What was heard and not looked at yet.
    pending: Option<MailboxNews>,
}

impl MailboxWatch {
    /// Waits until there is news. Cancel-safe.
    ///
    /// # Errors
    /// There will be none any more.
    pub async fn heard(&mut self) -> Result<()> {
        if self.pending.is_none() {
            self.pending = Some(self.next().await?);
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<MailboxNews> {
        tokio::select! {
            changed = self.folders.changed() => {
                changed.map(|()| MailboxNews::Folders).map_err(|_| StoreError::NoSuchFolder)
            }
            noted = self.notes.recv() => match noted {
                Ok(noted) => Ok(MailboxNews::Noted(noted)),
                Err(broadcast::error::RecvError::Lagged(_)) => Ok(MailboxNews::Missed),
                Err(broadcast::error::RecvError::Closed) => Err(StoreError::NoSuchFolder),
            },
        }
    }

    /// News that is there already.
    pub fn ready(&mut self) -> Option<MailboxNews> {
        if let Some(pending) = self.pending.take() {
            return Some(pending);
        }
        if self.folders.has_changed().unwrap_or(false) {
            self.folders.mark_unchanged();
            return Some(MailboxNews::Folders);
        }
        match self.notes.try_recv() {
            Ok(noted) => Some(MailboxNews::Noted(noted)),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(MailboxNews::Missed),
            Err(_) => None,
        }
    }
}

impl Store {
    /// Follows what happens in a mailbox, on this node and, annotations apart, on others.
    pub fn watch(&self, mailbox: MailboxId) -> MailboxWatch {
        self.shared.watches.watch(mailbox)
    }
}

/// What a commit has news of.
#[derive(Default)]
pub(super) struct News {
    pub mailboxes: BTreeSet<MailboxId>,
    pub notes: Vec<(MailboxId, Noted)>,
}

impl News {
    pub fn of(changes: &Changes, heads: &BTreeMap<FolderId, Head>) -> Self {
        let changed = changes.heads.iter().filter_map(|id| heads.get(id)).map(|head| head.mailbox);
        let subscribed = changes.subscriptions.iter().map(|(mailbox, ..)| *mailbox);
        let gone = changes.annotations_gone.iter().map(|(mailbox, _)| *mailbox);
        let noted = changes.annotations.iter().map(|(mailbox, folder, entry, _)| {
            let folder = (*folder != super::writes::WHOLE_MAILBOX).then_some(*folder);
            (*mailbox, (folder, entry.as_str().into()))
        });
        Self { mailboxes: changed.chain(subscribed).chain(gone).collect(), notes: noted.collect() }
    }
}

impl Watches {
    fn watch(&self, mailbox: MailboxId) -> MailboxWatch {
        let mut map = self.map.lock();
        map.retain(|_, watched| watched.folders.receiver_count() > 0);
        let watched = map
            .entry(mailbox)
            .or_insert_with(|| Watched { folders: watch::Sender::new(()), notes: broadcast::Sender::new(NOTES) });
        MailboxWatch { folders: watched.folders.subscribe(), notes: watched.notes.subscribe(), pending: None }
    }

    /// Tells what a commit has changed.
    pub fn tell(&self, news: News) {
        let map = self.map.lock();
        if map.is_empty() {
            return;
        }
        for watched in news.mailboxes.iter().filter_map(|mailbox| map.get(mailbox)) {
            watched.folders.send_replace(());
        }
        for (mailbox, noted) in news.notes {
            if let Some(watched) = map.get(&mailbox) {
                // Nobody may be there to hear it.
                watched.notes.send(noted).ok();
            }
        }
    }

    /// Lets everybody look: news may have been missed.
    pub fn tell_all(&self) {
        for watched in self.map.lock().values() {
            watched.folders.send_replace(());
        }
    }
}
