//! GETMETADATA, SETMETADATA and LIST's METADATA: what clients note about folders (RFC 5464, RFC 9590).
//!
//! On the server as a whole a mailbox has private notes of its own; shared ones would be everybody's, and only
//! `/shared/admin` is there. Invariant: each entry is answered at most once.

use super::command::{EntryName, GetMetadata, MailboxName, MetadataOptions};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply};
use super::{encode, list};
use crate::model::bounds;
use crate::store::{FolderInfo, StoreError};
use bytes::Bytes;
use std::collections::BTreeMap;

type Notes = BTreeMap<String, Bytes>;

/// The one shared entry of the server.
const ADMIN: &str = "/shared/admin";

/// GETMETADATA.
pub(super) async fn get(peer: &mut Peer, account: &Account, command: &GetMetadata) -> Answer {
    let folder = match &command.mailbox {
        Some(name) => Some(account.annotated(peer, name).await?),
        None => None,
    };
    let notes = notes(peer, account, folder.as_ref()).await?;
    let too_long = answer(peer, folder.as_ref(), &notes, &command.entries, command.options);
    let reply = Reply::ok("GETMETADATA completed");
    // RFC 5464 §4.2.1.
    Ok(if too_long > 0 { reply.with(format!("METADATA LONGENTRIES {too_long}")) } else { reply })
}

/// LIST's METADATA for one folder; nothing where GETMETADATA would be refused.
pub(super) async fn in_list(
    peer: &mut Peer,
    account: &Account,
    folder: &FolderInfo,
    entries: &[EntryName],
) -> Result<(), StoreError> {
    if account.may_annotate(folder) {
        let notes = notes(peer, account, Some(folder)).await?;
        answer(peer, Some(folder), &notes, entries, MetadataOptions::default());
    }
    Ok(())
}

async fn notes(peer: &Peer, account: &Account, folder: Option<&FolderInfo>) -> Result<Notes, StoreError> {
    let mut notes = peer.store().annotations(account.mailbox(), folder.map(|folder| folder.id)).await?;
    if folder.is_none() {
        // RFC 5464 §3.2.1.1: a URI; RFC 2142 §5: the postmaster of the domain is always there.
        let admin = format!("mailto:postmaster@{}", account.config.address.domain());
        notes.insert(ADMIN.to_owned(), admin.into());
    }
    Ok(notes)
}

/// `* METADATA folder (entry value …)`; answers the size of the largest value that MAXSIZE kept back.
fn answer(
    peer: &mut Peer,
    folder: Option<&FolderInfo>,
    notes: &Notes,
    entries: &[EntryName],
    options: MetadataOptions,
) -> u64 {
    let mut told: BTreeMap<&str, Option<&Bytes>> = BTreeMap::new();
    for named in entries {
        if options.depth == 0 {
            // One that is not there has the value NIL (RFC 5464 §3.2).
            told.insert(named.as_str(), notes.get(named.as_str()));
            continue;
        }
        let found = notes.iter().filter(|(entry, _)| options.takes(named, entry));
        told.extend(found.map(|(entry, value)| (entry.as_str(), Some(value))));
    }
    let most = options.max_size.unwrap_or(u64::MAX);
    let mut too_long = 0;
    told.retain(|_, value| {
        let size = value.map_or(0, |value| value.len() as u64);
        if size > most {
            too_long = size.max(too_long);
        }
        size <= most
    });
    if !told.is_empty() {
        write(peer, folder, &told);
    }
    too_long
}

fn write(peer: &mut Peer, folder: Option<&FolderInfo>, told: &BTreeMap<&str, Option<&Bytes>>) {
    let utf8 = peer.enabled.utf8_names();
    let out = peer.out();
    out.extend_from_slice(b"* METADATA ");
    match folder {
        Some(folder) => list::name(out, folder.name.as_str(), utf8),
        None => out.extend_from_slice(b"\"\""),
    }
    let mut before: &[u8] = b" (";
    for (entry, value) in told {
        out.extend_from_slice(before);
        before = b" ";
        encode::quoted(out, entry.as_bytes());
        out.push(b' ');
        match value {
            Some(value) => encode::string8(out, value),
            None => out.extend_from_slice(b"NIL"),
        }
    }
    out.extend_from_slice(b")\r\n");
}

/// SETMETADATA.
pub(super) async fn set(
    peer: &mut Peer,
    account: &Account,
    name: Option<&MailboxName>,
    entries: Vec<(EntryName, Option<Vec<u8>>)>,
) -> Answer {
    let folder = match name {
        Some(name) => Some(account.annotated(peer, name).await?.id),
        // RFC 5464 §3.3: what is everybody's is not for one mailbox to change.
        None if entries.iter().any(|(entry, _)| !entry.is_private()) => {
            return Ok(Reply::no("Shared annotations of the server cannot be changed").with("NOPERM"));
        }
        None => None,
    };
    let large = |value: &Option<Vec<u8>>| value.as_ref().is_some_and(|value| value.len() > bounds::ANNOTATION_OCTETS);
    if entries.iter().any(|(_, value)| large(value)) {
        // RFC 5464 §4.3.
        let code = format!("METADATA MAXSIZE {}", bounds::ANNOTATION_OCTETS);
        return Ok(Reply::no("The value is too large").with(code));
    }
    let entries = entries.into_iter().map(|(entry, value)| (entry.as_str().to_owned(), value.map(Bytes::from)));
    peer.store().annotate(account.mailbox(), folder, entries.collect()).await?;
    Ok(Reply::ok("SETMETADATA completed"))
}
