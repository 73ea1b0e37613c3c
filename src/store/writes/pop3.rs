//! What POP3 leaves behind: marks, deletions at QUIT, and expiry of what was retrieved long ago.

use super::copying::shift;
use super::{folders_of, rows_of};
use crate::model::UidSet;
use crate::model::ids::FolderId;
use crate::store::batch::Batch;
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{MailboxRef, Pop3Finish, Pop3Mark, Result, SpecialUse};

/// QUIT.
pub(in crate::store) struct Finish {
    pub mailbox: MailboxRef,
    pub inbox: FolderId,
    pub finish: Pop3Finish,
}

fn trash_of(batch: &Batch<'_>, mailbox: MailboxRef) -> Option<FolderId> {
    let of_mailbox = batch.heads.values().filter(|head| head.mailbox == mailbox.id && head.selectable);
    of_mailbox.filter(|head| head.special_use == Some(SpecialUse::Trash)).map(|head| head.id).min()
}

impl Write for Finish {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.inbox);
        if !self.finish.trash.is_empty() {
            needs.whole.insert(self.mailbox.id);
        }
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        let trash = trash_of(batch, self.mailbox).filter(|_| !self.finish.trash.is_empty());
        [self.inbox].into_iter().chain(trash).collect()
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<()> {
        batch.head(self.mailbox.id, self.inbox)?;
        let state = batch.state(self.inbox)?;
        let deleted = rows_of(&state, &self.finish.delete);
        let mut trashed = rows_of(&state, &self.finish.trash);
        trashed.retain(|row| !self.finish.delete.contains(row.uid));
        let trash = trash_of(batch, self.mailbox).filter(|_| !trashed.is_empty());
        match trash {
            // First, since it is all that can be refused.
            Some(trash) => shift(batch, self.inbox, trash.into(), &trashed).map(drop)?,
            // A folder that does not read may be the one that they should go to.
            None if !trashed.is_empty() => batch.all_undamaged(self.mailbox.id)?,
            None => {}
        }
        for row in state.rows_from(0) {
            let gone = self.finish.delete.contains(row.uid) || self.finish.trash.contains(row.uid);
            let (retrieved, hidden) = (self.finish.retrieved.contains(row.uid), self.finish.hide.contains(row.uid));
            if !gone && (retrieved || hidden) {
                let retrieved_at = retrieved.then_some(self.finish.now);
                batch.changes.marks.push((self.inbox, Pop3Mark { uid: row.uid, retrieved_at, hidden }));
            }
        }
        if !deleted.is_empty() {
            batch.remove(self.inbox, &deleted)?;
        }
        if trash.is_none() && !trashed.is_empty() {
            batch.remove(self.inbox, &trashed)?;
        }
        Ok(())
    }
}

/// Removes what was retrieved too long ago.
pub(in crate::store) struct Expire {
    pub mailbox: MailboxRef,
    pub inbox: FolderId,
    pub uids: UidSet,
}

impl Write for Expire {
    type Output = u64;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.insert(self.inbox);
    }

    fn states(&self, batch: &Batch<'_>) -> Vec<FolderId> {
        folders_of(batch, self.mailbox).into_iter().filter(|id| *id == self.inbox).collect()
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<u64> {
        batch.head(self.mailbox.id, self.inbox)?;
        let rows = rows_of(&*batch.state(self.inbox)?, &self.uids);
        if !rows.is_empty() {
            batch.remove(self.inbox, &rows)?;
        }
        Ok(rows.len() as u64)
    }
}
