//! How a mailbox's folders stood when the client last heard of them, and what became different.
//!
//! Invariant: a folder is known by its id, so that a new name is a new name and no other folder.

use crate::mail::imap::peer::{Account, Peer};
use crate::mail::imap::search::Meant;
use crate::model::ids::FolderId;
use crate::model::{FolderName, Rights};
use crate::store::{FolderInfo, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// The folders that the client may know of.
pub(super) struct Known {
    folders: BTreeMap<FolderId, FolderInfo>,
    /// Those whose messages it may know of.
    readable: BTreeSet<FolderId>,
    /// Those that it may read annotations of.
    annotated: BTreeSet<FolderId>,
    /// Names that are subscribed and have no folder.
    orphans: BTreeSet<FolderName>,
}

/// What became different of one name.
pub(super) struct Change {
    /// The folder now; none for a name without one.
    pub(super) now: Option<FolderInfo>,
    /// The name that is told, and the one it had.
    pub(super) name: FolderName,
    /// The name before, where it is another.
    pub(super) old_name: Option<FolderName>,
    /// It is subscribed now.
    pub(super) is_subscribed: bool,
    was_subscribed: bool,
    /// It was made, deleted or renamed.
    pub(super) named: bool,
    /// Its subscription changed.
    pub(super) subscribed: bool,
    /// Messages came or went.
    pub(super) messages: bool,
    /// Flags changed, or messages came or went.
    pub(super) flags: bool,
}

impl Known {
    pub(super) async fn read(peer: &Peer, account: &Account) -> Result<Self, StoreError> {
        let store = peer.store();
        let mut folders = store.folders(account.mailbox()).await?;
        // RFC 5465 §6: what the client may not list is as if it were not there.
        folders.retain(|folder| account.rights(folder).contains(Rights::LOOKUP));
        // RFC 4314 §4: STATUS needs `r`.
        let readable = |folder: &&FolderInfo| {
            folder.selectable && !folder.damaged && account.rights(folder).contains(Rights::READ)
        };
        let readable = folders.iter().filter(readable).map(|folder| folder.id).collect();
        let annotated = folders.iter().filter(|folder| account.may_annotate(folder)).map(|folder| folder.id).collect();
        let orphans = store.orphan_subscriptions(account.mailbox()).await?.into_iter().collect();
        Ok(Self {
            folders: folders.into_iter().map(|folder| (folder.id, folder)).collect(),
            readable,
            annotated,
            orphans,
        })
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &FolderInfo> {
        self.folders.values()
    }

    /// Whether the client may know of its messages.
    pub(super) fn is_readable(&self, folder: FolderId) -> bool {
        self.readable.contains(&folder)
    }

    /// A folder whose annotations the client may read.
    pub(super) fn annotated(&self, folder: FolderId) -> Option<&FolderInfo> {
        self.annotated.contains(&folder).then(|| self.folders.get(&folder)).flatten()
    }

    /// Takes the place of what was known.
    pub(super) fn changes_to(&mut self, newest: Self) -> Vec<Change> {
        let before = std::mem::replace(self, newest);
        let mut changes: Vec<Change> = Vec::new();
        for (id, was) in &before.folders {
            if !self.folders.contains_key(id) {
                changes.push(Change::gone(was, self.orphans.contains(&was.name)));
            }
        }
        for (id, now) in &self.folders {
            changes.extend(match before.folders.get(id) {
                Some(was) => Change::between(was, now),
                None => Some(Change::made(now, before.orphans.contains(&now.name))),
            });
        }
        for name in before.orphans.symmetric_difference(&self.orphans) {
            let told = changes.iter().any(|change| change.name == *name);
            if !told {
                changes.push(Change::of_orphan(name.clone(), self.orphans.contains(name)));
            }
        }
        changes
    }
}

impl Change {
    fn of_name(name: FolderName, was_subscribed: bool, is_subscribed: bool) -> Self {
        Self {
            now: None,
            name,
            old_name: None,
            is_subscribed,
            was_subscribed,
            named: false,
            subscribed: was_subscribed != is_subscribed,
            messages: false,
            flags: false,
        }
    }

    fn of_orphan(name: FolderName, is_subscribed: bool) -> Self {
        Self::of_name(name, !is_subscribed, is_subscribed)
    }

    fn gone(was: &FolderInfo, is_subscribed: bool) -> Self {
        Self { named: true, ..Self::of_name(was.name.clone(), was.subscribed, is_subscribed) }
    }

    fn made(now: &FolderInfo, was_subscribed: bool) -> Self {
        let messages = now.counts.messages > 0;
        Self {
            named: true,
            messages,
            flags: messages,
            now: Some(now.clone()),
            ..Self::of_name(now.name.clone(), was_subscribed, now.subscribed)
        }
    }

    fn between(was: &FolderInfo, now: &FolderInfo) -> Option<Self> {
        let renamed = was.name != now.name;
        let come = u64::from(now.uid_next.saturating_sub(was.uid_next));
        let change = Self {
            named: renamed || was.selectable != now.selectable,
            old_name: renamed.then(|| was.name.clone()),
            messages: come > 0 || was.counts.messages != now.counts.messages || was.uid_validity != now.uid_validity,
            flags: was.highest_modseq != now.highest_modseq,
            now: Some(now.clone()),
            ..Self::of_name(now.name.clone(), was.subscribed, now.subscribed)
        };
        (change.named || change.subscribed || change.messages || change.flags).then_some(change)
    }

    /// Whether a group is about this name, as it is or as it was.
    pub(super) fn is_taken_by(&self, meant: &Meant) -> bool {
        let names = std::iter::once(&self.name).chain(&self.old_name);
        let subscribed = self.is_subscribed || self.was_subscribed;
        names.into_iter().any(|name| meant.takes_name(name, subscribed))
    }
}
