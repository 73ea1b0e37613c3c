//! THREAD: hits as trees (RFC 5256 §3): ORDEREDSUBJECT, REFERENCES and REFS (draft-ietf-morg-inthread §4).
//!
//! It reads ready summaries, never bodies. Invariant: every hit is told once, in a tree.

mod forest;
mod references;
mod subjects;
mod write;

use super::Hit;
use super::sort::{sent_date, with_envelopes};
use crate::mail::imap::command::{Thread, ThreadAlgorithm};
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::view::Selected;
use crate::mime::{EnvelopeView, SummaryView, base_subject, casemap};
use crate::model::bounds;
use references::Names;

/// What threading knows of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    /// Its number or UID, as it is answered.
    name: u32,
    /// Sent date (RFC 5256 §2.2).
    sent: i64,
    /// INTERNALDATE.
    arrived: i64,
    /// The key of its base subject.
    subject: Box<str>,
    /// Its subject is a reply's or a forward's.
    is_reply: bool,
    /// Its Message-ID.
    id: Option<references::Name>,
    /// The messages it refers to, oldest first.
    references: Box<[references::Name]>,
}

/// Threads hits and answers `* THREAD (2)(3 6 (4 23)(44 7 96))`.
pub(super) async fn thread(peer: &mut Peer, selected: &Selected, command: &Thread, found: &[Hit]) -> Result<(), Stop> {
    let by_references = command.algorithm != ThreadAlgorithm::OrderedSubject;
    let mut names = Names::default();
    let mut messages = Vec::with_capacity(found.len());
    for batch in found.chunks(bounds::READ_BATCH) {
        let mut hits = batch.iter();
        with_envelopes(peer, selected, batch, |row, envelope, summary| {
            let Some(hit) = hits.next() else { return };
            let mut message = message(hit.name(command.uid), sent_date(row, envelope), envelope);
            message.arrived = row.internal_date;
            if by_references {
                message.id = envelope.message_id.as_deref().and_then(|id| names.first(id));
                let references = summary.map(SummaryView::references).unwrap_or_default();
                message.references = names.references(&references, envelope.in_reply_to.as_deref());
            }
            messages.push(message);
        })
        .await?;
    }
    let algorithm = command.algorithm;
    // Trees of a hundred thousand messages are no work for the threads that answer everybody.
    let answer = tokio::task::spawn_blocking(move || {
        let forest = match algorithm {
            ThreadAlgorithm::OrderedSubject => subjects::ordered(&messages),
            ThreadAlgorithm::References => references::threaded(&messages, &names, true),
            ThreadAlgorithm::Refs => references::threaded(&messages, &names, false),
        };
        write::answer(&forest, &messages)
    })
    .await
    .map_err(|_| Stop::Bye("The threads could not be made"))?;
    for piece in answer.chunks(bounds::OUTPUT_OCTETS) {
        peer.out().extend_from_slice(piece);
        peer.conn.flush_if_full().await?;
    }
    Ok(())
}

fn message(name: u32, sent: i64, envelope: &EnvelopeView<'_>) -> Message {
    let subject = base_subject(envelope.subject.as_deref().unwrap_or_default());
    Message { name, sent, subject: casemap(&subject.text).into(), is_reply: subject.is_reply, ..Message::default() }
}
