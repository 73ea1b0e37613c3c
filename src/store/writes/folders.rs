//! Folders by name: made, opened, renamed, deleted; subscriptions; whole mailboxes.

use super::copying::shift;
use super::folders_of;
use crate::model::FolderName;
use crate::model::bounds;
use crate::model::ids::FolderId;
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{FolderInfo, FolderState, MailboxRef, Result, Row, SpecialUse, StoreError};
use std::sync::Arc;

/// Makes the default folders of a mailbox that was never touched; loading does it.
pub(in crate::store) struct Ensure {
    pub mailbox: MailboxRef,
}

impl Write for Ensure {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
    }

    fn apply(&mut self, _batch: &mut Batch<'_>) -> Result<()> {
        Ok(())
    }
}

/// Loads a folder so that it is open afterwards.
pub(in crate::store) struct OpenFolder {
    pub mailbox: MailboxRef,
    pub folder: FolderId,
    /// What a reader has loaded already, to be brought up to date.
    pub loaded: Arc<FolderState>,
}

impl Write for OpenFolder {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.folders.insert(self.folder);
        needs.preloaded.push((self.folder, self.loaded.clone()));
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        batch.head(self.mailbox.id, self.folder)?;
        batch.state(self.folder).map(drop)
    }
}

/// CREATE.
pub(in crate::store) struct Create {
    pub mailbox: MailboxRef,
    pub name: FolderName,
    pub special_use: Option<SpecialUse>,
}

impl Write for Create {
    type Output = FolderInfo;

    fn needs(&self, needs: &mut Needs) {
        needs.all_folders(self.mailbox);
        needs.new_folders += bounds::FOLDER_DEPTH;
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<FolderInfo> {
        batch.undamaged(self.mailbox.id, |name| *name == self.name || self.name.is_below(name))?;
        let existing = batch.named(self.mailbox.id, &self.name).map(|head| (head.id, head.selectable));
        let id = match existing {
            Some((_, true)) => return Err(StoreError::FolderExists),
            // RFC 9051 §6.3.5: a \Noselect name may be made a folder again.
            Some((id, false)) => {
                revive(batch, id);
                id
            }
            None => create_with_parents(batch, self.mailbox, &self.name)?,
        };
        let head = batch.heads.get_mut(&id).ok_or(StoreError::NoSuchFolder)?;
        if self.special_use.is_some() {
            head.special_use = self.special_use;
        }
        Ok(head.info(false))
    }

    fn alone(&self) -> bool {
        true
    }
}

fn revive(batch: &mut Batch<'_>, folder: FolderId) {
    if let Some(head) = batch.heads.get_mut(&folder) {
        head.selectable = true;
        batch.changes.heads.insert(folder);
    }
}

/// RFC 9051 §6.3.4: the levels above are made, too.
fn create_with_parents(batch: &mut Batch<'_>, mailbox: MailboxRef, name: &FolderName) -> Result<FolderId> {
    let mut missing = vec![name.clone()];
    while let Some(parent) = missing.last().and_then(FolderName::parent) {
        if batch.named(mailbox.id, &parent).is_some() {
            break;
        }
        missing.push(parent);
    }
    if folders_of(batch, mailbox).len() + missing.len() > bounds::FOLDERS_PER_MAILBOX {
        return Err(StoreError::TooManyFolders);
    }
    // RFC 4314 §4: a new folder takes over the list of the one above it.
    let parent = missing.last().and_then(FolderName::parent).and_then(|parent| batch.named(mailbox.id, &parent));
    let acl = parent.map(|head| head.acl.clone()).unwrap_or_default();
    let mut id = None;
    for name in missing.into_iter().rev() {
        let head = batch.create(mailbox, name)?;
        head.acl = acl.clone();
        id = Some(head.id);
    }
    id.ok_or(StoreError::NoSuchFolder)
}

/// DELETE.
pub(in crate::store) struct Delete {
    pub mailbox: MailboxRef,
    pub name: FolderName,
}

impl Write for Delete {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.all_folders(self.mailbox);
        needs.new_folders += 1;
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        batch.named(self.mailbox.id, &self.name).map(|head| head.id).into_iter().collect()
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        // RFC 9051 §6.3.5: INBOX cannot be deleted.
        if self.name.is_inbox() {
            return Err(StoreError::InboxImmutable);
        }
        batch.undamaged(self.mailbox.id, |name| *name == self.name || name.is_below(&self.name))?;
        let head = batch.named(self.mailbox.id, &self.name).ok_or(StoreError::NoSuchFolder)?;
        let (id, selectable) = (head.id, head.selectable);
        let parent = batch.heads.values().any(|h| h.mailbox == self.mailbox.id && h.name.is_below(&self.name));
        if parent && !selectable {
            return Err(StoreError::NoSuchFolder);
        }
        empty_and_delete(batch, id)?;
        if parent {
            // RFC 9051 §6.3.5: its name stays as \Noselect; made again, it is another folder.
            batch.create(self.mailbox, self.name.clone())?.selectable = false;
        }
        Ok(())
    }

    fn alone(&self) -> bool {
        true
    }
}

fn all_rows(state: &FolderState) -> Vec<Row> {
    state.rows_from(0).collect()
}

fn empty_and_delete(batch: &mut Batch<'_>, folder: FolderId) -> Result<()> {
    let mailbox = batch.heads.get(&folder).ok_or(StoreError::NoSuchFolder)?.mailbox;
    let rows = all_rows(&*batch.state(folder)?);
    batch.drop_messages(mailbox, &rows);
    batch.delete_folder(folder);
    Ok(())
}

/// RENAME.
pub(in crate::store) struct Rename {
    pub mailbox: MailboxRef,
    pub from: FolderName,
    pub to: FolderName,
}

impl Write for Rename {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.all_folders(self.mailbox);
        needs.new_folders += bounds::FOLDER_DEPTH;
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        let inbox = batch.named(self.mailbox.id, &self.from).filter(|head| head.name.is_inbox());
        inbox.map(|head| head.id).into_iter().collect()
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        let touches = |name: &FolderName, end: &FolderName| name == end || name.is_below(end) || end.is_below(name);
        batch.undamaged(self.mailbox.id, |name| touches(name, &self.from) || touches(name, &self.to))?;
        let from = batch.named(self.mailbox.id, &self.from).ok_or(StoreError::NoSuchFolder)?.id;
        if batch.named(self.mailbox.id, &self.to).is_some() || self.to.is_below(&self.from) && self.from.is_inbox() {
            return Err(StoreError::FolderExists);
        }
        if self.from.is_inbox() {
            // RFC 9051 §6.3.6: the messages move, INBOX stays, and so do the folders below it.
            let rows = all_rows(&*batch.state(from)?);
            let to = create_with_parents(batch, self.mailbox, &self.to)?;
            // RFC 5464 §4.1: the annotations are copied with them.
            batch.changes.annotation_copies.push((self.mailbox.id, from, to));
            return shift(batch, from, to.into(), &rows).map(drop);
        }
        let moves = self.moves(batch)?;
        if let Some(parent) = self.to.parent().filter(|p| batch.named(self.mailbox.id, p).is_none()) {
            create_with_parents(batch, self.mailbox, &parent)?;
        }
        for (id, name) in moves {
            if let Some(head) = batch.heads.get_mut(&id) {
                head.name = name;
                batch.changes.heads.insert(id);
            }
        }
        Ok(())
    }

    fn alone(&self) -> bool {
        true
    }
}

impl Rename {
    /// The new names of the folder and of all below it.
    fn moves(&self, batch: &Batch<'_>) -> Result<Vec<(FolderId, FolderName)>> {
        // Below itself it would be its own parent (RFC 9051 §6.3.6 leaves no meaning for it).
        if self.to.is_below(&self.from) {
            return Err(StoreError::FolderExists);
        }
        let mut moves = Vec::new();
        for head in batch.heads.values().filter(|head| head.mailbox == self.mailbox.id) {
            let Some(name) = head.name.moved(&self.from, &self.to) else { continue };
            // Parsed again, since it may have become too long or too deep.
            let name: FolderName = name.as_str().parse().map_err(|_| StoreError::TooManyFolders)?;
            if batch.named(self.mailbox.id, &name).is_some() {
                return Err(StoreError::FolderExists);
            }
            moves.push((head.id, name));
        }
        Ok(moves)
    }
}

/// SUBSCRIBE and UNSUBSCRIBE.
pub(in crate::store) struct Subscribe {
    pub mailbox: MailboxRef,
    pub name: FolderName,
    pub subscribed: bool,
}

impl Write for Subscribe {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        batch.changes.subscriptions.push((self.mailbox.id, self.name.to_string(), self.subscribed));
        Ok(())
    }
}

/// Removes a mailbox and all it holds.
pub(in crate::store) struct DeleteMailbox {
    pub mailbox: MailboxRef,
}

impl Write for DeleteMailbox {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.all_folders(self.mailbox);
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        folders_of(batch, self.mailbox)
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        // What a damaged folder holds is not known, so nothing of the mailbox goes before it is repaired.
        batch.all_undamaged(self.mailbox.id)?;
        for folder in folders_of(batch, self.mailbox) {
            batch.state(folder)?;
        }
        for folder in folders_of(batch, self.mailbox) {
            empty_and_delete(batch, folder)?;
        }
        batch.changes.usage.remove(&self.mailbox.id);
        batch.changes.subscriptions.retain(|(mailbox, ..)| *mailbox != self.mailbox.id);
        batch.changes.deleted_mailboxes.push(self.mailbox.id);
        Ok(())
    }

    fn alone(&self) -> bool {
        true
    }
}
