//! One message's answer: `* n FETCH (item value …)`.
//!
//! Values go straight into the output. Invariant: a line that was begun is ended, or the
//! conversation ends: a client never reads half of one.

use super::body::{self, Octets};
use super::decode::Decoder;
use super::section::{self, Place};
use super::{Outcome, Request};
use crate::mail::conn::Interrupt;
use crate::mail::imap::command::{FetchItem, Partial, Section, SectionText};
use crate::mail::imap::encode;
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::view::Numbered;
use crate::mime::{SummaryView, preview};
use crate::model::bounds;
use crate::store::{Row, StoredMessage};

/// Answers a message from its row alone.
pub(super) fn rows_only(out: &mut Vec<u8>, request: &Request, message: &Numbered) {
    encode::fetch_start(out, message.number, message.row.uid, request.uid_only);
    for (index, item) in request.items.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        row_item(out, item, &message.row, &request.keywords);
    }
    out.extend_from_slice(b")\r\n");
}

/// Writes an item that the row answers; false for any other.
fn row_item(out: &mut Vec<u8>, item: &FetchItem, row: &Row, keywords: &[Box<str>]) -> bool {
    let mut number = |name: &[u8], value: u64| {
        out.extend_from_slice(name);
        encode::number(out, value);
    };
    match item {
        FetchItem::Uid => number(b"UID ", row.uid.into()),
        FetchItem::Rfc822Size => number(b"RFC822.SIZE ", row.size.into()),
        FetchItem::ModSeq => {
            number(b"MODSEQ (", row.modseq);
            out.push(b')');
        }
        FetchItem::Flags => {
            out.extend_from_slice(b"FLAGS ");
            encode::flags(out, row.flags, keywords);
        }
        // RFC 8474 §5.1: copies share the stored message, and so its identifier.
        FetchItem::EmailId => {
            number(b"EMAILID (M", row.message.0.unsigned_abs());
            out.push(b')');
        }
        // RFC 8474 §5.2: NIL where the server has no threads of its own.
        FetchItem::ThreadId => out.extend_from_slice(b"THREADID NIL"),
        FetchItem::InternalDate => {
            out.extend_from_slice(b"INTERNALDATE ");
            encode::date_time(out, row.internal_date);
        }
        FetchItem::SaveDate => {
            out.extend_from_slice(b"SAVEDATE ");
            encode::date_time(out, row.save_date);
        }
        _ => return false,
    }
    true
}

/// Answers a message whose stored row, and perhaps octets, are at hand. One that goes away or proves
/// damaged meanwhile is left out.
pub(super) async fn write(
    peer: &mut Peer,
    request: &Request,
    message: &Numbered,
    stored: &StoredMessage,
    octets: &Octets,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let (begun, sent) = (peer.out().len(), peer.conn.octets().sent);
    match whole_line(peer, request, message, stored, octets, outcome).await {
        Err(Stop::Reply(_)) if peer.conn.octets().sent != sent => {
            // Half of the line is on its way: nothing else would be understood.
            Err(Stop::Interrupt(Interrupt::Closed))
        }
        Err(Stop::Reply(reply)) => {
            peer.out().truncate(begun);
            match reply.code.as_deref() {
                Some("EXPUNGEISSUED") => outcome.gone = true,
                _ => outcome.damaged = true,
            }
            Ok(())
        }
        done => done,
    }
}

async fn whole_line(
    peer: &mut Peer,
    request: &Request,
    message: &Numbered,
    stored: &StoredMessage,
    octets: &Octets,
    outcome: &mut Outcome,
) -> Result<(), Stop> {
    let Some(view) = SummaryView::new(&stored.summary) else {
        tracing::error!(message = %stored.id, "a message's summary is damaged");
        outcome.damaged = true;
        return Ok(());
    };
    let row = message.row;
    // RFC 9051 §6.4.5: a flag that this FETCH sets is told with it.
    let now_seen = request.seen.contains(row.uid);
    let start = peer.out().len();
    encode::fetch_start(peer.out(), message.number, row.uid, request.uid_only);
    let mut writer = ItemWriter { peer, stored, view: &view, octets, outcome };
    let mut told = 0;
    for item in &request.items {
        if writer.has_no_answer(item) {
            continue;
        }
        if told > 0 {
            writer.peer.out().push(b' ');
        }
        told += 1;
        if !row_item(writer.peer.out(), item, &row, &request.keywords) {
            writer.item(item).await?;
        }
    }
    if told == 0 {
        // RFC 9051 §9 msg-att: an answer without an item is none.
        peer.out().truncate(start);
        return Ok(());
    }
    let extra = [
        (now_seen, FetchItem::Flags),
        // RFC 7162 §3.2: FETCH answers that tell flags carry MODSEQ and, for QRESYNC, the UID.
        (now_seen && request.condstore, FetchItem::ModSeq),
        (now_seen && !request.uid_only, FetchItem::Uid),
    ];
    for (_, item) in extra.iter().filter(|(wanted, item)| *wanted && !request.items.contains(item)) {
        peer.out().push(b' ');
        row_item(peer.out(), item, &row, &request.keywords);
    }
    peer.out().extend_from_slice(b")\r\n");
    Ok(())
}

struct ItemWriter<'a> {
    peer: &'a mut Peer,
    stored: &'a StoredMessage,
    view: &'a SummaryView<'a>,
    octets: &'a Octets,
    outcome: &'a mut Outcome,
}

impl ItemWriter<'_> {
    /// Whether an item cannot be answered at all. BINARY.SIZE is a number, never NIL (RFC 9051 §9 msg-att-static):
    /// where the encoding is not known it is left out, and the command ends with NO [UNKNOWN-CTE]
    /// (RFC 9051 §6.4.5, RFC 3516 §4.3).
    fn has_no_answer(&mut self, item: &FetchItem) -> bool {
        let FetchItem::BinarySize(part) = item else { return false };
        let Some((_, encoding)) = section::encoded_part(self.stored, self.view, part) else { return false };
        let unknown = Decoder::of(&encoding).is_none();
        self.outcome.unknown_encoding |= unknown;
        unknown
    }

    async fn item(&mut self, item: &FetchItem) -> Result<(), Stop> {
        let whole = |text| Section { part: Vec::new(), text };
        match item {
            FetchItem::Envelope => self.prepared(b"ENVELOPE ", self.view.envelope()),
            FetchItem::BodyStructure => self.prepared(b"BODYSTRUCTURE ", self.view.body_structure()),
            FetchItem::Body => self.prepared(b"BODY ", self.view.body()),
            FetchItem::Rfc822 => self.named(b"RFC822 ", &whole(None), None).await?,
            FetchItem::Rfc822Header => {
                self.named(b"RFC822.HEADER ", &whole(Some(SectionText::Header)), None).await?;
            }
            FetchItem::Rfc822Text => self.named(b"RFC822.TEXT ", &whole(Some(SectionText::Text)), None).await?,
            FetchItem::BodySection { section, partial, .. } => {
                section::body_name(self.peer.out(), section, *partial);
                self.named(b" ", section, *partial).await?;
            }
            FetchItem::Preview => self.preview().await?,
            FetchItem::Binary { part, partial, .. } => self.binary(part, *partial).await?,
            FetchItem::BinarySize(part) => self.binary_size(part).await?,
            // The row has answered the others.
            _ => {}
        }
        Ok(())
    }

    fn prepared(&mut self, name: &[u8], value: &[u8]) {
        let out = self.peer.out();
        out.extend_from_slice(name);
        out.extend_from_slice(value);
    }

    async fn named(&mut self, name: &[u8], section: &Section, partial: Option<Partial>) -> Result<(), Stop> {
        self.peer.out().extend_from_slice(name);
        match section::place(self.stored, self.view, section) {
            // RFC 9051 §7.5.2 nstring: there is no such part.
            None => self.peer.out().extend_from_slice(b"NIL"),
            Some(Place::Octets(range)) => {
                let range = section::cut(range, partial);
                body::write_range(self.peer, self.octets, range).await?;
            }
            Some(Place::Fields(range, chosen)) => {
                let ready = section::asks_known_fields(section).then(|| section::known_header(self.stored, self.view));
                let fields = match ready.flatten() {
                    Some(header) => section::fields(&header, &chosen),
                    None => section::fields(&body::collect(self.peer, self.octets, range).await?, &chosen),
                };
                let range = section::cut(0..fields.len() as u64, partial);
                body::write_slice(self.peer, &fields, range);
            }
        }
        Ok(())
    }

    /// PREVIEW (RFC 8970 §3): the first words of the text.
    async fn preview(&mut self) -> Result<(), Stop> {
        let range = 0..self.stored.size.min(bounds::PREVIEW_SOURCE_OCTETS);
        let beginning = body::collect(self.peer, self.octets, range).await?;
        let out = self.peer.out();
        out.extend_from_slice(b"PREVIEW ");
        // RFC 8970 §3.2: UTF-8, and the empty string where there is no text.
        encode::string(out, preview(&beginning).as_bytes());
        Ok(())
    }

    /// BINARY (RFC 9051 §6.4.5.1).
    async fn binary(&mut self, part: &[u32], partial: Option<Partial>) -> Result<(), Stop> {
        section::binary_name(self.peer.out(), b"BINARY", part, partial);
        let Some((range, decoder)) = self.encoded(part) else { return Ok(()) };
        body::write_decoded(self.peer, self.octets, range, &decoder, partial).await
    }

    async fn binary_size(&mut self, part: &[u32]) -> Result<(), Stop> {
        section::binary_name(self.peer.out(), b"BINARY.SIZE", part, None);
        let known = section::encoded_part(self.stored, self.view, part);
        let size = match known.and_then(|(range, encoding)| Some((range, Decoder::of(&encoding)?))) {
            Some((range, decoder)) => body::decoded_size(self.peer, self.octets, range, &decoder).await?,
            // A part that is not there has no octets.
            None => 0,
        };
        encode::number(self.peer.out(), size);
        Ok(())
    }

    /// A part's octets and how they are encoded; writes NIL when there is no answer.
    fn encoded(&mut self, part: &[u32]) -> Option<(std::ops::Range<u64>, Decoder)> {
        let Some((range, encoding)) = section::encoded_part(self.stored, self.view, part) else {
            self.peer.out().extend_from_slice(b"NIL");
            return None;
        };
        match Decoder::of(&encoding) {
            Some(decoder) => Some((range, decoder)),
            None => {
                self.outcome.unknown_encoding = true;
                self.peer.out().extend_from_slice(b"NIL");
                None
            }
        }
    }
}
