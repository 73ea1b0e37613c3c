//! EXPUNGE, UID EXPUNGE and CLOSE (RFC 9051 §6.4.1, §6.4.3, §6.4.9).

use super::command::SequenceSet;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, sync};
use super::vanished::up_to;
use super::view::Selected;
use crate::model::{Rights, UidSet};

/// EXPUNGE, or UID EXPUNGE when there is a set.
pub(super) async fn expunge(
    peer: &mut Peer,
    account: &Account,
    selected: &mut Selected,
    set: Option<&SequenceSet>,
) -> Answer {
    if selected.read_only {
        return Ok(Reply::no("The folder was opened with EXAMINE"));
    }
    let uids = match set {
        Some(set) => selected.resolve(set, true)?,
        None => everything(selected),
    };
    let expunged = remove(peer, account, selected, uids).await?;
    sync(peer, selected, Expunges::Tell, None).await?;
    let reply = Reply::ok("EXPUNGE completed");
    // RFC 7162 §3.2.7: a CONDSTORE client takes its MODSEQ from the tagged OK, when something was removed.
    Ok(match expunged {
        Some(modseq) if peer.enabled.condstore => reply.with(format!("HIGHESTMODSEQ {modseq}")),
        _ => reply,
    })
}

/// CLOSE: removes what is `\Deleted` without telling.
pub(super) async fn close(peer: &mut Peer, account: &Account, selected: &Selected) -> Answer {
    // RFC 9051 §6.4.1: nothing is removed after EXAMINE, and that is no error.
    // RFC 4314 §4: and neither without the right, and that is no error either.
    if !selected.read_only && selected.rights().contains(Rights::EXPUNGE) {
        remove(peer, account, selected, everything(selected)).await?;
    }
    Ok(Reply::ok("CLOSE completed"))
}

/// Every message that the client knows of: what came later is not its to expunge.
fn everything(selected: &Selected) -> UidSet {
    up_to(selected.view.last_uid().unwrap_or(0))
}

/// Removes; returns the MODSEQ when something went.
async fn remove(peer: &Peer, account: &Account, selected: &Selected, uids: UidSet) -> Result<Option<u64>, Stop> {
    // What is \Deleted is for the store to say: another node may have made it so a moment ago.
    if uids.is_empty() {
        return Ok(None);
    }
    let expunged = peer.store().expunge(account.mailbox(), selected.folder.id(), uids).await?;
    Ok((!expunged.uids.is_empty()).then_some(expunged.highest_modseq))
}
