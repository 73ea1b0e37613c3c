//! Octets of a message on their way to the client: from memory, or streamed from the store.
//!
//! Invariant: as many octets are sent as were announced; when the store fails in the
//! middle, the connection ends, since nothing else would be understood.

use super::decode::Decoder;
use crate::mail::conn::Interrupt;
use crate::mail::imap::command::Partial;
use crate::mail::imap::encode;
use crate::mail::imap::peer::Peer;
use crate::mail::imap::reply::Stop;
use crate::model::ids::MessageId;
use crate::store::MessageReader;
use bytes::Bytes;
use std::ops::Range;

/// Where a message's octets are.
pub(super) enum Octets {
    /// No item needs them.
    NotRead,
    /// All in memory.
    Memory(Bytes),
    /// Too many: read as they are sent.
    Streamed(MessageId),
}

/// A walk over a range of a message's octets.
enum Source {
    Memory(Option<Bytes>),
    Streamed(Box<Streamed>),
}

struct Streamed {
    reader: MessageReader,
    /// Octets before the range.
    skip: u64,
    /// Octets of the range that are left.
    left: u64,
}

impl Source {
    async fn open(peer: &Peer, octets: &Octets, range: Range<u64>) -> Result<Self, Stop> {
        Ok(match octets {
            Octets::NotRead => Self::Memory(None),
            Octets::Memory(all) => Self::Memory(Some(slice(all, range))),
            Octets::Streamed(id) => {
                let reader = peer.store().read(*id).await?;
                let left = range.end.saturating_sub(range.start);
                Self::Streamed(Box::new(Streamed { reader, skip: range.start, left }))
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        match self {
            Self::Memory(all) => Ok(all.take().filter(|all| !all.is_empty())),
            Self::Streamed(stream) => stream.next().await,
        }
    }
}

impl Streamed {
    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        while self.left > 0 {
            let Some(chunk) = self.reader.next().await.map_err(broken)? else { break };
            let skipped = self.skip.min(chunk.len() as u64);
            self.skip -= skipped;
            let chunk = slice(&chunk, skipped..skipped.saturating_add(self.left));
            if !chunk.is_empty() {
                self.left -= chunk.len() as u64;
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }
}

/// A range of a message's octets on its way to somewhere else than the client.
pub(in crate::mail::imap) struct Piece {
    source: Source,
    octets: u64,
}

impl Piece {
    pub(super) async fn open(peer: &Peer, octets: &Octets, range: Range<u64>) -> Result<Self, Stop> {
        let octets_of = range.end.saturating_sub(range.start);
        Ok(Self { source: Source::open(peer, octets, range).await?, octets: octets_of })
    }

    pub(super) fn of(all: &Bytes, range: Range<u64>) -> Self {
        let cut = slice(all, range);
        Self { octets: cut.len() as u64, source: Source::Memory(Some(cut)) }
    }

    /// How many octets it has.
    pub(in crate::mail::imap) fn octets(&self) -> u64 {
        self.octets
    }

    /// The next of them.
    pub(in crate::mail::imap) async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        self.source.next().await
    }
}

/// A store that fails inside an announced literal leaves only one way: to hang up.
fn broken(error: crate::store::StoreError) -> Stop {
    tracing::error!(%error, "a message could not be read to its end");
    Stop::Interrupt(Interrupt::Closed)
}

/// The part of `all` that lies in `range`.
fn slice(all: &Bytes, range: Range<u64>) -> Bytes {
    let at = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX).min(all.len());
    let (start, end) = (at(range.start), at(range.end));
    all.slice(start..end.max(start))
}

/// Writes a range as a literal.
pub(super) async fn write_range(peer: &mut Peer, octets: &Octets, range: Range<u64>) -> Result<(), Stop> {
    let announced = match octets {
        Octets::Memory(all) => slice(all, range.clone()).len() as u64,
        _ => range.end.saturating_sub(range.start),
    };
    encode::literal_start(peer.out(), announced);
    let mut source = Source::open(peer, octets, range).await?;
    let mut sent = 0;
    while let Some(chunk) = source.next().await? {
        sent += chunk.len() as u64;
        peer.out().extend_from_slice(&chunk);
        // Inside a literal nothing that we say is understood: an ended session just closes.
        peer.conn.flush_if_full().await.map_err(|_| Stop::Interrupt(Interrupt::Closed))?;
    }
    if sent == announced { Ok(()) } else { Err(Stop::Interrupt(Interrupt::Closed)) }
}

/// Writes a range of octets that were made here, as a literal.
pub(super) fn write_slice(peer: &mut Peer, octets: &[u8], range: Range<u64>) {
    let at = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX);
    encode::literal(peer.out(), octets.get(at(range.start)..at(range.end)).unwrap_or_default());
}

/// A range in memory; for headers, which are bounded.
pub(super) async fn collect(peer: &Peer, octets: &Octets, range: Range<u64>) -> Result<Bytes, Stop> {
    if let Octets::Memory(all) = octets {
        return Ok(slice(all, range));
    }
    let mut all = bytes::BytesMut::new();
    let mut source = Source::open(peer, octets, range).await?;
    while let Some(chunk) = source.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// How many octets a range has once decoded.
pub(super) async fn decoded_size(
    peer: &Peer,
    octets: &Octets,
    range: Range<u64>,
    decoder: &Decoder,
) -> Result<u64, Stop> {
    let mut source = Source::open(peer, octets, range).await?;
    let (mut decoder, mut decoded, mut size) = (decoder.clone(), Vec::new(), 0);
    while let Some(chunk) = source.next().await? {
        decoder.push(&chunk, &mut decoded);
        size += decoded.len() as u64;
        decoded.clear();
    }
    decoder.finish(&mut decoded);
    Ok(size + decoded.len() as u64)
}

/// Writes a range decoded, as a literal8 (RFC 9051 §9: decoded octets may hold NUL). It is read
/// twice when it is streamed: the size stands before the octets.
pub(super) async fn write_decoded(
    peer: &mut Peer,
    octets: &Octets,
    range: Range<u64>,
    decoder: &Decoder,
    partial: Option<Partial>,
) -> Result<(), Stop> {
    let size = decoded_size(peer, octets, range.clone(), decoder).await?;
    let wanted = super::section::cut(0..size, partial);
    peer.out().push(b'~');
    encode::literal_start(peer.out(), wanted.end - wanted.start);
    let mut source = Source::open(peer, octets, range).await?;
    let (mut decoder, mut decoded, mut at) = (Some(decoder.clone()), Vec::new(), 0);
    while let Some(mut active) = decoder.take() {
        match source.next().await? {
            Some(chunk) => {
                active.push(&chunk, &mut decoded);
                decoder = Some(active);
            }
            None => active.finish(&mut decoded),
        }
        let end = at + decoded.len() as u64;
        let (from, to) = (wanted.start.clamp(at, end) - at, wanted.end.clamp(at, end) - at);
        let index = |octets: u64| usize::try_from(octets).unwrap_or(usize::MAX);
        peer.out().extend_from_slice(decoded.get(index(from)..index(to)).unwrap_or_default());
        decoded.clear();
        at = end;
        peer.conn.flush_if_full().await.map_err(|_| Stop::Interrupt(Interrupt::Closed))?;
    }
    Ok(())
}
