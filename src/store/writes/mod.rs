//! The writes, one type each: what it needs loaded, and what it does to a batch in memory.
//!
//! They know no SQL. Invariant: each checks its own rules before it changes the batch.

mod acl;
mod annotations;
mod copying;
mod flagging;
mod folders;
mod incoming;
mod pop3;
mod urls;

pub(super) use acl::ChangeAcl;
pub(super) use annotations::{Annotate, WHOLE_MAILBOX};
pub(super) use copying::{Copy, Move};
pub(super) use flagging::{Expunge, Keywords, SetFlags};
pub(super) use folders::{Create, Delete, DeleteMailbox, Ensure, OpenFolder, Rename, Subscribe};
pub(super) use incoming::{Append, Deliver, Replace};
pub(super) use pop3::{Expire, Finish};
pub(super) use urls::ResetUrls;

use super::batch::Batch;
use super::load::Needs;
use super::{FolderState, MailboxRef, Row};
use crate::model::UidSet;
use crate::model::ids::FolderId;

impl Needs {
    /// A write to this mailbox.
    fn mailbox(&mut self, mailbox: MailboxRef) {
        self.mailboxes.insert(mailbox.id, mailbox);
    }

    /// A write to this mailbox's names.
    fn all_folders(&mut self, mailbox: MailboxRef) {
        self.mailbox(mailbox);
        self.whole.insert(mailbox.id);
    }
}

/// The rows of these UIDs that are there; the cost follows the rows, not what a client wrote.
fn rows_of(state: &FolderState, uids: &UidSet) -> Vec<Row> {
    let mut rows = Vec::new();
    for range in uids.ranges() {
        let start = match state.position(*range.start()) {
            Ok(position) | Err(position) => position,
        };
        rows.extend(state.rows_from(start).take_while(|row| row.uid <= *range.end()));
    }
    rows
}

/// All folders of a mailbox that are loaded.
fn folders_of(batch: &Batch<'_>, mailbox: MailboxRef) -> Vec<FolderId> {
    batch.heads.values().filter(|head| head.mailbox == mailbox.id).map(|head| head.id).collect()
}
