//! Flags, keywords and EXPUNGE: one record in the log, whatever the number of messages.

use super::rows_of;
use crate::model::ids::FolderId;
use crate::model::{Flags, UidSet};
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{Expunged, FlagChange, FlagsChanged, MailboxRef, Result};

/// STORE.
pub(in crate::store) struct SetFlags {
    pub mailbox: MailboxRef,
    pub folder: FolderId,
    pub change: FlagChange,
}

impl Write for SetFlags {
    type Output = FlagsChanged;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.folder);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<FlagsChanged> {
        batch.head(self.mailbox.id, self.folder)?;
        let state = batch.state(self.folder)?;
        let (record, modified) = self.change.record(&state);
        let Some(record) = record else { return Ok(FlagsChanged { modseq: None, modified }) };
        let modseq = batch.log(self.folder, record)?;
        Ok(FlagsChanged { modseq: Some(modseq), modified })
    }
}

/// Numbers for keywords, made where they are new.
pub(in crate::store) struct Keywords {
    pub mailbox: MailboxRef,
    pub folder: FolderId,
    pub names: Vec<String>,
}

impl Write for Keywords {
    type Output = Flags;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.folder);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Flags> {
        batch.head(self.mailbox.id, self.folder)?;
        batch.keywords(self.folder, &self.names)
    }
}

/// EXPUNGE and UID EXPUNGE.
pub(in crate::store) struct Expunge {
    pub mailbox: MailboxRef,
    pub folder: FolderId,
    pub uids: UidSet,
}

impl Write for Expunge {
    type Output = Expunged;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.folder);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Expunged> {
        let highest_modseq = batch.head(self.mailbox.id, self.folder)?.highest_modseq;
        let mut rows = rows_of(&*batch.state(self.folder)?, &self.uids);
        // RFC 9051 §6.4.9: only those that also have \Deleted.
        rows.retain(|row| row.flags.contains(Flags::DELETED));
        if rows.is_empty() {
            return Ok(Expunged { uids: UidSet::new(), highest_modseq });
        }
        let highest_modseq = batch.remove(self.folder, &rows)?;
        Ok(Expunged { uids: rows.iter().map(|row| row.uid).collect(), highest_modseq })
    }
}
