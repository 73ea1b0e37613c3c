//! How often the keys of URLs were reset (RFC 4467 §5): what was authorized before is void.

use super::annotations::WHOLE_MAILBOX;
use crate::model::ids::FolderId;
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{MailboxRef, Result, StoreError};

/// RESETKEY: of one folder, or of all.
pub(in crate::store) struct ResetUrls {
    pub mailbox: MailboxRef,
    pub folder: Option<FolderId>,
}

impl Write for ResetUrls {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.extend(self.folder);
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        if let Some(id) = self.folder {
            let head = batch.heads.get(&id).filter(|head| head.mailbox == self.mailbox.id);
            head.ok_or(StoreError::NoSuchFolder)?;
        }
        batch.changes.url_epochs.push((self.mailbox.id, self.folder.unwrap_or(WHOLE_MAILBOX)));
        Ok(())
    }
}
