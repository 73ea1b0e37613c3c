//! ESEARCH over several folders (RFC 7377).
//!
//! The folders are searched one after the other, as if each were selected. Invariant: a folder is answered at most
//! once, and only where something was found in it.

use super::{answer, found};
use crate::mail::imap::command::{MailboxName, MultiSearch, SearchReturn, Source};
use crate::mail::imap::peer::{Account, Peer};
use crate::mail::imap::reply::{Answer, Reply, Stop};
use crate::mail::imap::view::Selected;
use crate::mail::imap::{encode, list};
use crate::model::ids::FolderId;
use crate::model::{FolderName, Rights};
use crate::store::{FolderInfo, StoreError};
use std::collections::BTreeSet;

/// ESEARCH.
pub(in crate::mail::imap) async fn multi_search(
    peer: &mut Peer,
    account: &Account,
    mut selected: Option<&mut Selected>,
    tag: &str,
    command: &MultiSearch,
) -> Answer {
    if let Some(refusal) = refusal(peer, selected.as_deref(), command) {
        return Ok(refusal);
    }
    let folders = folders(peer, account, selected.as_deref(), &command.sources).await?;
    let returning = command.search.returning.unwrap_or(SearchReturn { all: true, ..SearchReturn::default() });
    for folder in folders {
        let looked = match selected.as_deref_mut().filter(|selected| selected.folder.id() == folder.id) {
            Some(selected) => one(peer, selected, tag, returning, command).await,
            None => match Selected::passing(peer, account, &folder).await {
                Ok(mut passing) => one(peer, &mut passing, tag, returning, command).await,
                Err(StoreError::NoSuchFolder) => Ok(()),
                Err(error) => Err(error.into()),
            },
        };
        looked?;
        peer.conn.flush_if_full().await?;
    }
    Ok(Reply::ok("ESEARCH completed"))
}

/// What cannot be asked of these sources.
fn refusal(peer: &Peer, selected: Option<&Selected>, command: &MultiSearch) -> Option<Reply> {
    let only_selected = command.sources.iter().all(|source| *source == Source::Selected);
    if command.sources.contains(&Source::Selected) && selected.is_none() {
        // RFC 7377 §2.2.
        return Some(Reply::bad("Select a folder first"));
    }
    if command.search.charset.is_some() && peer.enabled.utf8 {
        // RFC 6855 §3: everything is UTF-8 then, and a charset is an error.
        return Some(Reply::bad("After ENABLE UTF8=ACCEPT a search has no charset"));
    }
    if command.search.key.names_numbers() && (!only_selected || peer.enabled.uid_only) {
        // A number means a message of the selected folder, and of no other.
        return Some(Reply::bad("Numbers are of the selected folder alone"));
    }
    if command.search.returning.is_some_and(|returning| returning.update) {
        // RFC 5267 §4.3 knows contexts of the selected folder alone.
        return Some(Reply::bad("UPDATE is for SEARCH and SORT"));
    }
    let saves = command.search.returning.is_some_and(|returning| returning.save);
    // RFC 7377 §2.2: a result is saved for the selected folder only.
    (saves && !only_selected).then(|| Reply::bad("SAVE is for the selected folder alone"))
}

/// The folders that the sources mean, each once, by name.
async fn folders(
    peer: &Peer,
    account: &Account,
    selected: Option<&Selected>,
    sources: &[Source],
) -> Result<Vec<FolderInfo>, Stop> {
    let utf8 = peer.enabled.utf8_names();
    let meant: Vec<Meant> = sources.iter().map(|source| Meant::new(source, selected, utf8)).collect();
    let mut folders = peer.store().folders(account.mailbox()).await?;
    // RFC 7377 §2.2: what is not there or may not be read is passed over.
    let readable = Rights::LOOKUP.and(Rights::READ);
    folders.retain(|folder| folder.selectable && account.rights(folder).contains(readable));
    folders.retain(|folder| meant.iter().any(|meant| meant.takes(folder)));
    Ok(folders)
}

/// A source made ready: names parsed, the selected folder known.
pub(in crate::mail::imap) enum Meant {
    Folder(Option<FolderId>),
    Inbox,
    All,
    Subscribed,
    Names {
        names: BTreeSet<FolderName>,
        /// How many levels below them count.
        depth: usize,
    },
}

impl Meant {
    pub(in crate::mail::imap) fn new(source: &Source, selected: Option<&Selected>, utf8: bool) -> Self {
        let named = |names: &[MailboxName], depth| {
            let names = names.iter().filter_map(|name| name.folder(utf8)).collect();
            Self::Names { names, depth }
        };
        match source {
            Source::Selected => Self::Folder(selected.map(|selected| selected.folder.id())),
            // RFC 5465 §6.2: deliveries go to INBOX.
            Source::Inboxes => Self::Inbox,
            Source::Personal => Self::All,
            Source::Subscribed => Self::Subscribed,
            Source::Subtree(names) => named(names, usize::MAX),
            Source::SubtreeOne(names) => named(names, 1),
            Source::Mailboxes(names) => named(names, 0),
        }
    }

    pub(in crate::mail::imap) fn takes(&self, folder: &FolderInfo) -> bool {
        match self {
            Self::Folder(id) => *id == Some(folder.id),
            _ => self.takes_name(&folder.name, folder.subscribed),
        }
    }

    /// The same for a name that may have no folder.
    pub(in crate::mail::imap) fn takes_name(&self, name: &FolderName, subscribed: bool) -> bool {
        match self {
            Self::Folder(_) => false,
            Self::Inbox => name.is_inbox(),
            Self::All => true,
            Self::Subscribed => subscribed,
            Self::Names { names, depth } => {
                let up = std::iter::successors(Some(name.clone()), FolderName::parent);
                up.take(depth.saturating_add(1)).any(|name| names.contains(&name))
            }
        }
    }
}

/// Searches one folder.
async fn one(
    peer: &mut Peer,
    selected: &mut Selected,
    tag: &str,
    returning: SearchReturn,
    command: &MultiSearch,
) -> Result<(), Stop> {
    let search = &command.search;
    let outcome = found(peer, selected, search.charset.as_deref(), &search.key).await;
    if returning.save {
        let hits = outcome.as_ref().map_or(&[][..], |found| &found.hits);
        selected.saved = answer::saved(returning, hits);
    }
    let found = outcome?;
    if found.hits.is_empty() {
        // RFC 7377 §2.1: only where something matched.
        return Ok(());
    }
    // RFC 7377 §2.1: the folder stands beside the tag.
    let mut correlator = answer::tag(tag);
    correlator.extend_from_slice(b" MAILBOX ");
    list::name(&mut correlator, selected.name.as_str(), peer.enabled.utf8_names());
    correlator.extend_from_slice(b" UIDVALIDITY ");
    encode::number(&mut correlator, selected.view.seen.uid_validity.into());
    answer::extended(peer.out(), &correlator, true, returning, &found);
    Ok(())
}
