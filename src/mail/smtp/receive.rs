//! DATA and BDAT: the framing of a message between socket and [`Incoming`].
//!
//! Invariant: one reply for each DATA and each BDAT, and exactly its octets are read; a
//! message that has begun is finished whatever configuration says meanwhile.

use super::incoming::Incoming;
use super::reply::{self, Reply};
use super::session::{Flow, Session};
use super::state::Transaction;
use super::trace::{self, Hop};
use super::wire::DotReader;
use crate::mail::conn::Interrupt;
use crate::model::bounds;

impl Session {
    /// DATA (RFC 5321 §4.1.1.4).
    pub(super) async fn data(&mut self) -> Result<Flow, Interrupt> {
        let transaction = match self.state.take_for_data() {
            Ok(transaction) => transaction,
            Err(refusal) => return Ok(self.answer(&refusal)),
        };
        let mut incoming = self.incoming(&transaction);
        self.answer(&Reply::bare(354, "End data with <CR><LF>.<CR><LF>"));
        let (mut reader, mut content) = (DotReader::new(), Vec::new());
        loop {
            let ended = reader.read(self.conn.input(), &mut content);
            incoming.take(&transaction.envelope, &content).await;
            content.clear();
            if ended {
                break;
            }
            if incoming.is_endless() {
                self.answer(&reply::too_large());
                return Ok(Flow::Close);
            }
            self.conn.read_on(bounds::SMTP_DATA_TIME).await?;
        }
        let reply = incoming.finish(&transaction.envelope).await;
        Ok(self.answer(&reply))
    }

    /// BDAT (RFC 3030 §2).
    pub(super) async fn bdat(&mut self, size: u64, last: bool) -> Result<Flow, Interrupt> {
        if size > 2 * bounds::MESSAGE_OCTETS {
            // To read it all only to refuse it would be their work and ours for nothing.
            self.state.reset();
            self.answer(&reply::too_large());
            return Ok(Flow::Close);
        }
        let (transaction, message) = match self.state.take_for_chunk() {
            Ok(taken) => taken,
            Err(refusal) => {
                self.chunk(None, size).await?;
                return Ok(self.answer(&refusal));
            }
        };
        let mut incoming = message.unwrap_or_else(|| self.incoming(&transaction));
        self.chunk(Some((&transaction, &mut incoming)), size).await?;
        if last {
            let reply = incoming.finish(&transaction.envelope).await;
            return Ok(self.answer(&reply));
        }
        if let Some(refusal) = incoming.refusal().cloned() {
            // The transaction is gone; chunks that are on their way find none (RFC 3030 §2).
            return Ok(self.answer(&refusal));
        }
        self.state.keep(transaction, incoming);
        Ok(self.answer(&Reply::new(250, "2.0.0", format!("{size} octets received"))))
    }

    /// Reads the octets of one chunk, into the message or into nothing.
    async fn chunk(&mut self, mut into: Option<(&Transaction, &mut Incoming)>, size: u64) -> Result<(), Interrupt> {
        let mut left = size;
        while left > 0 {
            if self.conn.input().is_empty() {
                self.conn.read_on(bounds::SMTP_DATA_TIME).await?;
            }
            let input = self.conn.input();
            let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
            let octets = input.split_to(length);
            left -= octets.len() as u64;
            if let Some((transaction, incoming)) = &mut into {
                incoming.take(&transaction.envelope, &octets).await;
            }
        }
        Ok(())
    }

    fn incoming(&self, transaction: &Transaction) -> Incoming {
        let id = trace::fresh_id(&self.services.clock);
        let only_recipient = match transaction.envelope.recipients.as_slice() {
            [one] => Some(&one.address),
            _ => None,
        };
        let greeting = self.state.greeting();
        let received = Hop {
            name: greeting.map_or("unknown", |greeting| greeting.name.as_str()),
            peer: self.conn.peer(),
            extended: greeting.is_some_and(|greeting| greeting.extended),
            utf8: transaction.utf8,
            tls: self.conn.tls_cipher(),
            login: self.login.is_some(),
            host: &self.services.host,
            id: &id,
            only_recipient,
            now: self.services.clock.now(),
        }
        .received();
        Incoming::new(self.services.clone(), self.login.clone(), id, received)
    }
}
