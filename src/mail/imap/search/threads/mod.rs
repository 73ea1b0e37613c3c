//! THREAD: hits as trees (RFC 5256 §3): ORDEREDSUBJECT, REFERENCES and REFS (draft-ietf-morg-inthread §4).
//!
//! It reads ready summaries, never bodies. Invariant: every hit is told once, in a tree.

mod forest;
mod references;
mod subjects;
mod write;

use super::Hit;
use super::columns::{self, Columns, Group, Name, TextId, blocking};
use crate::mail::imap::command::{Thread, ThreadAlgorithm};
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::mail::imap::view::Selected;
use crate::model::bounds;
use crate::store::Row;
use std::ops::Range;

/// What threading knows of a message.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// Its number or UID, as it is answered.
    name: u32,
    /// Sent date (RFC 5256 §2.2).
    sent: i64,
    /// INTERNALDATE.
    arrived: i64,
    /// Its base subject; 0 is the empty one.
    subject: TextId,
    /// Its subject is a reply's or a forward's.
    is_reply: bool,
    /// Its Message-ID.
    id: Option<Name>,
    /// Where [`Named::references`] has the messages that it refers to, oldest first.
    references: Range<usize>,
}

/// The Message-IDs of what is threaded, numbered from 0 without gaps.
#[derive(Default)]
pub(super) struct Named {
    /// What all messages refer to.
    references: Vec<Name>,
    /// How many there are.
    count: u32,
    /// The numbers by those of the folder; `Name::MAX` for one that was not met.
    numbers: Vec<Name>,
}

impl Named {
    fn new(names: usize) -> Self {
        Self { numbers: vec![Name::MAX; names], ..Self::default() }
    }

    fn number(&mut self, name: Name) -> Name {
        match self.numbers.get_mut(name as usize) {
            Some(number) if *number == Name::MAX => {
                *number = self.count;
                self.count += 1;
                *number
            }
            Some(number) => *number,
            None => name,
        }
    }
}

/// Threads hits and answers `* THREAD (2)(3 6 (4 23)(44 7 96))`.
pub(super) async fn thread(
    peer: &mut Peer,
    selected: &Selected,
    command: &Thread,
    found: Vec<Hit>,
) -> Result<(), Stop> {
    let (algorithm, uid) = (command.algorithm, command.uid);
    let groups: &[Group] = match algorithm {
        ThreadAlgorithm::OrderedSubject => &[Group::Sent, Group::Subjects],
        ThreadAlgorithm::References | ThreadAlgorithm::Refs => &[Group::Sent, Group::Subjects, Group::Threads],
    };
    let (columns, rows) = columns::of_hits(peer, selected, &found, groups).await?;
    // Trees of a hundred thousand messages are no work for the threads that answer everybody.
    let answer = blocking(move || {
        let by_references = algorithm != ThreadAlgorithm::OrderedSubject;
        let (messages, named) = messages(&columns.lock(), &found, &rows, (uid, by_references));
        let forest = match algorithm {
            ThreadAlgorithm::OrderedSubject => subjects::ordered(&messages),
            ThreadAlgorithm::References => references::threaded(&messages, &named, true),
            ThreadAlgorithm::Refs => references::threaded(&messages, &named, false),
        };
        write::answer(&forest, &messages)
    })
    .await?;
    for piece in answer.chunks(bounds::OUTPUT_OCTETS) {
        peer.out().extend_from_slice(piece);
        peer.conn.flush_if_full().await?;
    }
    Ok(())
}

fn messages(
    columns: &Columns,
    found: &[Hit],
    rows: &[Row],
    (uid, by_references): (bool, bool),
) -> (Vec<Message>, Named) {
    let mut named = if by_references { Named::new(columns.names()) } else { Named::default() };
    let mut messages = Vec::with_capacity(found.len());
    let (mut sent, mut subjects, mut threads) = (0, 0, 0);
    for (hit, row) in found.iter().zip(rows) {
        let subject = columns.subject(row.uid, &mut subjects);
        let mut message = Message {
            name: hit.name(uid),
            sent: columns.sent(row.uid, &mut sent).unwrap_or(row.internal_date),
            arrived: row.internal_date,
            subject: subject.key,
            is_reply: subject.is_reply,
            id: None,
            references: 0..0,
        };
        if by_references {
            let (id, references) = columns.threaded(row.uid, &mut threads);
            message.id = id.map(|id| named.number(id));
            let start = named.references.len();
            for name in references {
                let number = named.number(*name);
                named.references.push(number);
            }
            message.references = start..named.references.len();
        }
        messages.push(message);
    }
    (messages, named)
}
