//! STATUS, on its own and inside LIST (RFC 9051 §6.3.11, RFC 5819).
//!
//! Answered from what the store knows of a folder without opening it (DELETED-STORAGE apart).

use super::command::{MailboxName, StatusItem};
use super::encode;
use super::list::name;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply};
use crate::model::ids::FolderId;
use crate::model::{Flags, Rights, bounds};
use crate::store::{FolderInfo, StoreError};

/// STATUS.
pub(super) async fn status(peer: &mut Peer, account: &Account, folder: &MailboxName, items: &[StatusItem]) -> Answer {
    let info = account.folder(peer, folder, Rights::READ).await?;
    if items.contains(&StatusItem::HighestModSeq) {
        // RFC 7162 §3.1: asking for HIGHESTMODSEQ is a CONDSTORE-enabling command.
        peer.enabled.condstore = true;
    }
    let deleted = deleted_octets(peer, account, &info, items).await?;
    write(peer, &info, items, deleted);
    Ok(Reply::ok("STATUS completed"))
}

/// Octets of the messages that EXPUNGE would remove, counted only when they are asked for.
pub(super) async fn deleted_octets(
    peer: &Peer,
    account: &Account,
    info: &FolderInfo,
    items: &[StatusItem],
) -> Result<u64, StoreError> {
    if !items.contains(&StatusItem::DeletedStorage) || info.counts.deleted == 0 {
        return Ok(0);
    }
    let state = peer.store().open(account.mailbox(), info.id).await?.state();
    let deleted = state.rows_from(0).filter(|row| row.flags.contains(Flags::DELETED));
    Ok(deleted.map(|row| u64::from(row.size)).sum())
}

/// `* STATUS name (item value …)`.
pub(super) fn write(peer: &mut Peer, info: &FolderInfo, items: &[StatusItem], deleted_octets: u64) {
    let utf8 = peer.enabled.utf8_names();
    let out = peer.out();
    out.extend_from_slice(b"* STATUS ");
    name(out, info.name.as_str(), utf8);
    out.extend_from_slice(b" (");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(item.as_str().as_bytes());
        out.push(b' ');
        if *item == StatusItem::MailboxId {
            // RFC 8474 §4.3.
            out.extend_from_slice(format!("({})", mailbox_id(info.id)).as_bytes());
            continue;
        }
        encode::number(out, value(info, *item, deleted_octets));
    }
    out.extend_from_slice(b")\r\n");
}

/// A folder's identifier, which stays with it when it is renamed (RFC 8474 §4).
pub(super) fn mailbox_id(folder: FolderId) -> String {
    format!("F{}", folder.0)
}

fn value(info: &FolderInfo, item: StatusItem, deleted_octets: u64) -> u64 {
    match item {
        StatusItem::Messages => info.counts.messages.into(),
        StatusItem::UidNext => info.uid_next.into(),
        StatusItem::UidValidity => info.uid_validity.into(),
        StatusItem::Unseen => info.counts.unseen.into(),
        StatusItem::Deleted => info.counts.deleted.into(),
        StatusItem::Size => info.counts.bytes,
        // No message is ever \Recent, see `sync::exists`.
        StatusItem::Recent => 0,
        StatusItem::HighestModSeq => info.highest_modseq,
        StatusItem::AppendLimit => bounds::MESSAGE_OCTETS,
        // RFC 9208 §4.1.4: octets that EXPUNGE would free.
        StatusItem::DeletedStorage => deleted_octets,
        // An identifier, no number: see `mailbox_id`.
        StatusItem::MailboxId => 0,
    }
}
