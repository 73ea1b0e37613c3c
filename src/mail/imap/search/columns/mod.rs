//! What SORT, THREAD and SEARCH compare, message by message, kept from one command to the next.
//!
//! Messages never change, so a value that was read once holds for ever; what new messages add is read alone. It is
//! no store: all of it can be dropped at any moment and is made again from summaries. Invariants: a folder's columns
//! are locked on blocking threads only; texts, names and the whole are bounded.

mod names;
mod table;
mod texts;
mod values;

pub(super) use names::{Name, Names};
pub(super) use texts::TextId;
pub(super) use values::{ADDRESS_KEYS, Subject, Threaded, WORD_FIELDS, Words};

use super::sort::rows_of;
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::summaries;
use crate::mail::imap::view::Selected;
use crate::model::bounds;
use crate::model::ids::FolderId;
use crate::store::{Row, StoredMessage};
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;
use std::sync::Arc;
use table::Table;
use texts::Texts;

/// The columns of all folders of a node that were searched, sorted or threaded lately.
pub struct ColumnCache {
    folders: moka::sync::Cache<Key, Shared>,
}

/// A folder; one that was made anew has other messages behind the same UIDs.
type Key = (FolderId, u32);

/// A folder's columns.
pub(super) type Shared = Arc<Mutex<Columns>>;

impl Default for ColumnCache {
    fn default() -> Self {
        let folders = moka::sync::Cache::builder()
            .max_capacity(bounds::COLUMNS_OCTETS)
            .weigher(|_, columns: &Shared| {
                // Whoever fills them holds the lock for long; they are weighed when that is done.
                columns.try_lock().map_or(1, |columns| u32::try_from(columns.octets()).unwrap_or(u32::MAX))
            })
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(bounds::COLUMNS_IDLE_TIME)
            .build();
        Self { folders }
    }
}

/// Columns that are filled together, since one reading gives them and commands ask for them so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// The sent date.
    Sent,
    /// The base subject.
    Subjects,
    /// The first addresses.
    Addresses,
    /// Message-ID and what is referred to.
    Threads,
    /// The fields that SEARCH has keys for, and the day in Date.
    Words,
}

/// The columns of one folder.
#[derive(Default)]
pub(super) struct Columns {
    /// Keys of SORT and THREAD.
    keys: Texts,
    /// Texts of SEARCH.
    words: Texts,
    names: Names,
    references: Vec<Name>,
    sent: Table<i64>,
    subjects: Table<Subject>,
    addresses: Table<[TextId; ADDRESS_KEYS]>,
    threads: Table<Threaded>,
    searched: Table<Words>,
}

fn key(selected: &Selected) -> Key {
    (selected.folder.id(), selected.view.seen.uid_validity)
}

/// What is known of a folder.
pub(super) fn known(peer: &Peer, selected: &Selected) -> Shared {
    peer.services.columns.folders.get_with(key(selected), Shared::default)
}

/// Makes sure that the columns of some rows are there.
pub(super) async fn fill(
    peer: &Peer,
    selected: &Selected,
    columns: &Shared,
    rows: &[Row],
    groups: &[Group],
) -> Result<(), Stop> {
    let cache = &peer.services.columns.folders;
    let lacking = {
        let (columns, rows, groups) = (columns.clone(), rows.to_vec(), groups.to_vec());
        blocking(move || columns.lock().lacking(rows, &groups)).await?
    };
    if lacking.is_empty() {
        return Ok(());
    }
    for batch in lacking.chunks(bounds::READ_BATCH) {
        let ids: Vec<_> = batch.iter().map(|row| row.message).collect();
        let stored = summaries::stored(peer, &ids).await?;
        let (columns, groups) = (columns.clone(), groups.to_vec());
        let rows: Vec<(Row, Option<StoredMessage>)> = batch.iter().copied().zip(stored).collect();
        blocking(move || columns.lock().add(&rows, &groups)).await?;
    }
    let full = {
        let columns = columns.clone();
        blocking(move || columns.lock().are_full()).await?
    };
    if full {
        // What could not be taken in must not be missing for ever.
        cache.invalidate(&key(selected));
    } else {
        // Weighed anew.
        cache.insert(key(selected), columns.clone());
    }
    Ok(())
}

/// Runs what takes long on a thread that answers nobody.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stop> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Stop::Bye("The search could not be done"))
}

/// The columns of hits, and their rows.
pub(super) async fn of_hits(
    peer: &mut Peer,
    selected: &Selected,
    hits: &[super::Hit],
    groups: &[Group],
) -> Result<(Shared, Vec<Row>), Stop> {
    let rows = rows_of(&selected.view.seen, hits);
    peer.work_ahead(rows.len());
    peer.work_done(0).await?;
    let columns = known(peer, selected);
    for batch in rows.chunks(bounds::SEARCH_BATCH).take_while(|_| !groups.is_empty()) {
        fill(peer, selected, &columns, batch, groups).await?;
        peer.work_done(batch.len()).await?;
    }
    Ok((columns, rows))
}

impl Columns {
    fn lacking(&self, mut rows: Vec<Row>, groups: &[Group]) -> Vec<Row> {
        let mut at = [0; 5];
        rows.retain(|row| groups.iter().zip(&mut at).any(|(group, at)| !self.has(*group, row.uid, at)));
        rows
    }

    fn has(&self, group: Group, uid: u32, at: &mut usize) -> bool {
        match group {
            Group::Sent => self.sent.has(uid, at),
            Group::Subjects => self.subjects.has(uid, at),
            Group::Addresses => self.addresses.has(uid, at),
            Group::Threads => self.threads.has(uid, at),
            Group::Words => self.searched.has(uid, at),
        }
    }

    /// Takes in messages; rows rise by UID.
    fn add(&mut self, rows: &[(Row, Option<StoredMessage>)], groups: &[Group]) {
        let read: Vec<values::Source<'_>> = rows.iter().map(values::Source::new).collect();
        for group in groups {
            match group {
                Group::Sent => self.sent.add(read.iter().map(|source| (source.uid(), source.sent()))),
                Group::Subjects => {
                    let keys = &mut self.keys;
                    self.subjects.add(read.iter().map(|source| (source.uid(), source.subject(keys))));
                }
                Group::Addresses => {
                    let keys = &mut self.keys;
                    self.addresses.add(read.iter().map(|source| (source.uid(), source.addresses(keys))));
                }
                Group::Threads => {
                    let (names, references) = (&mut self.names, &mut self.references);
                    self.threads.add(read.iter().map(|source| (source.uid(), source.threaded(names, references))));
                }
                Group::Words => {
                    let words = &mut self.words;
                    self.searched.add(read.iter().map(|source| (source.uid(), source.words(words))));
                }
            }
        }
    }

    /// Whether something could not be taken in.
    fn are_full(&self) -> bool {
        self.keys.is_full() || self.words.is_full() || self.names.is_full()
    }

    fn octets(&self) -> usize {
        let references = self.references.capacity() * size_of::<Name>();
        let tables = self.sent.octets() + self.subjects.octets() + self.addresses.octets() + self.threads.octets();
        self.keys.octets() + self.words.octets() + self.names.octets() + references + tables + self.searched.octets()
    }

    /// The place of every key in the order of keys.
    pub(super) fn ranks(&mut self) -> &[u32] {
        self.keys.ranks()
    }

    pub(super) fn sent(&self, uid: u32, at: &mut usize) -> Option<i64> {
        self.sent.get(uid, at)
    }

    pub(super) fn subject(&self, uid: u32, at: &mut usize) -> Subject {
        self.subjects.get(uid, at).unwrap_or_default()
    }

    pub(super) fn addresses(&self, uid: u32, at: &mut usize) -> [TextId; ADDRESS_KEYS] {
        self.addresses.get(uid, at).unwrap_or_default()
    }

    /// A message's name and the names that it refers to.
    pub(super) fn threaded(&self, uid: u32, at: &mut usize) -> (Option<Name>, &[Name]) {
        let Some(threaded) = self.threads.get(uid, at) else { return (None, &[]) };
        (threaded.id, self.references.get(threaded.references()).unwrap_or_default())
    }

    /// How many names there are.
    pub(super) fn names(&self) -> usize {
        self.names.len()
    }

    pub(super) fn searched(&self, uid: u32, at: &mut usize) -> Option<(Words, &Texts)> {
        self.searched.get(uid, at).map(|words| (words, &self.words))
    }
}
