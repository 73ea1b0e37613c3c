//! Messages at rest: folders as logs, bodies by content, quota in the storing transaction.
//!
//! What it does not know: configuration (limits come in as values), protocols, MIME
//! beyond the summary that `mime` makes. Invariants: a write that returned `Ok` is on
//! disk, synced; UIDs and MODSEQs never go back or repeat; message rows never change.

mod annotations;
mod batch;
mod bodies;
pub mod check;
mod damage;
pub mod error;
#[cfg(test)]
mod failure_tests;
mod flag_change;
mod flush;
pub mod folder_log;
#[cfg(test)]
mod folder_log_tests;
pub mod folder_state;
mod head;
mod ids;
mod load;
mod message_reader;
mod nodes;
mod open_folders;
mod postgres;
mod reads;
pub mod requests;
mod snapshot;
mod sqlite;
mod stager;
mod start;
mod tx;
mod watches;
mod writer;
mod writes;

pub use error::StoreError;
pub use folder_state::{Counts, FolderState, Row, StateDiff};
pub use message_reader::MessageReader;
pub use requests::*;
pub use stager::{StagedBody, Stager};
use start::Shared;
use std::sync::atomic::Ordering;
pub use watches::{MailboxNews, MailboxWatch, Noted};
use writer::submit;

use crate::model::ids::{FolderId, MailboxId, MessageId, TenantId};
use crate::model::{Acl, FolderName, Quota, RightsChange, UidSet, Usage, Who, bounds};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Result of a store call.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The message store of this node; cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// An open folder: the view that all its sessions on this node share.
#[derive(Clone)]
pub struct Folder {
    id: FolderId,
    state: watch::Receiver<Arc<FolderState>>,
    acl: open_folders::SharedAcl,
}

impl Folder {
    /// Which folder this is.
    pub fn id(&self) -> FolderId {
        self.id
    }

    /// The newest committed state; marks it as seen for [`Folder::changed`].
    pub fn state(&mut self) -> Arc<FolderState> {
        self.state.borrow_and_update().clone()
    }

    /// Who may do what in it, as of the last commit that this node knows of.
    pub fn acl(&self) -> Acl {
        self.acl.read().clone()
    }

    /// Waits for a state newer than the one last taken by [`Folder::state`].
    /// Cancel-safe. Returns `Err(NoSuchFolder)` once the folder is deleted.
    pub async fn changed(&mut self) -> Result<()> {
        self.state.changed().await.map_err(|_| StoreError::NoSuchFolder)
    }
}

impl Store {
    /// The mailbox's folders, sorted by name. Makes the default folders (INBOX, Sent,
    /// Drafts, Junk, Trash, Archive) on the first call for a mailbox.
    pub async fn folders(&self, mailbox: MailboxRef) -> Result<Vec<FolderInfo>> {
        let id = mailbox.id;
        let folders = self.shared.read(move |tx| Box::pin(reads::folders(tx, id))).await?;
        if !folders.is_empty() {
            return Ok(folders);
        }
        submit(&self.shared, writes::Ensure { mailbox }).await?;
        self.shared.read(move |tx| Box::pin(reads::folders(tx, id))).await
    }

    /// Creates a folder and the missing levels above it (RFC 9051 §6.3.4).
    pub async fn create_folder(
        &self,
        mailbox: MailboxRef,
        name: &FolderName,
        special_use: Option<SpecialUse>,
    ) -> Result<FolderInfo> {
        submit(&self.shared, writes::Create { mailbox, name: name.clone(), special_use }).await
    }

    /// Deletes a folder and its messages. A folder with folders below it becomes `\Noselect`
    /// (RFC 9051 §6.3.5); INBOX is refused with `InboxImmutable`.
    pub async fn delete_folder(&self, mailbox: MailboxRef, name: &FolderName) -> Result<()> {
        submit(&self.shared, writes::Delete { mailbox, name: name.clone() }).await
    }

    /// Renames a folder with all below it; INBOX moves its messages instead (RFC 9051 §6.3.6).
    pub async fn rename_folder(&self, mailbox: MailboxRef, from: &FolderName, to: &FolderName) -> Result<()> {
        submit(&self.shared, writes::Rename { mailbox, from: from.clone(), to: to.clone() }).await
    }

    /// Changes what somebody may do in a folder (RFC 4314 §3.1, §3.2).
    pub async fn change_acl(
        &self,
        mailbox: MailboxRef,
        folder: FolderId,
        who: Who,
        change: RightsChange,
    ) -> Result<()> {
        submit(&self.shared, writes::ChangeAcl { mailbox, folder, who, change }).await
    }

    /// What is noted about a folder, or about the mailbox as a whole, by entry (RFC 5464).
    pub async fn annotations(&self, mailbox: MailboxRef, folder: Option<FolderId>) -> Result<BTreeMap<String, Bytes>> {
        let folder = folder.unwrap_or(writes::WHOLE_MAILBOX);
        self.shared.read(move |tx| Box::pin(annotations::of_folder(tx, mailbox.id, folder))).await
    }

    /// Notes entries about a folder or about the mailbox as a whole, all or none; `None` removes one (RFC 5464 §4.3).
    pub async fn annotate(
        &self,
        mailbox: MailboxRef,
        folder: Option<FolderId>,
        entries: Vec<(String, Option<Bytes>)>,
    ) -> Result<()> {
        submit(&self.shared, writes::Annotate { mailbox, folder, entries }).await
    }

    /// How often the keys of all URLs of a mailbox, and of those of a folder, were reset (RFC 4467 §5).
    pub async fn url_epochs(&self, mailbox: MailboxRef, folder: FolderId) -> Result<(i64, i64)> {
        self.shared.read(move |tx| Box::pin(reads::url_epochs(tx, mailbox.id, folder))).await
    }

    /// Resets the keys of a folder's URLs, or of all.
    pub async fn reset_urls(&self, mailbox: MailboxRef, folder: Option<FolderId>) -> Result<()> {
        submit(&self.shared, writes::ResetUrls { mailbox, folder }).await
    }

    /// Sets or clears the subscription of a name, which need not exist (RFC 9051 §6.3.7).
    pub async fn subscribe(&self, mailbox: MailboxRef, name: &FolderName, subscribed: bool) -> Result<()> {
        submit(&self.shared, writes::Subscribe { mailbox, name: name.clone(), subscribed }).await
    }

    /// Names that are subscribed but have no folder.
    pub async fn orphan_subscriptions(&self, mailbox: MailboxRef) -> Result<Vec<FolderName>> {
        self.shared.read(move |tx| Box::pin(reads::orphan_subscriptions(tx, mailbox.id))).await
    }

    /// Opens a folder; loads its view if no session on this node has it open.
    pub async fn open(&self, mailbox: MailboxRef, folder: FolderId) -> Result<Folder> {
        // A round more only where the folder is dropped from memory right after it was loaded.
        loop {
            if let Some((state, acl)) = self.shared.open.subscribe(mailbox.id, folder) {
                return Ok(Folder { id: folder, state, acl });
            }
            let (loaded, acl) = self.shared.read(move |tx| Box::pin(reads::state(tx, mailbox.id, folder))).await?;
            if self.shared.read_only.load(Ordering::Acquire) {
                // Nobody writes any more, so what was read is the newest there will be.
                self.shared.open.publish(mailbox.id, folder, loaded, acl);
            } else {
                submit(&self.shared, writes::OpenFolder { mailbox, folder, loaded }).await?;
            }
        }
    }

    /// Puts messages into a folder, all or none (APPEND, MULTIAPPEND).
    pub async fn append(
        &self,
        mailbox: MailboxRef,
        quota: Quota,
        folder: FolderId,
        messages: Vec<NewMessage>,
    ) -> Result<Appended> {
        submit(&self.shared, writes::Append { mailbox, quota, folder, messages }).await
    }

    /// Puts a message into a folder and removes another, both or neither (RFC 8508); `None` when the
    /// other one is gone.
    pub async fn replace(
        &self,
        mailbox: MailboxRef,
        quota: Quota,
        (from, uid): (FolderId, u32),
        to: FolderId,
        message: NewMessage,
    ) -> Result<Option<Appended>> {
        let append = writes::Append { mailbox, quota, folder: to, messages: vec![message] };
        submit(&self.shared, writes::Replace { append, from, uid }).await
    }

    /// Delivers one body to the INBOX of many mailboxes, of one tenant or several, in one transaction: all have it or
    /// none, so that a sender who tries again repeats nothing. `OverQuota` when one has no room, `NoSuchFolder` when
    /// one is deleted.
    pub async fn deliver(&self, body: Arc<StagedBody>, recipients: Vec<Delivery>) -> Result<Vec<Appended>> {
        submit(&self.shared, writes::Deliver { body, recipients }).await
    }

    /// Changes flags of existing messages: one small durable record, whatever their number.
    pub async fn set_flags(&self, mailbox: MailboxRef, folder: FolderId, change: FlagChange) -> Result<FlagsChanged> {
        submit(&self.shared, writes::SetFlags { mailbox, folder, change }).await
    }

    /// The flags that stand for these keywords in a folder, made where they are new.
    /// `TooManyKeywords` when the folder's table is full.
    pub async fn keywords(
        &self,
        mailbox: MailboxRef,
        folder: FolderId,
        names: &[String],
    ) -> Result<crate::model::Flags> {
        submit(&self.shared, writes::Keywords { mailbox, folder, names: names.to_vec() }).await
    }

    /// Removes those of `uids` that bear `\Deleted`; returns what was removed and the MODSEQ.
    pub async fn expunge(&self, mailbox: MailboxRef, folder: FolderId, uids: UidSet) -> Result<Expunged> {
        submit(&self.shared, writes::Expunge { mailbox, folder, uids }).await
    }

    /// Copies messages within a mailbox, all or none (RFC 9051 §6.4.7).
    pub async fn copy(
        &self,
        mailbox: MailboxRef,
        quota: Quota,
        from: FolderId,
        uids: UidSet,
        to: impl Into<Target>,
    ) -> Result<Copied> {
        submit(&self.shared, writes::Copy { mailbox, quota, from, uids, to: to.into() }).await
    }

    /// Moves messages within a mailbox, all or none (RFC 6851, RFC 9051 §6.4.8).
    pub async fn move_messages(
        &self,
        mailbox: MailboxRef,
        from: FolderId,
        uids: UidSet,
        to: impl Into<Target>,
    ) -> Result<Copied> {
        submit(&self.shared, writes::Move { mailbox, from, uids, to: to.into() }).await
    }

    /// What is stored beside each message's body, in the order asked for; `None` for one that is gone.
    /// Ask for at most [`crate::model::bounds::READ_BATCH`] at once.
    pub async fn messages(&self, ids: &[MessageId]) -> Result<Vec<Option<StoredMessage>>> {
        let (shared, ids) = (self.shared.clone(), ids.to_vec());
        self.shared.read(move |tx| Box::pin(reads::messages(tx, shared, ids))).await
    }

    /// A message's octets (prefix and body), checksum verified, as a stream of chunks of at most 64 KiB.
    pub async fn read(&self, id: MessageId) -> Result<MessageReader> {
        let shared = self.shared.clone();
        let read = self.shared.read(move |tx| Box::pin(reads::read(tx, shared, id))).await;
        match read {
            Err(error) => Err(self.why_unreadable(id, error).await),
            reader => reader,
        }
    }

    /// A body's rows and file go as soon as its last message does, so a read that runs beside an
    /// expunge may miss some of them: that is no damage.
    async fn why_unreadable(&self, id: MessageId, error: StoreError) -> StoreError {
        let suspicious = matches!(error, StoreError::Corrupt(_) | StoreError::Failed(_));
        if suspicious && matches!(self.messages(&[id]).await.as_deref(), Ok([None])) {
            return StoreError::NoSuchMessage;
        }
        error
    }

    /// Whole messages of less than [`crate::model::bounds::MESSAGE_IN_MEMORY_OCTETS`] each, in the order
    /// asked for: the fast way for FETCH of many. An entry is `Err(TooLarge)` when it must be streamed
    /// with [`Store::read`], `Err(NoSuchMessage)` when it was expunged, `Err(Corrupt)` when its checksum is wrong.
    pub async fn read_many(&self, ids: &[MessageId]) -> Result<Vec<Result<bytes::Bytes>>> {
        let (shared, all) = (self.shared.clone(), ids.to_vec());
        let mut read = self.shared.read(move |tx| Box::pin(reads::read_many(tx, shared, all))).await?;
        for (id, outcome) in ids.iter().zip(&mut read) {
            if matches!(outcome, Err(StoreError::Corrupt(_) | StoreError::Failed(_))) {
                let error = std::mem::replace(outcome, Err(StoreError::NoSuchMessage));
                *outcome = match error {
                    Err(error) => Err(self.why_unreadable(*id, error).await),
                    octets => octets,
                };
            }
        }
        Ok(read)
    }

    /// Starts to take in a message; large ones go to disk as they come.
    pub fn stage(&self) -> Stager {
        Stager::new(self.shared.bodies.clone())
    }

    /// What a mailbox holds now.
    pub async fn usage(&self, mailbox: MailboxId) -> Result<Usage> {
        let usage = self.usages(&[mailbox]).await?.first().copied().flatten();
        usage.ok_or_else(|| StoreError::Corrupt(format!("the usage counter of mailbox {mailbox}")))
    }

    /// What several mailboxes hold now, in the order asked for; `None` where the counter is damaged.
    pub async fn usages(&self, mailboxes: &[MailboxId]) -> Result<Vec<Option<Usage>>> {
        let mailboxes = mailboxes.to_vec();
        self.shared.read(move |tx| Box::pin(reads::usages(tx, mailboxes))).await
    }

    /// Refuses mailboxes of which a write has found that they can take no mail for damage, as long as that holds: so
    /// that they are refused one by one, and mail that is for others, too, is not kept from these. Costs no read
    /// where nothing was found.
    pub async fn may_deliver(&self, mailboxes: &[MailboxId]) -> Result<()> {
        let suspects = self.shared.suspects.among(mailboxes);
        if suspects.is_empty() {
            return Ok(());
        }
        let looked_at = suspects.clone();
        let damaged = self.shared.read(move |tx| Box::pin(reads::undeliverable(tx, looked_at))).await?;
        suspects.iter().filter(|id| !damaged.contains(id)).for_each(|id| self.shared.suspects.clear(*id));
        match damaged.first() {
            Some(mailbox) => Err(StoreError::Corrupt(format!("the INBOX or the usage counter of mailbox {mailbox}"))),
            None => Ok(()),
        }
    }

    /// The mailboxes whose usage has changed since this was called last.
    pub fn take_usage_changed(&self) -> Vec<MailboxId> {
        let mut changed: Vec<MailboxId> = std::mem::take(&mut *self.shared.usage_changed.lock()).into_iter().collect();
        changed.sort_unstable_by_key(|mailbox| mailbox.0);
        changed
    }

    /// Says once more that the usage of mailboxes has changed, for who could not do with it what was to be done.
    pub fn usage_changed(&self, mailboxes: &[MailboxId]) {
        self.shared.usage_changed.lock().extend(mailboxes);
    }

    /// What POP3 has retrieved or hidden in a folder.
    pub async fn pop3_marks(&self, mailbox: MailboxRef, inbox: FolderId) -> Result<Vec<Pop3Mark>> {
        self.shared.read(move |tx| Box::pin(reads::pop3_marks(tx, mailbox.id, inbox))).await
    }

    /// Ends a POP3 session: marks, deletions and moves to Trash in one transaction (RFC 1939 §6).
    pub async fn pop3_finish(&self, mailbox: MailboxRef, inbox: FolderId, finish: Pop3Finish) -> Result<()> {
        submit(&self.shared, writes::Finish { mailbox, inbox, finish }).await
    }

    /// Removes what POP3 retrieved before `cutoff` (Unix seconds); returns how many messages went.
    pub async fn pop3_expire(&self, mailbox: MailboxRef, cutoff: i64) -> Result<u64> {
        let folders = self.folders(mailbox).await?;
        let inbox = folders.iter().find(|folder| folder.name.is_inbox()).ok_or(StoreError::NoSuchFolder)?.id;
        let marks = self.pop3_marks(mailbox, inbox).await?;
        let old = marks.iter().filter(|mark| mark.retrieved_at.is_some_and(|at| at < cutoff));
        let uids: UidSet = old.map(|mark| mark.uid).collect();
        if uids.is_empty() {
            return Ok(0);
        }
        submit(&self.shared, writes::Expire { mailbox, inbox, uids }).await
    }

    /// Removes a mailbox and all it holds, for ever: what is delivered to it later fails. Idempotent. Sessions must
    /// have ended.
    pub async fn delete_mailbox(&self, mailbox: MailboxId) -> Result<()> {
        // Bodies are found by their messages, so the tenant does not matter here.
        let mailbox = MailboxRef { id: mailbox, tenant: TenantId(0) };
        submit(&self.shared, writes::DeleteMailbox { mailbox }).await
    }

    /// False once a commit has failed: from then on every write is refused (`ReadOnly`)
    /// until the process is restarted; also false when the disk is short of room.
    pub fn accepts_mail(&self) -> bool {
        !self.shared.read_only.load(Ordering::Acquire) && self.shared.has_space()
    }

    /// How many octets of the disk stay free: below them no mail is accepted, and what is there can be read and deleted.
    pub fn keep_free(&self, octets: u64) {
        self.shared.keep_free.store(octets.max(bounds::FREE_OCTETS_LEAST), Ordering::Relaxed);
    }

    /// Finishes what is queued, syncs and closes.
    pub async fn close(&self) {
        self.shared.close().await;
    }
}
