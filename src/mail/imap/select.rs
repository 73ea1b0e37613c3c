//! SELECT and EXAMINE, with CONDSTORE and QRESYNC (RFC 9051 §6.3.2, RFC 7162 §3.1.8, §3.2.5).
//!
//! It opens the folder and tells its state; the caller keeps the returned [`Selected`].

use super::command::{Qresync, Select};
use super::peer::{Account, Peer};
use super::reply::{Reply, Stop};
use super::status::mailbox_id;
use super::vanished::{up_to, vanished};
use super::view::{Selected, View};
use super::{encode, list, sync};
use crate::mail::conn::Interrupt;
use crate::model::{Flags, Rights, UidSet};
use crate::store::{FolderInfo, FolderState, StoreError};

/// Refuses what cannot be a SELECT now; then the folder that is selected stays so.
pub(super) fn refusal(peer: &Peer, command: &Select) -> Option<Reply> {
    // RFC 7162 §3.2.5: the parameter needs a prior ENABLE QRESYNC.
    let qresync = command.qresync.as_ref()?;
    if !peer.enabled.qresync {
        return Some(Reply::bad("ENABLE QRESYNC first"));
    }
    // RFC 9586 §3.6: sequence match data speaks of numbers.
    (qresync.matching.is_some() && peer.enabled.uid_only).then(|| Reply::bad("Only UIDs are used").with("UIDREQUIRED"))
}

/// Rights that let a client change something (RFC 4314 §5.2; all flags are shared).
const CHANGES: Rights =
    Rights::INSERT.and(Rights::EXPUNGE).and(Rights::SEEN).and(Rights::WRITE).and(Rights::DELETE_MESSAGES);

/// Opens a folder and tells its state.
pub(super) async fn select(
    peer: &mut Peer,
    account: &Account,
    command: &Select,
) -> Result<(Box<Selected>, Reply), Stop> {
    let info = account.folder(peer, &command.mailbox, Rights::READ).await?;
    if command.condstore {
        peer.enabled.condstore = true;
    }
    let mut selected = Box::new(Selected::passing(peer, account, &info).await?);
    // RFC 4314 §5.2: READ-ONLY when nothing can be changed.
    selected.read_only = command.read_only || !account.rights(&info).any_of(CHANGES);
    tell(peer, &mut selected);
    if let Some(qresync) = &command.qresync {
        resync(peer, &selected.view, qresync).await?;
    }
    let text = if command.read_only { "EXAMINE completed" } else { "SELECT completed" };
    let reply = Reply::ok(text).with(if selected.read_only { "READ-ONLY" } else { "READ-WRITE" });
    Ok((selected, reply))
}

impl Selected {
    /// A folder opened to be looked at, without a word to the client.
    pub(super) async fn passing(peer: &Peer, account: &Account, info: &FolderInfo) -> Result<Self, StoreError> {
        let mut folder = peer.store().open(account.mailbox(), info.id).await?;
        let seen = folder.state();
        Ok(Self {
            folder,
            name: info.name.clone(),
            view: View::new(seen),
            read_only: true,
            who: account.who(),
            rights_told: account.rights(info),
            saved: UidSet::new(),
            contexts: Default::default(),
            announced: None,
            keywords_told: 0,
        })
    }
}

/// What RFC 9051 §6.3.2 demands of the answer, and what RFC 3501 §6.3.1 did.
fn tell(peer: &mut Peer, selected: &mut Selected) {
    sync::flag_lists(peer, selected);
    sync::exists(peer, &selected.view);
    let enabled = peer.enabled;
    let state = selected.view.seen.clone();
    let out = peer.out();
    // RFC 9586 §3: a number tells nothing to who only knows UIDs.
    if !enabled.rev2
        && !enabled.uid_only
        && let Some(unseen) = first_unseen(&state)
    {
        code(out, "UNSEEN", unseen.into());
    }
    code(out, "UIDVALIDITY", state.uid_validity.into());
    code(out, "UIDNEXT", state.uid_next.into());
    // RFC 8474 §4.2.
    out.extend_from_slice(format!("* OK [MAILBOXID ({})] Noted\r\n", mailbox_id(selected.folder.id())).as_bytes());
    code(out, "HIGHESTMODSEQ", state.highest_modseq);
    if enabled.rev2 {
        // RFC 9051 §6.3.2: the LIST answer is required, the folder's attributes are not.
        out.extend_from_slice(b"* LIST () \"/\" ");
        list::name(out, selected.name.as_str(), enabled.utf8_names());
        out.extend_from_slice(b"\r\n");
    }
}

fn code(out: &mut Vec<u8>, name: &str, value: u64) {
    out.extend_from_slice(b"* OK [");
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    encode::number(out, value);
    out.extend_from_slice(b"] Noted\r\n");
}

/// The number of the first message without `\Seen` (RFC 3501 §6.3.1).
fn first_unseen(state: &FolderState) -> Option<u32> {
    if state.counts().unseen == 0 {
        return None;
    }
    (1..).zip(state.rows_from(0)).find(|(_, row)| !row.flags.contains(Flags::SEEN)).map(|(number, _)| number)
}

/// What changed since the client last looked (RFC 7162 §3.2.5).
async fn resync(peer: &mut Peer, view: &View, qresync: &Qresync) -> Result<(), Interrupt> {
    let state = &view.seen;
    // RFC 7162 §3.2.5: parameters of another UIDVALIDITY are passed over.
    if qresync.uid_validity != state.uid_validity || qresync.modseq >= state.highest_modseq {
        return Ok(());
    }
    let everything = || up_to(state.uid_next.saturating_sub(1));
    let known = qresync.known.as_ref().and_then(|set| set.resolve(0)).unwrap_or_else(everything);
    // The sequence match data (§3.2.5.2) only spares work to servers that forget expunges.
    let gone = vanished(state, &known, qresync.modseq);
    if !gone.is_empty() {
        peer.out().extend_from_slice(format!("* VANISHED (EARLIER) {gone}\r\n").as_bytes());
    }
    let enabled = peer.enabled;
    let mut walk = view.walk(&known);
    loop {
        let batch = walk.next(crate::model::bounds::READ_BATCH, |row| row.modseq > qresync.modseq);
        if batch.is_empty() {
            return Ok(());
        }
        for message in &batch {
            sync::flags_line(peer.out(), message.number, &message.row, &state.keywords, enabled);
        }
        peer.conn.flush_if_full().await?;
    }
}
