//! How news looks on the wire: LIST, STATUS, METADATA (RFC 5465 §5, RFC 5464 §4.4).

use super::known::Change;
use crate::mail::imap::command::StatusItem;
use crate::mail::imap::peer::Peer;
use crate::mail::imap::{encode, list, status};
use crate::store::FolderInfo;

/// RFC 5465 §5.1, §5.2, §5.3 ask for some of these, depending on the event; all of them stand in the folder's head.
const STATUS: [StatusItem; 5] =
    [StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity, StatusItem::Unseen, StatusItem::HighestModSeq];

/// `* STATUS folder (…)`.
pub(super) fn status(peer: &mut Peer, folder: &FolderInfo) {
    status::write(peer, folder, &STATUS, 0);
}

/// `* LIST (…) "/" folder`, with the name that it had before (RFC 5465 §5.4, §5.5).
pub(super) fn list(peer: &mut Peer, change: &Change) {
    let utf8 = peer.enabled.utf8_names();
    let mut attributes: Vec<&str> = Vec::new();
    match &change.now {
        None => attributes.push("\\NonExistent"),
        Some(folder) if !folder.selectable => attributes.push("\\Noselect"),
        Some(_) => {}
    }
    attributes.extend(change.is_subscribed.then_some("\\Subscribed"));
    let out = peer.out();
    out.extend_from_slice(format!("* LIST ({}) \"/\" ", attributes.join(" ")).as_bytes());
    list::name(out, change.name.as_str(), utf8);
    if let Some(old) = &change.old_name {
        out.extend_from_slice(b" (\"OLDNAME\" (");
        list::name(out, old.as_str(), utf8);
        out.extend_from_slice(b"))");
    }
    out.extend_from_slice(b"\r\n");
}

/// `* METADATA folder entry` (RFC 5464 §4.4.2).
pub(super) fn metadata(peer: &mut Peer, folder: Option<&FolderInfo>, entry: &str) {
    let utf8 = peer.enabled.utf8_names();
    let out = peer.out();
    out.extend_from_slice(b"* METADATA ");
    match folder {
        Some(folder) => list::name(out, folder.name.as_str(), utf8),
        None => out.extend_from_slice(b"\"\""),
    }
    out.push(b' ');
    encode::quoted(out, entry.as_bytes());
    out.extend_from_slice(b"\r\n");
}
