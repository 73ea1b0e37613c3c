//! STORE: flags of many messages in one durable change (RFC 9051 §6.4.6, RFC 7162 §3.1.3).
//!
//! Invariant: what the tagged OK says is on disk; messages are told as the store now has them.

use super::command::Store;
use super::encode;
use super::gate;
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, Own, flags_line, sync};
use super::view::{Numbered, Selected};
use crate::mail::conn::Interrupt;
use crate::model::{Flags, Rights, UidSet, bounds};
use crate::store::{FlagChange, FlagMode, FlagsChanged};

/// STORE, UID STORE.
pub(super) async fn store(peer: &mut Peer, account: &Account, selected: &mut Selected, command: &Store) -> Answer {
    if selected.read_only {
        return Ok(Reply::no("The folder was opened with EXAMINE"));
    }
    // RFC 7162 §3.1: UNCHANGEDSINCE is a CONDSTORE-enabling use.
    peer.enabled.condstore |= command.unchanged_since.is_some();
    let uids = selected.resolve(&command.set, command.uid)?;
    let allowed = allowed(selected, command)?;
    let (mailbox, folder) = (account.mailbox(), selected.folder.id());
    let mut flags = command.flags.system;
    if !command.flags.keywords.is_empty() && selected.rights().contains(Rights::WRITE) {
        // A keyword that no message has need not be made to be removed, but making it harms nobody.
        flags = flags.union(peer.store().keywords(mailbox, folder, &command.flags.keywords).await?);
    }
    let change = FlagChange {
        uids: uids.clone(),
        mode: command.mode,
        flags: flags.within(allowed),
        unchanged_since: command.unchanged_since,
    };
    let (change, changed) = set(peer, account, selected, change, allowed).await?;
    let flags = change.flags;
    let expunges = if command.uid { Expunges::Tell } else { Expunges::Hold };
    // The own change is told below, in the way that was asked for. What others did is told only now, as the
    // outcome of both: a client takes flags that come during a .SILENT for the last word (RFC 9051 §6.4.6).
    let own = changed.modseq.map(|modseq| Own { modseq, mode: change.mode, flags });
    sync(peer, selected, Expunges::Hold, own).await?;
    // Only now is it known which of them went meanwhile (RFC 2180 §4.2).
    let ghosts = selected.view.has_ghost_in(&uids);
    tell(peer, selected, command, &uids, changed.modseq).await?;
    let reply = outcome(selected, command, &changed.modified, ghosts);
    sync(peer, selected, expunges, own).await?;
    Ok(reply)
}

/// The flags that this STORE may touch.
fn allowed(selected: &Selected, command: &Store) -> Result<Flags, Stop> {
    let rights = selected.rights();
    let allowed = rights.flags();
    let asked = match command.mode {
        // RFC 9051 §6.4.6: FLAGS also takes away what it does not name.
        FlagMode::Replace => Rights::SEEN.and(Rights::WRITE).and(Rights::DELETE_MESSAGES),
        FlagMode::Add | FlagMode::Remove => Rights::needed_for(command.flags.system, command.flags.keywords.is_empty()),
    };
    // RFC 4314 §4: refused only when none of the flags may be changed.
    if asked.is_empty() || rights.any_of(asked) { Ok(allowed) } else { gate::check(rights, asked).map(|()| allowed) }
}

/// Changes the flags; answers the last change that was made for it.
async fn set(
    peer: &Peer,
    account: &Account,
    selected: &Selected,
    mut change: FlagChange,
    allowed: Flags,
) -> Result<(FlagChange, FlagsChanged), Stop> {
    let (mailbox, folder) = (account.mailbox(), selected.folder.id());
    if change.mode != FlagMode::Replace || allowed == Rights::ALL.flags() {
        let changed = peer.store().set_flags(mailbox, folder, change.clone()).await?;
        return Ok((change, changed));
    }
    // FLAGS by who may not touch all of them: those that it may are taken away or set, the others stay.
    let removal = FlagChange { mode: FlagMode::Remove, flags: allowed.without(change.flags), ..change.clone() };
    let removed = peer.store().set_flags(mailbox, folder, removal.clone()).await?;
    change.uids = change.uids.iter().filter(|uid| !removed.modified.contains(*uid)).collect();
    (change.mode, change.unchanged_since) = (FlagMode::Add, None);
    let added = peer.store().set_flags(mailbox, folder, change.clone()).await?;
    if added.modseq.is_none() {
        return Ok((removal, removed));
    }
    Ok((change, FlagsChanged { modified: removed.modified, ..added }))
}

/// Tells the messages' flags, or after `.SILENT` just their MODSEQ where that is agreed on.
async fn tell(
    peer: &mut Peer,
    selected: &Selected,
    command: &Store,
    uids: &UidSet,
    own: Option<u64>,
) -> Result<(), Interrupt> {
    // RFC 7162 §3.1.3: a CONDSTORE session learns the new MODSEQ also after .SILENT.
    if command.silent && (!peer.enabled.condstore || own.is_none()) {
        return Ok(());
    }
    let enabled = peer.enabled;
    let mut walk = selected.view.walk(uids);
    loop {
        let batch = walk.next(bounds::READ_BATCH, |row| !command.silent || Some(row.modseq) == own);
        if batch.is_empty() {
            return Ok(());
        }
        for message in &batch {
            if command.silent {
                modseq_line(peer.out(), message, enabled.uid_only);
            } else {
                flags_line(peer.out(), message.number, &message.row, &selected.view.seen.keywords, enabled);
            }
        }
        peer.conn.flush_if_full().await?;
    }
}

fn modseq_line(out: &mut Vec<u8>, message: &Numbered, uid_only: bool) {
    encode::fetch_start(out, message.number, message.row.uid, uid_only);
    if !uid_only {
        out.extend_from_slice(b"UID ");
        encode::number(out, message.row.uid.into());
        out.push(b' ');
    }
    out.extend_from_slice(b"MODSEQ (");
    encode::number(out, message.row.modseq);
    out.extend_from_slice(b"))\r\n");
}

fn outcome(selected: &Selected, command: &Store, modified: &UidSet, ghosts: bool) -> Reply {
    if !modified.is_empty() {
        // RFC 7162 §3.1.3: MODIFIED names what was passed over, in the numbers of the command.
        let named: UidSet = if command.uid {
            modified.clone()
        } else {
            modified.iter().filter_map(|uid| selected.view.number_counted(uid)).collect()
        };
        return Reply::ok("Some messages have changed meanwhile").with(format!("MODIFIED {named}"));
    }
    if ghosts && command.mode != FlagMode::Remove {
        // RFC 2180 §4.2, RFC 5530 §3.
        return Reply::no("Some of the messages no longer exist").with("EXPUNGEISSUED");
    }
    Reply::ok("STORE completed")
}
