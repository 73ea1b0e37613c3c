//! COPY and MOVE within a mailbox: the messages' rows are shared, only the logs grow.

use super::rows_of;
use crate::model::ids::FolderId;
use crate::model::{Flags, Quota, UidSet, Usage};
use crate::store::batch::{Batch, Incoming};
use crate::store::load::Needs;
use crate::store::writer::Write;
use crate::store::{Copied, MailboxRef, Result, Row, Target};

/// COPY.
pub(in crate::store) struct Copy {
    pub mailbox: MailboxRef,
    pub quota: Quota,
    pub from: FolderId,
    pub uids: UidSet,
    pub to: Target,
}

impl Write for Copy {
    type Output = Copied;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.extend([self.from, self.to.folder]);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.from, self.to.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Copied> {
        batch.head(self.mailbox.id, self.from)?;
        batch.head(self.mailbox.id, self.to.folder)?;
        let rows = rows_of(&*batch.state(self.from)?, &self.uids);
        let more = Usage { bytes: rows.iter().map(|row| u64::from(row.size)).sum(), messages: rows.len() as u64 };
        batch.check_quota(self.mailbox.id, self.quota, more)?;
        let copied = put(batch, self.from, self.to, &rows)?;
        for row in &rows {
            *batch.changes.copies.entry(row.message).or_default() += 1;
        }
        if !rows.is_empty() {
            batch.add_usage(self.mailbox.id, more);
        }
        Ok(copied)
    }
}

/// MOVE.
pub(in crate::store) struct Move {
    pub mailbox: MailboxRef,
    pub from: FolderId,
    pub uids: UidSet,
    pub to: Target,
}

impl Write for Move {
    type Output = Copied;

    fn needs(&self, needs: &mut Needs) {
        needs.mailbox(self.mailbox);
        needs.folders.extend([self.from, self.to.folder]);
    }

    fn states(&self, _batch: &Batch<'_>) -> Vec<FolderId> {
        vec![self.from, self.to.folder]
    }

    fn apply(&mut self, batch: &mut Batch<'_>) -> Result<Copied> {
        batch.head(self.mailbox.id, self.from)?;
        batch.head(self.mailbox.id, self.to.folder)?;
        let rows = rows_of(&*batch.state(self.from)?, &self.uids);
        shift(batch, self.from, self.to, &rows)
    }
}

/// Moves rows from one folder to another; RFC 6851 §4.3: the source's UIDs are gone afterwards,
/// also where source and target are one folder.
pub(super) fn shift(batch: &mut Batch<'_>, from: FolderId, to: Target, rows: &[Row]) -> Result<Copied> {
    let copied = put(batch, from, to, rows)?;
    if !rows.is_empty() {
        batch.take_out(from, copied.source.clone())?;
    }
    Ok(copied)
}

/// Appends rows of one folder to another, flags and INTERNALDATE with them (RFC 9051 §6.4.7).
fn put(batch: &mut Batch<'_>, from: FolderId, to: Target, rows: &[Row]) -> Result<Copied> {
    let Target { folder: to, flags: carried } = to;
    let uid_validity = batch.state(to)?.uid_validity;
    let source: UidSet = rows.iter().map(|row| row.uid).collect();
    if rows.is_empty() {
        return Ok(Copied { uid_validity, source, target: UidSet::new() });
    }
    let used = rows.iter().fold(0, |used, row| used | row.flags.0) & carried.0;
    let names = if from == to { Vec::new() } else { keyword_names(batch, from, Flags(used))? };
    // Made all at once, so that a full table refuses the copy as a whole (RFC 9051 §6.4.7).
    batch.keywords(to, &names.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>())?;
    let mut table = Vec::with_capacity(names.len());
    for (theirs, name) in names {
        table.push((theirs, batch.keywords(to, &[name])?));
    }
    let incoming: Vec<Incoming> = rows
        .iter()
        .map(|row| Incoming {
            message: row.message,
            flags: if from == to { row.flags.within(carried) } else { translated(row.flags.within(carried), &table) },
            size: row.size,
            internal_date: row.internal_date,
        })
        .collect();
    let appended = batch.append(to, &incoming)?;
    Ok(Copied { uid_validity, source, target: appended.uids })
}

fn keyword_names(batch: &Batch<'_>, folder: FolderId, used: Flags) -> Result<Vec<(Flags, String)>> {
    let state = batch.state(folder)?;
    let name = |index: usize| Some((Flags::keyword(index)?, state.keywords.get(index)?.to_string()));
    Ok(used.keywords().filter_map(name).collect())
}

fn translated(flags: Flags, table: &[(Flags, Flags)]) -> Flags {
    let mut system = Flags::EMPTY;
    for (flag, _) in Flags::SYSTEM {
        if flags.contains(flag) {
            system = system.union(flag);
        }
    }
    let keywords = table.iter().filter(|(theirs, _)| flags.contains(*theirs)).map(|(_, ours)| *ours);
    keywords.fold(system, Flags::union)
}
