//! COPY and MOVE within a mailbox, all or none (RFC 9051 §6.4.7, §6.4.8, RFC 4315, RFC 6851).

use super::command::Transfer;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, sync};
use super::view::Selected;
use crate::model::UidSet;
use crate::store::{Copied, FolderInfo, Target};

/// COPY, UID COPY.
pub(super) async fn copy(peer: &mut Peer, account: &Account, selected: &mut Selected, command: &Transfer) -> Answer {
    let uids = selected.resolve(&command.set, command.uid)?;
    if some_are_gone(peer, selected, &uids).await? {
        return gone(peer, selected).await;
    }
    let target = account.target(peer, &command.mailbox).await?;
    let quota = account.quota(&peer.services).await?;
    let copied =
        peer.store().copy(account.mailbox(), quota, selected.folder.id(), uids, within(account, &target)).await?;
    peer.services.growth.grew(account.config.id);
    sync(peer, selected, Expunges::Tell, None).await?;
    let reply = Reply::ok("COPY completed");
    Ok(match copy_uid(&copied) {
        Some(code) => reply.with(code),
        None => reply,
    })
}

/// MOVE, UID MOVE.
pub(super) async fn move_messages(
    peer: &mut Peer,
    account: &Account,
    selected: &mut Selected,
    command: &Transfer,
) -> Answer {
    if selected.read_only {
        return Ok(Reply::no("The folder was opened with EXAMINE"));
    }
    let uids = selected.resolve(&command.set, command.uid)?;
    if some_are_gone(peer, selected, &uids).await? {
        return gone(peer, selected).await;
    }
    let target = account.target(peer, &command.mailbox).await?;
    let moved =
        peer.store().move_messages(account.mailbox(), selected.folder.id(), uids, within(account, &target)).await?;
    if let Some(code) = copy_uid(&moved) {
        // RFC 6851 §4.3: COPYUID comes before the EXPUNGEs.
        peer.out().extend_from_slice(format!("* OK [{code}] Moved\r\n").as_bytes());
    }
    sync(peer, selected, Expunges::Tell, None).await?;
    let reply = Reply::ok("MOVE completed");
    // RFC 7162 §3.2.8: a QRESYNC client takes its MODSEQ from the tagged OK.
    let told = peer.enabled.qresync && !moved.source.is_empty();
    Ok(if told { reply.with(format!("HIGHESTMODSEQ {}", selected.view.seen.highest_modseq)) } else { reply })
}

/// Whether some of the messages are expunged, be the client told of it or not.
async fn some_are_gone(peer: &mut Peer, selected: &mut Selected, uids: &UidSet) -> Result<bool, Stop> {
    sync(peer, selected, Expunges::Hold, None).await?;
    Ok(selected.view.has_ghost_in(uids))
}

/// RFC 4314 §4: flags that may not be set in the target are left behind.
fn within(account: &Account, target: &FolderInfo) -> Target {
    Target { folder: target.id, flags: account.rights(target).flags() }
}

/// RFC 4315 §3: COPYUID; nothing when no message was copied.
fn copy_uid(copied: &Copied) -> Option<String> {
    (!copied.source.is_empty()).then(|| format!("COPYUID {} {} {}", copied.uid_validity, copied.source, copied.target))
}

/// RFC 2180 §4.4.1: a copy of messages that are partly gone is refused as a whole, and the client is told which.
async fn gone(peer: &mut Peer, selected: &mut Selected) -> Answer {
    sync(peer, selected, Expunges::Tell, None).await?;
    Ok(Reply::no("Some of the messages no longer exist").with("EXPUNGEISSUED"))
}
