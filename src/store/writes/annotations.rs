//! Annotations of folders and of a mailbox as a whole (RFC 5464).

use crate::model::bounds;
use crate::model::ids::FolderId;
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{MailboxRef, Result, StoreError};
use bytes::Bytes;

/// The folder that stands for the mailbox as a whole.
pub(in crate::store) const WHOLE_MAILBOX: FolderId = FolderId(0);

/// SETMETADATA: all of the entries or none; `None` removes one.
pub(in crate::store) struct Annotate {
    pub mailbox: MailboxRef,
    pub folder: Option<FolderId>,
    pub entries: Vec<(String, Option<Bytes>)>,
}

impl Annotate {
    fn folder(&self) -> FolderId {
        self.folder.unwrap_or(WHOLE_MAILBOX)
    }
}

impl Write for Annotate {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.extend(self.folder);
        needs.annotations.insert((self.mailbox.id, self.folder()));
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        let (mailbox, folder) = (self.mailbox.id, self.folder());
        if let Some(id) = self.folder {
            // RFC 5464 §4.1: names that only hold folders may be annotated, too.
            let head = batch.heads.get(&id).filter(|head| head.mailbox == mailbox);
            head.ok_or_else(|| batch.absent(id))?;
        }
        let mut sizes = batch.annotations.get(&(mailbox, folder)).cloned().unwrap_or_default();
        let mut octets = batch.annotated.get(&mailbox).copied().unwrap_or(0);
        for (entry, value) in &self.entries {
            octets = octets.saturating_sub(sizes.remove(entry).unwrap_or(0));
            if let Some(value) = value {
                let size = (entry.len() + value.len()) as u64;
                octets = octets.saturating_add(size);
                sizes.insert(entry.clone(), size);
            }
        }
        let grows = self.entries.iter().any(|(_, value)| value.is_some());
        if grows && (sizes.len() > bounds::ANNOTATIONS || octets > bounds::ANNOTATIONS_OCTETS) {
            return Err(StoreError::TooManyAnnotations);
        }
        batch.annotations.insert((mailbox, folder), sizes);
        batch.annotated.insert(mailbox, octets);
        let entries = std::mem::take(&mut self.entries).into_iter();
        batch.changes.annotations.extend(entries.map(|(entry, value)| (mailbox, folder, entry, value)));
        Ok(())
    }

    fn octets(&self) -> usize {
        self.entries.iter().map(|(entry, value)| entry.len() + value.as_ref().map_or(0, Bytes::len)).sum()
    }
}
