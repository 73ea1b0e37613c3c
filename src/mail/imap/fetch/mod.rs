//! FETCH and UID FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516, RFC 7162 §3.1.4, §3.2.6).
//!
//! Rows answer what they can; summaries and octets are read in batches and only when an
//! item needs them. Invariant: a message that cannot be read spoils no other's answer.

mod body;
mod decode;
mod line;
mod section;

use super::command::{Fetch, FetchItem, Partial, PartialRange, Section};
use super::peer::{Account, Peer};
use super::reply::{Answer, Reply, Stop};
use super::summaries;
use super::sync::{Expunges, Own, sync};
use super::vanished::vanished;
use super::view::{Numbered, Selected, View};
use crate::mail::conn::Interrupt;
use crate::mime::SummaryView;
use crate::model::ids::MessageId;
use crate::model::{Flags, Rights, UidSet, bounds};
use crate::store::{FlagChange, FlagMode, StoreError, StoredMessage};
use body::Octets;
pub(super) use body::Piece;
use section::Place;
use std::sync::Arc;

/// What a FETCH has to read beside rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Rows,
    Summaries,
    Octets,
}

impl Depth {
    fn of(items: &[FetchItem]) -> Self {
        let depth = |item: &FetchItem| match item {
            FetchItem::Uid
            | FetchItem::Flags
            | FetchItem::InternalDate
            | FetchItem::SaveDate
            | FetchItem::EmailId
            | FetchItem::ThreadId
            | FetchItem::Rfc822Size
            | FetchItem::ModSeq => Self::Rows,
            FetchItem::Envelope | FetchItem::BodyStructure | FetchItem::Body => Self::Summaries,
            FetchItem::BodySection { section, .. } if section::asks_known_fields(section) => Self::Summaries,
            _ => Self::Octets,
        };
        items.iter().map(depth).max().unwrap_or(Self::Rows)
    }
}

/// What is asked of every message.
struct Request {
    items: Vec<FetchItem>,
    depth: Depth,
    keywords: Arc<Vec<Box<str>>>,
    /// The messages on which this FETCH set `\Seen`.
    seen: UidSet,
    condstore: bool,
    uid_only: bool,
}

/// What went wrong with single messages.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    gone: bool,
    damaged: bool,
    unknown_encoding: bool,
}

impl Outcome {
    fn reply(self) -> Reply {
        if self.damaged {
            // RFC 5530 §3: the other messages have been told.
            return Reply::no("Some messages are damaged").with("CORRUPTION");
        }
        if self.unknown_encoding {
            // RFC 9051 §6.4.5.1.
            return Reply::no("Some parts have an unknown encoding").with("UNKNOWN-CTE");
        }
        let reply = Reply::ok("FETCH completed");
        // RFC 2180 §4.1.2, RFC 5530 §3: messages that are gone are left out.
        if self.gone { reply.with("EXPUNGEISSUED") } else { reply }
    }
}

/// FETCH, UID FETCH.
pub(super) async fn fetch(peer: &mut Peer, account: &Account, selected: &mut Selected, command: &Fetch) -> Answer {
    if command.vanished && !peer.enabled.qresync {
        // RFC 7162 §3.2.6: VANISHED needs a prior ENABLE QRESYNC.
        return Ok(Reply::bad("ENABLE QRESYNC first"));
    }
    let items = items(command, peer.enabled.uid_only);
    // RFC 7162 §3.1: CHANGEDSINCE and MODSEQ are CONDSTORE-enabling uses.
    peer.enabled.condstore |= items.contains(&FetchItem::ModSeq);
    let uids = selected.resolve(&command.set, command.uid)?;
    let since = command.changed_since.unwrap_or(0);
    if command.vanished {
        let gone = vanished(&selected.view.seen, &known(selected, command, &uids), since);
        if !gone.is_empty() {
            peer.out().extend_from_slice(format!("* VANISHED (EARLIER) {gone}\r\n").as_bytes());
        }
    }
    let uids = match command.partial {
        Some(range) => window(selected, &uids, command.changed_since, range),
        None => uids,
    };
    let seen = set_seen(peer, account, selected, &items, &uids, since).await?;
    let keywords = selected.view.seen.keywords.clone();
    let request = Request {
        depth: Depth::of(&items),
        items,
        keywords,
        seen,
        condstore: peer.enabled.condstore,
        uid_only: peer.enabled.uid_only,
    };
    let mut outcome = Outcome { gone: selected.view.has_ghost_in(&uids), ..Outcome::default() };
    let mut walk = selected.view.walk(&uids);
    loop {
        let batch = walk.next(bounds::READ_BATCH, |row| row.modseq > since || command.changed_since.is_none());
        if batch.is_empty() {
            break;
        }
        answer(peer, &request, &batch, &mut outcome).await?;
        peer.conn.flush_if_full().await?;
    }
    let expunges = if command.uid { Expunges::Tell } else { Expunges::Hold };
    sync(peer, selected, expunges, None).await?;
    Ok(outcome.reply())
}

/// Tells the newest messages without having been asked just now; `\Seen` stays as it is (RFC 5465 §5.2).
pub(super) async fn announce(peer: &mut Peer, view: &View, items: &[FetchItem], newest: u32) -> Result<(), Interrupt> {
    let mut items = items.to_vec();
    if !items.contains(&FetchItem::Uid) && !peer.enabled.uid_only {
        items.insert(0, FetchItem::Uid);
    }
    let request = Request {
        depth: Depth::of(&items),
        items,
        keywords: view.seen.keywords.clone(),
        seen: UidSet::new(),
        condstore: peer.enabled.condstore,
        uid_only: peer.enabled.uid_only,
    };
    let first = view.seen.len().saturating_sub(newest);
    let Some(first) = view.seen.row(first).map(|row| row.uid) else { return Ok(()) };
    let mut walk = view.walk(&UidSet::from_ranges([(first, u32::MAX)]));
    loop {
        let batch = walk.next(bounds::READ_BATCH, |_| true);
        if batch.is_empty() {
            return Ok(());
        }
        // Boxed: a session that waits for news holds no memory for telling it.
        match Box::pin(answer(peer, &request, &batch, &mut Outcome::default())).await {
            Err(Stop::Interrupt(interrupt)) => return Err(interrupt),
            // What cannot be read is told to who asks for it.
            Ok(()) | Err(Stop::Reply(_) | Stop::Bye(_)) => {}
        }
        peer.conn.flush_if_full().await?;
    }
}

/// The octets of a section of a message; none when it is gone or has no such section.
pub(super) async fn piece(
    peer: &Peer,
    message: MessageId,
    section: &Section,
    partial: Option<Partial>,
) -> Result<Option<Piece>, Stop> {
    let Some(Some(stored)) = summaries::stored(peer, &[message]).await?.pop() else { return Ok(None) };
    let Some(view) = SummaryView::new(&stored.summary) else { return Ok(None) };
    let octets = Octets::Streamed(message);
    Ok(match section::place(&stored, &view, section) {
        None => None,
        Some(Place::Octets(range)) => Some(Piece::open(peer, &octets, section::cut(range, partial)).await?),
        Some(Place::Fields(range, chosen)) => {
            let fields = section::fields(&body::collect(peer, &octets, range).await?, &chosen);
            let range = section::cut(0..fields.len() as u64, partial);
            Some(Piece::of(&fields.into(), range))
        }
    })
}

/// The messages in a window of those that the command means (RFC 9394 §3.2).
fn window(selected: &Selected, uids: &UidSet, since: Option<u64>, range: PartialRange) -> UidSet {
    let mut there = Vec::new();
    let mut walk = selected.view.walk(uids);
    loop {
        let batch = walk.next(bounds::READ_BATCH, |row| since.is_none_or(|since| row.modseq > since));
        if batch.is_empty() {
            return there.get(range.window(there.len())).unwrap_or_default().iter().copied().collect();
        }
        there.extend(batch.iter().map(|message| message.row.uid));
    }
}

/// What is answered: the items asked for, UID for UID FETCH, MODSEQ for CHANGEDSINCE.
fn items(command: &Fetch, uid_only: bool) -> Vec<FetchItem> {
    let mut items = command.items.clone();
    // RFC 9051 §6.4.9; RFC 7162 §3.1.4.1.
    for (wanted, item) in
        [(command.uid && !uid_only, FetchItem::Uid), (command.changed_since.is_some(), FetchItem::ModSeq)]
    {
        if wanted && !items.contains(&item) {
            items.insert(0, item);
        }
    }
    items
}

/// The UIDs that VANISHED may name: those of the command, also such as no longer exist.
fn known(selected: &Selected, command: &Fetch, uids: &UidSet) -> UidSet {
    let largest = selected.view.seen.uid_next.saturating_sub(1);
    command.set.resolve(largest).unwrap_or_else(|| uids.clone())
}

/// Sets `\Seen` on what is about to be read, in one change (RFC 9051 §6.4.5), and returns on what.
/// The view moves on to it: flags that are told must be those that another session may have changed, too.
async fn set_seen(
    peer: &mut Peer,
    account: &Account,
    selected: &mut Selected,
    items: &[FetchItem],
    uids: &UidSet,
    since: u64,
) -> Result<UidSet, Stop> {
    // RFC 4314 §4: without `s` a FETCH sets nothing.
    let may = !selected.read_only && selected.rights().contains(Rights::SEEN);
    if !may || !items.iter().any(FetchItem::sets_seen) {
        return Ok(UidSet::new());
    }
    let mut unseen = UidSet::new();
    let mut walk = selected.view.walk(uids);
    loop {
        let batch = walk.next(bounds::READ_BATCH, |row| !row.flags.contains(Flags::SEEN) && row.modseq > since);
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|message| unseen.push(message.row.uid));
    }
    if unseen.is_empty() {
        return Ok(unseen);
    }
    let (mode, flags) = (FlagMode::Add, Flags::SEEN);
    let change = FlagChange { uids: unseen.clone(), mode, flags, unchanged_since: None };
    match peer.store().set_flags(account.mailbox(), selected.folder.id(), change).await {
        Ok(changed) => {
            let own = changed.modseq.map(|modseq| Own { modseq, mode, flags });
            sync(peer, selected, Expunges::Hold, own).await?;
            Ok(unseen)
        }
        Err(error) => {
            // Mail can be read also while the store takes no changes.
            tracing::warn!(%error, "\\Seen could not be set");
            Ok(UidSet::new())
        }
    }
}

/// Answers a batch of messages.
async fn answer(peer: &mut Peer, request: &Request, batch: &[Numbered], outcome: &mut Outcome) -> Result<(), Stop> {
    if request.depth == Depth::Rows {
        for message in batch {
            line::rows_only(peer.out(), request, message);
        }
        return Ok(());
    }
    let ids: Vec<_> = batch.iter().map(|message| message.row.message).collect();
    let stored = summaries::stored(peer, &ids).await?;
    let mut found = Vec::with_capacity(batch.len());
    for (message, stored) in batch.iter().zip(stored) {
        match stored {
            Some(stored) => found.push((*message, stored)),
            None => outcome.gone = true,
        }
    }
    if request.depth == Depth::Summaries {
        return with_summaries(peer, request, &found, outcome).await;
    }
    with_octets(peer, request, &found, outcome).await
}

/// Answers messages from what is kept ready beside them.
async fn with_summaries(
    peer: &mut Peer,
    request: &Request,
    found: &[(Numbered, StoredMessage)],
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let wants_fields = request.items.iter().any(|item| matches!(item, FetchItem::BodySection { .. }));
    for message in found {
        let lacks_fields = || SummaryView::new(&message.1.summary).is_some_and(|view| view.fields().is_none());
        if wants_fields && lacks_fields() {
            // A header with more than is kept: it is read.
            with_octets(peer, request, std::slice::from_ref(message), outcome).await?;
        } else {
            line::write(peer, request, &message.0, &message.1, &Octets::NotRead, outcome).await?;
        }
        peer.conn.flush_if_full().await?;
    }
    Ok(())
}

/// Answers messages whose octets are needed; small ones are read together.
async fn with_octets(
    peer: &mut Peer,
    request: &Request,
    found: &[(Numbered, StoredMessage)],
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let mut rest = found;
    while !rest.is_empty() {
        let mut sum = 0;
        let within = rest.iter().take_while(|(_, stored)| {
            sum += stored.size;
            sum <= bounds::READ_BATCH_OCTETS as u64
        });
        let (batch, later) = rest.split_at(within.count().max(1));
        rest = later;
        let ids: Vec<_> = batch.iter().map(|(message, _)| message.row.message).collect();
        let read = peer.store().read_many(&ids).await?;
        for ((message, stored), read) in batch.iter().zip(read) {
            let octets = match read {
                Ok(octets) => Octets::Memory(octets),
                Err(StoreError::TooLarge) => Octets::Streamed(message.row.message),
                Err(StoreError::NoSuchMessage) => {
                    outcome.gone = true;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, message = %message.row.message, "a message could not be read");
                    outcome.damaged = true;
                    continue;
                }
            };
            line::write(peer, request, message, stored, &octets, outcome).await?;
            peer.conn.flush_if_full().await?;
        }
    }
    Ok(())
}
