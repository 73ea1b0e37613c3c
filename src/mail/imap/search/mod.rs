//! SEARCH and UID SEARCH with ESEARCH answers and saved results
//! (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 5182, RFC 7162 §3.1.5).
//!
//! Rows answer most keys from memory; only messages that they leave open are read.
//! Invariant: what is answered was in the client's view when the command came.

mod plan;
mod text;

use super::command::{Search, SearchReturn};
use super::peer::Peer;
use super::reply::{Answer, Reply, Stop};
use super::sync::{Expunges, sync};
use super::vanished::up_to;
use super::view::{Numbered, Selected};
use super::{encode, reply::Status};
use crate::model::{UidSet, bounds};
use crate::store::StoreError;
use plan::Plan;
use text::Text;

/// SEARCH, UID SEARCH.
pub(super) async fn search(peer: &mut Peer, selected: &mut Selected, tag: &str, command: &Search) -> Answer {
    let answer = answer(peer, selected, tag, command).await;
    let refused = match &answer {
        Ok(reply) => reply.status != Status::Ok,
        Err(_) => true,
    };
    if refused && command.returning.is_some_and(|returning| returning.save) {
        // RFC 9051 §6.4.4.1: a search that fails leaves an empty result behind.
        selected.saved = UidSet::new();
    }
    answer
}

async fn answer(peer: &mut Peer, selected: &mut Selected, tag: &str, command: &Search) -> Answer {
    if let Some(charset) = &command.charset
        && !["US-ASCII", "UTF-8"].contains(&charset.as_str())
    {
        return Ok(Reply::no("Searches are in US-ASCII or UTF-8").with("BADCHARSET (US-ASCII UTF-8)"));
    }
    let with_modseq = command.key.any(&|key| matches!(key, super::command::SearchKey::ModSeq(_)));
    // RFC 7162 §3.1: a search by MODSEQ is a CONDSTORE-enabling use.
    peer.enabled.condstore |= with_modseq;
    let plan = Plan::new(&command.key, selected, peer.services.clock.now());
    let found = find(peer, selected, &plan).await?;
    let rev2 = peer.enabled.rev2;
    match command.returning {
        None if !rev2 => untagged(peer, command.uid, &found, with_modseq).await?,
        returning => {
            let returning = returning.unwrap_or(SearchReturn { all: true, ..SearchReturn::default() });
            if returning.save {
                selected.saved = saved(returning, &found);
            }
            extended(peer, tag, command.uid, returning, &found, with_modseq);
        }
    }
    let expunges = if command.uid { Expunges::Tell } else { Expunges::Hold };
    sync(peer, selected, expunges, None).await?;
    Ok(Reply::ok("SEARCH completed"))
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

/// The messages that satisfy a plan, in order.
async fn find(peer: &mut Peer, selected: &Selected, plan: &Plan) -> Result<Vec<Hit>, Stop> {
    let mut found = Vec::new();
    let everything = up_to(selected.view.last_uid().unwrap_or(0));
    let mut walk = selected.view.walk(plan.scope().unwrap_or(&everything));
    loop {
        let batch = walk.next(bounds::READ_BATCH, |row| plan.holds(row, None) != Some(false));
        if batch.is_empty() {
            return Ok(found);
        }
        let mut open = Vec::new();
        let mut hits = Vec::with_capacity(batch.len());
        for message in &batch {
            match plan.holds(&message.row, None) {
                Some(true) => hits.push(hit(message)),
                _ => open.push(*message),
            }
        }
        settle(peer, plan, &open, &mut hits).await?;
        hits.sort_unstable_by_key(|hit| hit.number);
        found.append(&mut hits);
        // A search of a large folder must not outlive the switch that ends the session.
        peer.conn.flush().await?;
    }
}

fn hit(message: &Numbered) -> Hit {
    Hit { number: message.number, uid: message.row.uid, modseq: message.row.modseq }
}

/// Reads the messages that their rows leave open.
async fn settle(peer: &Peer, plan: &Plan, open: &[Numbered], hits: &mut Vec<Hit>) -> Result<(), Stop> {
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
        for (message, read) in batch.iter().zip(peer.store().read_many(&ids).await?) {
            let text = match read {
                Ok(octets) => Text::new(octets),
                Err(StoreError::TooLarge) => match beginning(peer, message).await? {
                    Some(octets) => Text::new(octets),
                    None => continue,
                },
                Err(StoreError::NoSuchMessage) => continue,
                // A message that is damaged is not found; the others are.
                Err(error) => {
                    tracing::warn!(%error, message = %message.row.message, "a message could not be searched");
                    continue;
                }
            };
            if plan.holds(&message.row, Some(&text)) == Some(true) {
                hits.push(hit(message));
            }
        }
    }
    Ok(())
}

/// As much of a large message as a search looks at; `None` when it is gone.
async fn beginning(peer: &Peer, message: &Numbered) -> Result<Option<bytes::Bytes>, Stop> {
    let mut reader = match peer.store().read(message.row.message).await {
        Err(StoreError::NoSuchMessage) => return Ok(None),
        reader => reader?,
    };
    let mut octets = bytes::BytesMut::new();
    while octets.len() < bounds::SEARCH_OCTETS {
        match reader.next().await? {
            Some(chunk) => octets.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(Some(octets.freeze()))
}

/// The result of SAVE (RFC 9051 §6.4.4.4): with MIN or MAX alone just those.
fn saved(returning: SearchReturn, found: &[Hit]) -> UidSet {
    if returning.all || returning.count || !(returning.min || returning.max) {
        return found.iter().map(|hit| hit.uid).collect();
    }
    ends(returning, found).map(|hit| hit.uid).collect()
}

/// The first hit if MIN is asked for, the last if MAX is.
fn ends(returning: SearchReturn, found: &[Hit]) -> impl Iterator<Item = &Hit> {
    let min = returning.min.then(|| found.first()).flatten();
    let max = returning.max.then(|| found.last()).flatten();
    min.into_iter().chain(max)
}

/// `* SEARCH 2 84 882 (MODSEQ 917)` (RFC 3501 §7.2.5, RFC 7162 §3.1.5).
async fn untagged(
    peer: &mut Peer,
    uid: bool,
    found: &[Hit],
    with_modseq: bool,
) -> Result<(), crate::mail::conn::Interrupt> {
    peer.out().extend_from_slice(b"* SEARCH");
    for hits in found.chunks(bounds::READ_BATCH) {
        let out = peer.out();
        for hit in hits {
            out.push(b' ');
            encode::number(out, hit.name(uid).into());
        }
        peer.conn.flush_if_full().await?;
    }
    let out = peer.out();
    if let (true, Some(highest)) = (with_modseq, found.iter().map(|hit| hit.modseq).max()) {
        out.extend_from_slice(b" (MODSEQ ");
        encode::number(out, highest);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `* ESEARCH (TAG "a") UID MIN 2 COUNT 3 ALL 2,10:11` (RFC 9051 §7.3.4).
fn extended(peer: &mut Peer, tag: &str, uid: bool, returning: SearchReturn, found: &[Hit], with_modseq: bool) {
    if !(returning.min || returning.max || returning.all || returning.count) {
        // RFC 9051 §6.4.4.4: SAVE alone is answered by the tagged OK alone.
        return;
    }
    let out = peer.out();
    out.extend_from_slice(b"* ESEARCH (TAG ");
    encode::quoted(out, tag.as_bytes());
    out.extend_from_slice(if uid { b") UID" } else { b")" });
    let mut item = |name: &str, value: Option<u64>| {
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            encode::number(out, value);
        }
    };
    let ask = |wanted: bool, hit: Option<&Hit>| hit.filter(|_| wanted).map(|hit| u64::from(hit.name(uid)));
    item(" MIN ", ask(returning.min, found.first()));
    item(" MAX ", ask(returning.max, found.last()));
    item(" COUNT ", returning.count.then_some(found.len() as u64));
    if with_modseq {
        // RFC 7162 §3.1.10: the highest of what is answered.
        let highest = if returning.all || returning.count {
            found.iter().map(|hit| hit.modseq).max()
        } else {
            ends(returning, found).map(|hit| hit.modseq).max()
        };
        item(" MODSEQ ", highest);
    }
    if returning.all && !found.is_empty() {
        let all: UidSet = found.iter().map(|hit| hit.name(uid)).collect();
        out.extend_from_slice(format!(" ALL {all}").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
