//! The one driver of all mail conversations: socket, TLS, deadlines, back-pressure, the end.
//!
//! It knows no protocol. A session takes octets from [`Conn::input`], queues octets in
//! [`Conn::out`] and awaits [`Conn::read_more`]. Invariant: a session waits nowhere else,
//! so nothing can keep it past its deadline or past the moment that configuration ends it.

use crate::directory::{EndReason, SessionGuard};
use bytes::BytesMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Why a conversation stops being read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// The peer is gone (end of file, reset, TLS error).
    Closed,
    /// The deadline passed: for a read the peer said nothing, for a write it took nothing.
    TimedOut,
    /// Configuration, an administrator or the shutdown ends this session: say so in the protocol's words.
    Ended(EndReason),
}

/// A connection, before or after STARTTLS and login.
pub struct Conn {
    input: BytesMut,
    out: Vec<u8>,
    guard: Option<Arc<SessionGuard>>,
}

impl Conn {
    /// The other end.
    pub fn peer(&self) -> SocketAddr {
        todo!()
    }

    /// Whether TLS protects the conversation.
    pub fn is_tls(&self) -> bool {
        todo!()
    }

    /// TLS version and cipher for `Received` and logs, such as `TLSv1.3 TLS_AES_256_GCM_SHA384`.
    pub fn tls_cipher(&self) -> Option<String> {
        todo!()
    }

    /// Whether STARTTLS may be offered now: not yet TLS, and a certificate is there.
    pub fn may_start_tls(&self) -> bool {
        todo!()
    }

    /// Whether a login may be offered now: TLS, or loopback where the settings allow it.
    pub fn may_login(&self) -> bool {
        todo!()
    }

    /// Octets received and not yet taken; the wire takes from the front (`split_to`, `advance`).
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Octets to send; sent by `flush`, and by `read_more` before it waits.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Flushes, then waits until there is more in [`Conn::input`]. Cancel-safe.
    pub async fn read_more(&mut self, within: Duration) -> Result<(), Interrupt> {
        let _ = within;
        todo!()
    }

    /// Like [`Conn::read_more`] for the inside of a message (DATA, BDAT, a literal of APPEND): it is
    /// not ended by configuration or shutdown, since what has started is finished.
    pub async fn read_on(&mut self, within: Duration) -> Result<(), Interrupt> {
        let _ = within;
        todo!()
    }

    /// Sends what is queued. `Ended` when the session must end (check at response boundaries).
    pub async fn flush(&mut self) -> Result<(), Interrupt> {
        todo!()
    }

    /// Sends what is queued once it passes [`crate::model::bounds::OUTPUT_OCTETS`]: the back-pressure of long answers.
    pub async fn flush_if_full(&mut self) -> Result<(), Interrupt> {
        if self.out.len() >= crate::model::bounds::OUTPUT_OCTETS { self.flush().await } else { Ok(()) }
    }

    /// Sends what is queued, drops all unread input (RFC 3207 §4.2, RFC 9051 §11.1) and does the TLS handshake.
    pub async fn start_tls(&mut self) -> Result<(), Interrupt> {
        todo!()
    }

    /// Ties the conversation to a signed-in session: from now on its end ends the reads and flushes here.
    pub fn sign_in(&mut self, guard: Arc<SessionGuard>) {
        self.guard = Some(guard);
    }

    /// Sends what is queued within a short time, whatever ended the session, and closes.
    pub async fn close(self) {
        todo!()
    }
}
