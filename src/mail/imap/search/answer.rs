//! What SEARCH, SORT and THREAD tell of their hits (RFC 9051 §7.3.4, RFC 3501 §7.2.5, RFC 5256 §4, RFC 5267 §3).
//!
//! Invariant: hits are told in the order in which they are given.

use super::{Found, Hit};
use crate::mail::conn::Interrupt;
use crate::mail::imap::command::{PartialRange, SearchReturn};
use crate::mail::imap::encode;
use crate::mail::imap::peer::Peer;
use crate::model::{UidSet, bounds};
use std::ops::Range;

/// The result of SAVE (RFC 9051 §6.4.4.4, RFC 9394 §3.1): with MIN, MAX or PARTIAL just those.
pub(super) fn saved(returning: SearchReturn, found: &[Hit]) -> UidSet {
    let narrow = returning.min || returning.max || returning.partial.is_some();
    if returning.all || returning.count || !narrow {
        return found.iter().map(|hit| hit.uid).collect();
    }
    told(returning, found).map(|hit| hit.uid).collect()
}

/// The hits that MIN, MAX and PARTIAL name.
fn told(returning: SearchReturn, found: &[Hit]) -> impl Iterator<Item = &Hit> {
    let min = returning.min.then(|| found.first()).flatten();
    let max = returning.max.then(|| found.last()).flatten();
    let partial = returning.partial.and_then(|range| found.get(range.window(found.len())));
    min.into_iter().chain(max).chain(partial.unwrap_or_default())
}

impl PartialRange {
    /// The places in a result of `len` hits that it names.
    pub(in crate::mail::imap) fn window(self, len: usize) -> Range<usize> {
        let (low, high) = (self.first.min(self.last) as usize, self.first.max(self.last) as usize);
        if self.from_end {
            // RFC 9394 §3.1: -1 is the last one.
            return len.saturating_sub(high)..len.saturating_sub(low - 1);
        }
        (low - 1).min(len)..high.min(len)
    }
}

/// `* SEARCH 2 84 882 (MODSEQ 917)` (RFC 3501 §7.2.5, RFC 7162 §3.1.5), and so for SORT (RFC 5256 §4).
pub(super) async fn untagged(peer: &mut Peer, name: &str, uid: bool, found: &Found) -> Result<(), Interrupt> {
    let Found { hits: found, with_modseq } = found;
    peer.out().extend_from_slice(b"* ");
    peer.out().extend_from_slice(name.as_bytes());
    for hits in found.chunks(bounds::READ_BATCH) {
        let out = peer.out();
        for hit in hits {
            out.push(b' ');
            encode::number(out, hit.name(uid).into());
        }
        peer.conn.flush_if_full().await?;
    }
    let out = peer.out();
    if let (true, Some(highest)) = (*with_modseq, found.iter().map(|hit| hit.modseq).max()) {
        out.extend_from_slice(b" (MODSEQ ");
        encode::number(out, highest);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `TAG "a"`: to which command an ESEARCH answer belongs.
pub(super) fn tag(tag: &str) -> Vec<u8> {
    let mut out = b"TAG ".to_vec();
    encode::quoted(&mut out, tag.as_bytes());
    out
}

/// `* ESEARCH (TAG "a") UID MIN 2 COUNT 3 ALL 2,10:11` (RFC 9051 §7.3.4).
pub(super) fn extended(out: &mut Vec<u8>, correlator: &[u8], uid: bool, returning: SearchReturn, found: &Found) {
    let Found { hits: found, with_modseq } = found;
    let SearchReturn { min, max, all, count, partial, .. } = returning;
    if !(min || max || all || count || partial.is_some()) {
        // RFC 9051 §6.4.4.4: SAVE alone is answered by the tagged OK alone.
        return;
    }
    out.extend_from_slice(b"* ESEARCH (");
    out.extend_from_slice(correlator);
    out.extend_from_slice(if uid { b") UID" } else { b")" });
    let mut item = |name: &str, value: Option<u64>| {
        if let Some(value) = value {
            out.extend_from_slice(name.as_bytes());
            encode::number(out, value);
        }
    };
    let ask = |wanted: bool, hit: Option<&Hit>| hit.filter(|_| wanted).map(|hit| u64::from(hit.name(uid)));
    item(" MIN ", ask(min, found.first()));
    item(" MAX ", ask(max, found.last()));
    item(" COUNT ", count.then_some(found.len() as u64));
    if *with_modseq {
        // RFC 7162 §3.1.10: the highest of what is answered.
        let highest = if all || count {
            found.iter().map(|hit| hit.modseq).max()
        } else {
            told(returning, found).map(|hit| hit.modseq).max()
        };
        item(" MODSEQ ", highest);
    }
    if all && !found.is_empty() {
        out.extend_from_slice(b" ALL ");
        set(out, uid, found);
    }
    if let Some(range) = partial {
        partial_item(out, uid, range, found);
    }
    out.extend_from_slice(b"\r\n");
}

/// ` PARTIAL (-1:-100 7:9)` (RFC 9394 §3.1), NIL where the window is empty.
fn partial_item(out: &mut Vec<u8>, uid: bool, range: PartialRange, found: &[Hit]) {
    let sign = if range.from_end { "-" } else { "" };
    out.extend_from_slice(format!(" PARTIAL ({sign}{}:{sign}{} ", range.first, range.last).as_bytes());
    match found.get(range.window(found.len())).unwrap_or_default() {
        [] => out.extend_from_slice(b"NIL"),
        hits => set(out, uid, hits),
    }
    out.push(b')');
}

/// The hits as a sequence set in their order; only rising runs become ranges (RFC 5267 §3.2).
fn set(out: &mut Vec<u8>, uid: bool, hits: &[Hit]) {
    let mut names = hits.iter().map(|hit| hit.name(uid)).peekable();
    let mut first = true;
    while let Some(start) = names.next() {
        let mut end = start;
        while let Some(next) = names.next_if(|next| Some(*next) == end.checked_add(1)) {
            end = next;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        encode::number(out, start.into());
        if end > start {
            out.push(b':');
            encode::number(out, end.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_count_from_either_end() {
        let window = |from_end, first, last, len| PartialRange { from_end, first, last }.window(len);
        assert_eq!(window(false, 1, 3, 10), 0..3);
        assert_eq!(window(false, 3, 1, 2), 0..2);
        assert_eq!(window(false, 11, 20, 10), 10..10);
        assert_eq!(window(true, 1, 3, 10), 7..10);
        assert_eq!(window(true, 4, 9, 5), 0..2);
        assert_eq!(window(true, 6, 9, 5), 0..0);
    }

    #[test]
    fn sets_keep_their_order() {
        let hits: Vec<Hit> = [5, 6, 7, 4, 3, 9].into_iter().map(|uid| Hit { number: 1, uid, modseq: 1 }).collect();
        let mut out = Vec::new();
        set(&mut out, true, &hits);
        assert_eq!(out, b"5:7,4,3,9");
    }
}
