//! The folders that are open on this node: one state each, shared by all their sessions.
//!
//! States come from the writer alone, after their commit. Invariant: a state here is committed,
//! and its MODSEQ never goes back.

use super::FolderState;
use crate::model::Acl;
use crate::model::ids::{FolderId, MailboxId};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Folders that stay loaded although no session has them open, since the next one often will.
const IDLE_FOLDERS: usize = 64;

/// The access control list of an open folder: read by its sessions, replaced by commits.
pub(super) type SharedAcl = Arc<RwLock<Acl>>;

#[derive(Default)]
struct Map {
    folders: HashMap<FolderId, Open>,
    clock: u64,
}

struct Open {
    mailbox: MailboxId,
    state: watch::Sender<Arc<FolderState>>,
    acl: SharedAcl,
    used: u64,
}

/// The folders that are open on this node.
#[derive(Default)]
pub(super) struct OpenFolders {
    map: Mutex<Map>,
}

impl OpenFolders {
    /// Follows a folder of this mailbox that is loaded.
    pub fn subscribe(
        &self,
        mailbox: MailboxId,
        folder: FolderId,
    ) -> Option<(watch::Receiver<Arc<FolderState>>, SharedAcl)> {
        let mut map = self.map.lock();
        map.clock += 1;
        let clock = map.clock;
        let open = map.folders.get_mut(&folder).filter(|open| open.mailbox == mailbox)?;
        open.used = clock;
        Some((open.state.subscribe(), open.acl.clone()))
    }

    /// The newest state known here.
    pub fn state(&self, folder: FolderId) -> Option<Arc<FolderState>> {
        self.map.lock().folders.get(&folder).map(|open| open.state.borrow().clone())
    }

    /// Shows a committed state to all that follow the folder, and keeps it.
    pub fn publish(&self, mailbox: MailboxId, folder: FolderId, state: Arc<FolderState>, acl: Acl) {
        let mut map = self.map.lock();
        map.clock += 1;
        let used = map.clock;
        let entry = map.folders.entry(folder);
        let open = entry.or_insert_with(|| {
            let (state, acl) = (watch::Sender::new(state.clone()), SharedAcl::default());
            Open { mailbox, state, acl, used }
        });
        open.used = used;
        *open.acl.write() = acl;
        open.state.send_if_modified(|known| {
            let newer = state.highest_modseq > known.highest_modseq;
            if newer {
                *known = state;
            }
            newer
        });
        map.trim();
    }

    /// Which folders are loaded.
    pub fn loaded(&self) -> Vec<FolderId> {
        self.map.lock().folders.keys().copied().collect()
    }

    /// Closes a folder that is gone: who follows it is told.
    pub fn close(&self, folder: FolderId) {
        self.map.lock().folders.remove(&folder);
    }
}

impl Map {
    /// Drops what was used longest ago and has no session.
    fn trim(&mut self) {
        if self.folders.len() <= IDLE_FOLDERS {
            return;
        }
        let idle = self.folders.iter().filter(|(_, open)| open.state.receiver_count() == 0);
        let mut idle: Vec<(u64, FolderId)> = idle.map(|(id, open)| (open.used, *id)).collect();
        if idle.len() > IDLE_FOLDERS {
            idle.sort_unstable();
            // Half of them at once, so that not every commit sorts.
            for (_, id) in idle.iter().take(idle.len() - IDLE_FOLDERS / 2) {
                self.folders.remove(id);
            }
        }
    }
}
