//! Tells the client what became of its folder since it was last told (RFC 9051 §5.2, §7.4, §7.5).
//!
//! Every other file only asks for it at the end of a command or in IDLE. Invariant: after
//! it, the client's count of messages is the view's.

use super::encode;
use super::fetch;
use super::peer::{Enabled, Peer};
use super::reply::{Reply, Status};
use super::view::{Selected, View};
use crate::mail::conn::Interrupt;
use crate::model::{Flags, Rights, UidSet};
use crate::store::{FlagMode, FolderState, Row, StateDiff};

/// Whether EXPUNGE may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expunges {
    /// Send them, held back ones first.
    Tell,
    /// RFC 9051 §7.5.1: not while FETCH, STORE or SEARCH is answered.
    Hold,
}

/// A change of flags that the command being answered has made, and tells itself if need be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    /// The MODSEQ of the change.
    pub(super) modseq: u64,
    /// What it did to the flags.
    pub(super) mode: FlagMode,
    /// With these.
    pub(super) flags: Flags,
}

impl Own {
    /// True when this change alone led from what the client knew of a message to what it is now.
    /// Where another session's change came between, the client has to hear the outcome (RFC 9051 §6.4.6).
    fn explains(self, older: &FolderState, row: &Row) -> bool {
        let was = older.position(row.uid).ok().and_then(|position| older.row(position));
        row.modseq == self.modseq && was.is_some_and(|was| self.mode.apply(was.flags, self.flags) == row.flags)
    }
}

/// Brings the view to the newest state and tells the difference, but for what the command
/// that is being answered did on its own.
pub(super) async fn sync(
    peer: &mut Peer,
    selected: &mut Selected,
    expunges: Expunges,
    own: Option<Own>,
) -> Result<(), Interrupt> {
    tell_rights(peer, selected);
    let newest = selected.folder.state();
    let view = &mut selected.view;
    let same = std::sync::Arc::ptr_eq(&newest, &view.seen);
    if same && (view.ghosts.is_empty() || expunges == Expunges::Hold) {
        return Ok(());
    }
    let diff = newest.diff(&view.seen);
    let gone = merged(&view.ghosts, &diff.expunged);
    let mut contexts = std::mem::take(&mut selected.contexts);
    let older = std::mem::replace(view, View::new(newest));
    match expunges {
        Expunges::Tell => {
            // RFC 5267 §4.3.4: while their numbers hold.
            contexts.expunged(peer, &older, &gone);
            tell_expunged(peer, &older, &gone).await?;
        }
        Expunges::Hold if gone.is_empty() => {}
        Expunges::Hold => (view.ghosts, view.whole) = (gone, older.whole),
    }
    if diff.added > 0 {
        exists(peer, &selected.view);
    }
    tell_keywords(peer, selected);
    if diff.added > 0
        && let Some(items) = selected.announced.clone()
    {
        // RFC 5465 §5.2: right behind EXISTS.
        fetch::announce(peer, &selected.view, &items, diff.added).await?;
    }
    for row in diff.changed.iter().filter(|row| !own.is_some_and(|own| own.explains(&older.seen, row))) {
        tell_flags(peer, &selected.view, row);
        peer.conn.flush_if_full().await?;
    }
    if !contexts.is_empty() {
        // Boxed: rare, and large.
        Box::pin(contexts.changed(peer, selected, &touched(selected, &diff))).await?;
        selected.contexts = contexts;
    }
    Ok(())
}

/// The messages that are new or have other flags.
fn touched(selected: &Selected, diff: &StateDiff) -> UidSet {
    let seen = &selected.view.seen;
    let new = seen.rows_from(seen.len().saturating_sub(diff.added));
    let touched: std::collections::BTreeSet<u32> = diff.changed.iter().copied().chain(new).map(|row| row.uid).collect();
    touched.into_iter().collect()
}

/// The end of a command while expunges are held back: a client that lost its connection now would
/// never hear of them if it took the MODSEQs that it was told for the last word.
pub(super) fn hold_back(peer: &mut Peer, view: &View, reply: Reply) -> Reply {
    if view.ghosts.is_empty() || !peer.enabled.qresync {
        return reply;
    }
    // RFC 7162 §3.2, §6: a HIGHESTMODSEQ below the MODSEQ of the delayed expunges overrules what FETCH told.
    let code = format!("HIGHESTMODSEQ {}", view.whole);
    if reply.status == Status::Ok && matches!(reply.code.as_deref(), None | Some("EXPUNGEISSUED")) {
        return reply.with(code);
    }
    Reply::ok("Some expunges are still to be told").with(code).write(b"*", peer.out());
    reply
}

/// Two rising lists as one.
fn merged(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut all = [a, b].concat();
    all.sort_unstable();
    all.dedup();
    all
}

/// Tells that messages are gone.
async fn tell_expunged(peer: &mut Peer, older: &View, gone: &[u32]) -> Result<(), Interrupt> {
    if gone.is_empty() {
        return Ok(());
    }
    if peer.enabled.qresync || peer.enabled.uid_only {
        // RFC 7162 §3.2.10, RFC 9586 §3.4: VANISHED takes the place of EXPUNGE.
        let set: UidSet = gone.iter().copied().collect();
        peer.out().extend_from_slice(format!("* VANISHED {set}\r\n").as_bytes());
        return Ok(());
    }
    // The highest first: then no number is moved by those already told.
    for uid in gone.iter().rev() {
        let (Ok(position) | Err(position)) = older.seen.position(*uid);
        let number = older.number_at(position, *uid);
        let out = peer.out();
        out.extend_from_slice(b"* ");
        encode::number(out, number.into());
        out.extend_from_slice(b" EXPUNGE\r\n");
        peer.conn.flush_if_full().await?;
    }
    Ok(())
}

/// `* n EXISTS`.
pub(super) fn exists(peer: &mut Peer, view: &View) {
    let count = view.len();
    let rev2 = peer.enabled.rev2;
    let out = peer.out();
    out.extend_from_slice(b"* ");
    encode::number(out, count.into());
    out.extend_from_slice(b" EXISTS\r\n");
    if !rev2 {
        // RFC 3501 §2.3.2: a session that is not the first to be told of a message sees it without
        // \Recent. We never claim to be the first: the flag is of no use with several clients.
        out.extend_from_slice(b"* 0 RECENT\r\n");
    }
}

/// Tells the folder's flags once it has keywords that the client has not heard of.
fn tell_keywords(peer: &mut Peer, selected: &mut Selected) {
    if selected.view.seen.keywords.len() > selected.keywords_told {
        flag_lists(peer, selected);
    }
}

/// RFC 4314 §5.1.1: FLAGS and PERMANENTFLAGS come again when what the client may change has changed.
fn tell_rights(peer: &mut Peer, selected: &mut Selected) {
    if selected.rights().flags() != selected.rights_told.flags() {
        flag_lists(peer, selected);
    }
}

/// FLAGS and PERMANENTFLAGS (RFC 9051 §7.3.5, §7.1).
pub(super) fn flag_lists(peer: &mut Peer, selected: &mut Selected) {
    let keywords = selected.view.seen.keywords.clone();
    selected.keywords_told = keywords.len();
    let system = Flags::SYSTEM.iter().fold(Flags::EMPTY, |all, (flag, _)| all.union(*flag));
    let all = (0..keywords.len()).filter_map(Flags::keyword).fold(system, Flags::union);
    selected.rights_told = selected.rights();
    let changeable = selected.rights_told.flags();
    let out = peer.out();
    out.extend_from_slice(b"* FLAGS ");
    encode::flags(out, all, &keywords);
    out.extend_from_slice(b"\r\n* OK [PERMANENTFLAGS ");
    if selected.read_only {
        // RFC 9051 §6.3.3: nothing can be changed for good after EXAMINE.
        out.extend_from_slice(b"()");
    } else {
        encode::flags(out, all.within(changeable), &keywords);
        if keywords.len() < Flags::MAX_KEYWORDS && selected.rights_told.contains(Rights::WRITE) {
            // RFC 9051 §7.1: `\*` says that new keywords can be made.
            out.pop();
            out.extend_from_slice(b" \\*)");
        }
    }
    out.extend_from_slice(b"] These flags stay\r\n");
}

/// Tells the flags of one message of the view.
pub(super) fn tell_flags(peer: &mut Peer, view: &View, row: &Row) {
    let Some(number) = view.number_of(row.uid) else { return };
    let enabled = peer.enabled;
    flags_line(peer.out(), number, row, &view.seen.keywords, enabled);
}

/// `* n FETCH (UID u FLAGS (…) MODSEQ (m))`. The UID is always there: RFC 7162 §3.2.4 demands it
/// of QRESYNC sessions, and it lets any client tell which message is meant.
pub(super) fn flags_line(out: &mut Vec<u8>, number: u32, row: &Row, keywords: &[Box<str>], enabled: Enabled) {
    encode::fetch_start(out, number, row.uid, enabled.uid_only);
    if !enabled.uid_only {
        out.extend_from_slice(b"UID ");
        encode::number(out, row.uid.into());
        out.push(b' ');
    }
    out.extend_from_slice(b"FLAGS ");
    encode::flags(out, row.flags, keywords);
    if enabled.condstore {
        out.extend_from_slice(b" MODSEQ (");
        encode::number(out, row.modseq);
        out.push(b')');
    }
    out.extend_from_slice(b")\r\n");
}
