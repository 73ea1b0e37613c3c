//! Access control lists of folders (RFC 4314).

use crate::model::ids::FolderId;
use crate::model::{RightsChange, Who};
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{MailboxRef, Result, StoreError};

/// SETACL, DELETEACL.
pub(in crate::store) struct ChangeAcl {
    pub mailbox: MailboxRef,
    pub folder: FolderId,
    pub who: Who,
    pub change: RightsChange,
}

impl Write for ChangeAcl {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.folder);
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        batch.head(self.mailbox.id, self.folder)?;
        let head = batch.heads.get_mut(&self.folder).ok_or(StoreError::NoSuchFolder)?;
        head.acl.change(&self.who, self.change).map_err(|_| StoreError::TooManyRights)?;
        batch.changes.heads.insert(self.folder);
        Ok(())
    }
}
