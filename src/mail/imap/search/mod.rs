//! SEARCH, SORT and THREAD with ESEARCH answers and saved results
//! (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 5182, RFC 5256, RFC 5267 §3, RFC 7162 §3.1.5).
//!
//! Rows answer most keys from memory; only messages that they leave open are read.
//! Invariant: what is answered was in the client's view when the command came.

mod answer;
mod columns;
mod contexts;
mod multi;
mod plan;
mod sort;
mod text;
mod threads;

use super::command::{Search, SearchKey, SearchReturn, Sort, Thread};
use super::peer::Peer;
use super::reply::{Answer, Reply, Stop};
use super::summaries;
use super::sync::{Expunges, sync};
use super::vanished::{intersection, up_to};
use super::view::{Numbered, Selected};
use crate::mime::SummaryView;
use crate::model::{UidSet, bounds};
use crate::store::StoreError;
use bytes::Bytes;
pub use columns::ColumnCache;
use columns::{Group, blocking};
pub(super) use contexts::Contexts;
pub(super) use multi::{Meant, multi_search};
use plan::Plan;
use std::sync::Arc;
use text::Text;

/// SEARCH, UID SEARCH.
pub(super) async fn search(peer: &mut Peer, selected: &mut Selected, tag: &str, command: &Search) -> Answer {
    let answer = answer(peer, selected, tag, command).await;
    if answer.is_err() {
        forget_saved(selected, command.returning);
    }
    answer
}

/// RFC 9051 §6.4.4.1: a search with SAVE that fails leaves an empty result behind.
fn forget_saved(selected: &mut Selected, returning: Option<SearchReturn>) {
    if returning.is_some_and(|returning| returning.save) {
        selected.saved = UidSet::new();
    }
}

async fn answer(peer: &mut Peer, selected: &mut Selected, tag: &str, command: &Search) -> Answer {
    if command.charset.is_some() && peer.enabled.utf8 {
        // RFC 6855 §3: everything is UTF-8 then, and a charset is an error.
        return Ok(Reply::bad("After ENABLE UTF8=ACCEPT a search has no charset"));
    }
    let found = found(peer, selected, command.charset.as_deref(), &command.key).await?;
    let rev2 = peer.enabled.rev2;
    match command.returning {
        None if !rev2 => answer::untagged(peer, "SEARCH", command.uid, &found).await?,
        returning => {
            let returning = returning.unwrap_or(SearchReturn { all: true, ..SearchReturn::default() });
            returned(peer, selected, tag, command.uid, returning, &found);
            if returning.update {
                selected.contexts.begin(peer, tag, command, None, &found);
            }
        }
    }
    end(peer, selected, command.uid).await?;
    Ok(Reply::ok("SEARCH completed"))
}

/// SORT, UID SORT (RFC 5256 §3, RFC 5267 §3).
pub(super) async fn sort(peer: &mut Peer, selected: &mut Selected, tag: &str, command: &Sort) -> Answer {
    let Search { uid, returning, charset, key } = &command.search;
    let mut found = match found(peer, selected, charset.as_deref(), key).await {
        Ok(found) => found,
        Err(stop) => {
            forget_saved(selected, *returning);
            return Err(stop);
        }
    };
    found.hits = sort::sort(peer, selected, &command.criteria, found.hits).await?;
    match returning {
        // RFC 7162 §3.1.6.
        None => answer::untagged(peer, "SORT", *uid, &found).await?,
        Some(returning) => {
            returned(peer, selected, tag, *uid, *returning, &found);
            if returning.update {
                let by = Some(command.criteria.as_slice());
                selected.contexts.begin(peer, tag, &command.search, by, &found);
            }
        }
    }
    end(peer, selected, *uid).await?;
    Ok(Reply::ok("SORT completed"))
}

/// THREAD, UID THREAD (RFC 5256 §3).
pub(super) async fn thread(peer: &mut Peer, selected: &mut Selected, command: &Thread) -> Answer {
    let found = found(peer, selected, Some(&command.charset), &command.key).await?;
    threads::thread(peer, selected, command, found.hits).await?;
    end(peer, selected, command.uid).await?;
    Ok(Reply::ok("THREAD completed"))
}

/// What a search found.
struct Found {
    hits: Vec<Hit>,
    /// Whether MODSEQ is to be told.
    with_modseq: bool,
}

/// The hits of a search in the order of their numbers.
async fn found(peer: &mut Peer, selected: &Selected, charset: Option<&str>, key: &SearchKey) -> Result<Found, Stop> {
    if charset.is_some_and(|charset| !["US-ASCII", "UTF-8"].contains(&charset)) {
        let refusal = Reply::no("Searches are in US-ASCII or UTF-8").with("BADCHARSET (US-ASCII UTF-8)");
        return Err(refusal.into());
    }
    let with_modseq = key.any(&|key| matches!(key, SearchKey::ModSeq(_)));
    // RFC 7162 §3.1: a search by MODSEQ is a CONDSTORE-enabling use.
    peer.enabled.condstore |= with_modseq;
    let plan = Arc::new(Plan::new(key, selected, peer.services.clock.now()));
    Ok(Found { hits: find(peer, selected, &plan, None).await?, with_modseq })
}

/// Saves and tells what RETURN asks for.
fn returned(peer: &mut Peer, selected: &mut Selected, tag: &str, uid: bool, returning: SearchReturn, found: &Found) {
    if returning.save {
        selected.saved = answer::saved(returning, &found.hits);
    }
    answer::extended(peer.out(), &answer::tag(tag), uid, returning, found);
}

/// RFC 9051 §7.5.1: EXPUNGE waits where sequence numbers were answered.
async fn end(peer: &mut Peer, selected: &mut Selected, uid: bool) -> Result<(), Stop> {
    let expunges = if uid { Expunges::Tell } else { Expunges::Hold };
    Ok(sync(peer, selected, expunges, None).await?)
}

/// One hit.
#[derive(Debug, Clone, Copy)]
struct Hit {
    number: u32,
    uid: u32,
    modseq: u64,
}

impl Hit {
    fn name(&self, uid: bool) -> u32 {
        if uid { self.uid } else { self.number }
    }
}

/// The messages, perhaps only of some, that satisfy a plan, in order.
async fn find(
    peer: &mut Peer,
    selected: &Selected,
    plan: &Arc<Plan>,
    within: Option<&UidSet>,
) -> Result<Vec<Hit>, Stop> {
    let mut found = Vec::new();
    let columns = columns::known(peer, selected);
    let everything = up_to(selected.view.last_uid().unwrap_or(0));
    let scope = plan.scope().unwrap_or(&everything);
    let mut walk = match within {
        Some(within) => selected.view.walk(&intersection(scope, within)),
        None => selected.view.walk(scope),
    };
    peer.work_ahead(selected.view.len() as usize);
    loop {
        let batch = walk.next(bounds::SEARCH_BATCH, |row| plan.holds(row, None) != Some(false));
        if batch.is_empty() {
            return Ok(found);
        }
        let (mut hits, open) = parted(&batch, |message| plan.holds(&message.row, None));
        let looked_at = open.len();
        settle(peer, selected, &columns, plan, (open, &mut hits)).await?;
        hits.sort_unstable_by_key(|hit| hit.number);
        found.append(&mut hits);
        peer.work_done(batch.len() - looked_at).await?;
    }
}

/// What is found for certain, and what stays open.
fn parted(messages: &[Numbered], mut holds: impl FnMut(&Numbered) -> Option<bool>) -> (Vec<Hit>, Vec<Numbered>) {
    let (mut hits, mut open) = (Vec::new(), Vec::new());
    for message in messages {
        match holds(message) {
            Some(true) => hits.push(hit(message)),
            Some(false) => {}
            None => open.push(*message),
        }
    }
    (hits, open)
}

fn hit(message: &Numbered) -> Hit {
    Hit { number: message.number, uid: message.row.uid, modseq: message.row.modseq }
}

/// Looks at the messages that their rows leave open.
async fn settle(
    peer: &mut Peer,
    selected: &Selected,
    columns: &columns::Shared,
    plan: &Arc<Plan>,
    (mut open, hits): (Vec<Numbered>, &mut Vec<Hit>),
) -> Result<(), Stop> {
    let asked_of = open.len();
    if !open.is_empty() && plan.columns_help() {
        let rows: Vec<_> = open.iter().map(|message| message.row).collect();
        columns::fill(peer, selected, columns, &rows, &[Group::Words]).await?;
        let (asked, columns) = (plan.clone(), columns.clone());
        let (mut found, left) = blocking(move || {
            let columns = columns.lock();
            let mut at = 0;
            parted(&open, |message| match columns.searched(message.row.uid, &mut at) {
                Some(words) => asked.holds(&message.row, Some(&words)),
                None => None,
            })
        })
        .await?;
        hits.append(&mut found);
        open = left;
    }
    peer.work_done(asked_of - open.len()).await?;
    for batch in open.chunks(bounds::READ_BATCH) {
        settle_by_text(peer, plan, batch, hits).await?;
        peer.work_done(batch.len()).await?;
    }
    Ok(())
}

/// Looks at the messages that columns leave open.
async fn settle_by_text(peer: &Peer, plan: &Arc<Plan>, open: &[Numbered], hits: &mut Vec<Hit>) -> Result<(), Stop> {
    if !plan.known_fields_suffice() {
        return settle_by_octets(peer, plan, open, hits).await;
    }
    let (mut unread, mut texts) = (Vec::new(), Vec::new());
    let ids: Vec<_> = open.iter().map(|message| message.row.message).collect();
    for (message, stored) in open.iter().zip(summaries::stored(peer, &ids).await?) {
        // One that is gone is not found.
        let Some(stored) = stored else { continue };
        let fields = SummaryView::new(&stored.summary).and_then(|view| view.fields());
        let Some(fields) = fields else {
            unread.push(*message);
            continue;
        };
        let header = if stored.prefix.is_empty() {
            stored.summary.slice_ref(fields)
        } else {
            [&stored.prefix, fields].concat().into()
        };
        texts.push((*message, header));
    }
    hits.append(&mut that_hold(plan, texts).await?);
    settle_by_octets(peer, plan, &unread, hits).await
}

/// Those whose texts satisfy a plan: texts are decoded and looked through where nobody waits for it.
async fn that_hold(plan: &Arc<Plan>, texts: Vec<(Numbered, Bytes)>) -> Result<Vec<Hit>, Stop> {
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let plan = plan.clone();
    blocking(move || {
        let holds = |(message, text): &(Numbered, Bytes)| {
            plan.holds(&message.row, Some(&Text::new(text.clone()))) == Some(true)
        };
        texts.iter().filter(|text| holds(text)).map(|(message, _)| hit(message)).collect()
    })
    .await
}

/// Reads the messages that nothing else answers.
async fn settle_by_octets(peer: &Peer, plan: &Arc<Plan>, open: &[Numbered], hits: &mut Vec<Hit>) -> Result<(), Stop> {
    let mut rest = open;
    while !rest.is_empty() {
        let mut octets = 0;
        let within = rest.iter().take_while(|message| {
            octets += usize::try_from(message.row.size).unwrap_or(usize::MAX);
            octets <= bounds::READ_BATCH_OCTETS
        });
        let (batch, later) = rest.split_at(within.count().max(1));
        rest = later;
        let ids: Vec<_> = batch.iter().map(|message| message.row.message).collect();
        let mut texts = Vec::with_capacity(batch.len());
        for (message, read) in batch.iter().zip(peer.store().read_many(&ids).await?) {
            match read {
                Ok(octets) => texts.push((*message, octets)),
                Err(StoreError::TooLarge) => {
                    if let Some(octets) = beginning(peer, message, plan.needs_body()).await? {
                        hits.append(&mut that_hold(plan, vec![(*message, octets)]).await?);
                    }
                }
                Err(StoreError::NoSuchMessage) => {}
                // A message that is damaged is not found; the others are.
                Err(error) => {
                    tracing::warn!(%error, message = %message.row.message, "a message could not be searched");
                }
            }
        }
        hits.append(&mut that_hold(plan, texts).await?);
    }
    Ok(())
}

/// As much of a large message as a search looks at, which may be the header alone; `None` when it is gone.
async fn beginning(peer: &Peer, message: &Numbered, with_body: bool) -> Result<Option<Bytes>, Stop> {
    let mut reader = match peer.store().read(message.row.message).await {
        Err(StoreError::NoSuchMessage) => return Ok(None),
        reader => reader?,
    };
    let mut octets = bytes::BytesMut::new();
    let most = if with_body { bounds::SEARCH_OCTETS } else { bounds::HEADER_OCTETS };
    while octets.len() < most {
        let Some(chunk) = reader.next().await? else { break };
        // The empty line may begin in the chunk before.
        let seam = octets.len().saturating_sub(3);
        octets.extend_from_slice(&chunk);
        if !with_body && memchr::memmem::find(octets.get(seam..).unwrap_or_default(), b"\r\n\r\n").is_some() {
            break;
        }
    }
    Ok(Some(octets.freeze()))
}
