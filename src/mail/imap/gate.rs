//! The one place where rights are asked for (RFC 4314 §4).
//!
//! Nothing else looks at an access control list: a command names its folders through [`Account::folder`] and says
//! which rights it needs there; what it needs in the selected folder stands in [`needed_in_selected`]. Whose rights
//! count is [`Account::who`]'s to say. Invariant: no store call on a folder without its rights.

use super::command::{Command, MailboxName};
use super::peer::{Account, Peer, new_name};
use super::reply::{Reply, Stop};
use crate::model::{FolderName, Rights, Who};
use crate::store::{FolderInfo, StoreError};

/// A command on messages of the selected folder: RFC 4314 §4, RFC 6851 §4.2 for MOVE.
pub(super) fn needed_in_selected(command: &Command) -> Rights {
    match command {
        Command::Expunge | Command::UidExpunge(_) => Rights::READ.and(Rights::EXPUNGE),
        Command::Move(_) => Rights::READ.and(OF_MOVE),
        // These leave the folder; CLOSE looks itself whether it may expunge (RFC 4314 §4).
        Command::Close | Command::Unselect | Command::Check => Rights::EMPTY,
        // STORE looks at its flags, FETCH at `s` when it would set \Seen.
        _ => Rights::READ,
    }
}

/// What a message needs to leave its folder for another.
pub(super) const OF_MOVE: Rights = Rights::DELETE_MESSAGES.and(Rights::EXPUNGE);

/// Each of these lets its holder note something about a folder (RFC 5464 §3.3).
const ANNOTATES: Rights = Rights::READ.and(Rights::SEEN).and(Rights::WRITE).and(Rights::INSERT).and(Rights::POST);

/// Refuses what the rights do not cover.
pub(super) fn check(has: Rights, needed: Rights) -> Result<(), Stop> {
    if has.contains(needed) { Ok(()) } else { Err(not_allowed()) }
}

fn missing() -> Stop {
    Reply::no("There is no such folder").with("NONEXISTENT").into()
}

fn not_allowed() -> Stop {
    // RFC 5530 §3.
    Reply::no("Your rights in this folder do not allow it").with("NOPERM").into()
}

impl Account {
    /// Whose rights count in this session's folders.
    pub(super) fn who(&self) -> Who {
        // Sessions reach no mailbox but their own.
        Who::Owner
    }

    /// What this session may do in a folder.
    pub(super) fn rights(&self, folder: &FolderInfo) -> Rights {
        folder.acl.rights_of(&self.who())
    }

    /// The folder of a name as the client wrote it, if the session may know of it.
    async fn named(&self, peer: &Peer, name: &MailboxName) -> Result<FolderInfo, Stop> {
        // A name that cannot be one names no folder.
        let name = name.folder(peer.enabled.utf8_names()).ok_or_else(missing)?;
        self.found(peer, &name).await
    }

    async fn found(&self, peer: &Peer, name: &FolderName) -> Result<FolderInfo, Stop> {
        let folders = peer.services.store.folders(self.mailbox()).await?;
        let found = folders.into_iter().find(|folder| folder.name == *name).ok_or_else(missing)?;
        if found.damaged {
            return Err(StoreError::Corrupt(format!("the head of folder {}", found.id)).into());
        }
        // RFC 4314 §6: who may not list a folder does not learn that it is there.
        if !self.rights(&found).contains(Rights::LOOKUP) {
            return Err(missing());
        }
        Ok(found)
    }

    /// The selectable folder of a name as the client wrote it, where the session has these rights.
    pub(super) async fn folder(&self, peer: &Peer, name: &MailboxName, needed: Rights) -> Result<FolderInfo, Stop> {
        let found = self.named(peer, name).await?;
        self.selectable(found, needed)
    }

    /// The same of a name that was read already.
    pub(super) async fn folder_named(
        &self,
        peer: &Peer,
        name: &FolderName,
        needed: Rights,
    ) -> Result<FolderInfo, Stop> {
        let found = self.found(peer, name).await?;
        self.selectable(found, needed)
    }

    fn selectable(&self, found: FolderInfo, needed: Rights) -> Result<FolderInfo, Stop> {
        if !found.selectable {
            return Err(Reply::no("The name only holds other folders").with("NONEXISTENT").into());
        }
        check(self.rights(&found), needed)?;
        Ok(found)
    }

    /// The folder whose annotations are read or changed; it need not be selectable (RFC 5464 §4.1).
    pub(super) async fn annotated(&self, peer: &Peer, name: &MailboxName) -> Result<FolderInfo, Stop> {
        let found = self.named(peer, name).await?;
        if self.may_annotate(&found) { Ok(found) } else { Err(not_allowed()) }
    }

    /// Whether the annotations of a folder may be looked at (RFC 5464 §3.3).
    pub(super) fn may_annotate(&self, folder: &FolderInfo) -> bool {
        self.rights(folder).any_of(ANNOTATES)
    }

    /// The folder that messages are to go to: its absence is answered with TRYCREATE.
    pub(super) async fn target(&self, peer: &Peer, name: &MailboxName) -> Result<FolderInfo, Stop> {
        match self.folder(peer, name, Rights::INSERT).await {
            // RFC 9051 §6.3.12, §6.4.7: a hint that CREATE may help, unless the name cannot be created.
            Err(Stop::Reply(reply)) if reply.code.as_deref() == Some("NONEXISTENT") => {
                let can_be = name.folder(peer.enabled.utf8_names()).is_some();
                Err(if can_be { reply.with("TRYCREATE") } else { Reply::no("That is no folder name").with("CANNOT") }
                    .into())
            }
            other => other,
        }
    }

    /// A name that is to be made (CREATE, the new name of a RENAME): `k` on the nearest level above that exists.
    pub(super) async fn to_create(&self, peer: &Peer, name: &MailboxName) -> Result<FolderName, Stop> {
        let name = new_name(peer, name)?;
        let folders = peer.services.store.folders(self.mailbox()).await?;
        let mut above = std::iter::successors(name.parent(), FolderName::parent);
        let parent = above.find_map(|level| folders.iter().find(|folder| folder.name == level));
        if let Some(parent) = parent {
            check(self.rights(parent), Rights::CREATE)?;
        }
        Ok(name)
    }

    /// A name that is to go (DELETE, the old name of a RENAME): `x`. One that does not exist is the store's to refuse.
    pub(super) async fn to_remove(&self, peer: &Peer, name: &MailboxName) -> Result<FolderName, Stop> {
        let name = new_name(peer, name)?;
        let folders = peer.services.store.folders(self.mailbox()).await?;
        if let Some(folder) = folders.iter().find(|folder| folder.name == name) {
            check(self.rights(folder), Rights::DELETE)?;
        }
        Ok(name)
    }
}
