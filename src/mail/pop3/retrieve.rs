//! RETR and TOP: messages from the store to the wire.
//!
//! Small ones come whole, with those that pipelined RETRs ask for next; large ones
//! stream. Invariant: after `+OK` comes the whole message or the connection ends.

use super::command::{self, Command};
use super::reply::{self, Reply};
use super::session::{Flow, Session};
use super::stuffing::Stuffing;
use crate::mail::conn::Interrupt;
use crate::model::bounds;
use crate::model::ids::MessageId;
use crate::store::{MessageReader, StoreError};
use bytes::{Bytes, BytesMut};

/// Messages read ahead for RETRs that stand in the input.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    messages: Vec<(MessageId, Bytes)>,
}

impl ReadAhead {
    fn take(&mut self, id: MessageId) -> Option<Bytes> {
        let at = self.messages.iter().position(|(known, _)| *known == id)?;
        Some(self.messages.swap_remove(at).1)
    }
}

/// A message ready to be sent: its first octets are known to be good.
enum Source {
    Whole(Bytes),
    Stream { size: u64, first: Option<Bytes>, reader: MessageReader },
}

impl Session {
    /// RETR and TOP; `counts` when it is a retrieval that expiry counts from.
    pub(super) async fn retrieve(&mut self, number: u32, stuffing: Stuffing, counts: bool) -> Result<Flow, Interrupt> {
        let entry = self.open.as_ref().and_then(|open| open.maildrop.get(number)).copied();
        let Some(entry) = entry else { return Ok(self.answer(&reply::no_such_message())) };
        let source = match self.source(entry.message, entry.size).await {
            Ok(source) => source,
            Err(error) => {
                tracing::warn!(message = %entry.message, %error, "a message could not be read");
                return Ok(self.answer(&reply::of_store(&error)));
            }
        };
        self.send(source, stuffing).await?;
        if counts && let Some(open) = &mut self.open {
            open.maildrop.retrieved(number);
        }
        Ok(Flow::On)
    }

    async fn source(&mut self, id: MessageId, size: u32) -> Result<Source, StoreError> {
        if let Some(whole) = self.ahead.take(id) {
            return Ok(Source::Whole(whole));
        }
        if (size as usize) < bounds::MESSAGE_IN_MEMORY_OCTETS {
            let ids = self.wanted(id, size);
            let mut read = ids.iter().copied().zip(self.services.store.read_many(&ids).await?);
            match read.next() {
                Some((_, Ok(whole))) => {
                    let rest = read.filter_map(|(id, message)| Some((id, message.ok()?)));
                    self.ahead.messages = rest.collect();
                    return Ok(Source::Whole(whole));
                }
                Some((_, Err(StoreError::TooLarge))) | None => {}
                Some((_, Err(error))) => return Err(error),
            }
        }
        let mut reader = self.services.store.read(id).await?;
        Ok(Source::Stream { size: reader.size(), first: reader.next().await?, reader })
    }

    /// This message and those that RETRs already in the input ask for, within one read's bounds.
    fn wanted(&mut self, id: MessageId, size: u32) -> Vec<MessageId> {
        let (mut ids, mut octets) = (vec![id], size as usize);
        let Some(open) = &self.open else { return ids };
        let mut input = BytesMut::from(&self.conn.input()[..]);
        while let Ok(Some(line)) = command::take_line(&mut input) {
            let Some(Command::Retr(number)) = command::parse(&line) else { break };
            let Some(entry) = open.maildrop.get(number) else { break };
            octets += entry.size as usize;
            if ids.len() >= bounds::READ_BATCH
                || octets > bounds::READ_BATCH_OCTETS
                || entry.size as usize >= bounds::MESSAGE_IN_MEMORY_OCTETS
            {
                break;
            }
            ids.push(entry.message);
        }
        ids
    }

    async fn send(&mut self, source: Source, mut stuffing: Stuffing) -> Result<(), Interrupt> {
        match source {
            Source::Whole(octets) => {
                Reply::ok(format!("{} octets", octets.len())).write(self.conn.out());
                stuffing.push(&octets, self.conn.out());
            }
            Source::Stream { size, first, mut reader } => {
                Reply::ok(format!("{size} octets")).write(self.conn.out());
                let mut chunk = first;
                while let Some(octets) = chunk {
                    stuffing.push(&octets, self.conn.out());
                    self.conn.flush_if_full().await?;
                    if stuffing.is_done() {
                        break;
                    }
                    chunk = reader.next().await.map_err(|error| {
                        // Half a message must not look like a whole one.
                        tracing::error!(%error, "a message broke off while it was sent");
                        Interrupt::Closed
                    })?;
                }
            }
        }
        stuffing.finish(self.conn.out());
        self.conn.flush_if_full().await
    }
}
