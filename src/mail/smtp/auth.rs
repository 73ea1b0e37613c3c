//! AUTH PLAIN, LOGIN and SCRAM-SHA-256 (RFC 4954, RFC 4616, RFC 5802, RFC 7677).
//!
//! Invariant: no exchange begins where a login may not be offered, and a cancelled or
//! garbled one leaves no trace in the session.

use super::Role;
use super::reply::{self, Reply};
use super::session::Session;
use super::wire::Line;
use crate::mail::conn::Interrupt;
use crate::mail::sign_in::{self, Credentials, Scram};
use crate::model::Protocol;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;

/// Why an exchange did not end in credentials.
enum Stopped {
    Interrupt(Interrupt),
    Reply(Reply),
}

impl From<Interrupt> for Stopped {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

impl Session {
    /// Whether AUTH is offered now.
    pub(super) fn offers_auth(&self) -> bool {
        self.role == Role::Submission && self.login.is_none() && self.conn.may_login()
    }

    /// AUTH.
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Result<Reply, Interrupt> {
        if let Err(refusal) = self.may_auth() {
            return Ok(refusal);
        }
        let exchanged = match mechanism {
            "PLAIN" => self.plain(initial).await,
            "LOGIN" => self.login_mechanism(initial).await,
            name if sign_in::scram_mechanisms(&self.conn, &self.services).contains(&name) => {
                return match self.scram(name, initial).await {
                    Ok(reply) | Err(Stopped::Reply(reply)) => Ok(reply),
                    Err(Stopped::Interrupt(interrupt)) => Err(interrupt),
                };
            }
            _ => return Ok(Reply::new(504, "5.5.4", "Mechanism not supported")),
        };
        let credentials = match exchanged {
            Ok(credentials) => credentials,
            Err(Stopped::Reply(refusal)) => return Ok(refusal),
            Err(Stopped::Interrupt(interrupt)) => return Err(interrupt),
        };
        match sign_in::sign_in(&mut self.conn, &self.services, Protocol::Submission, &credentials).await {
            Ok(mailbox) => {
                self.login = Some(mailbox);
                Ok(Reply::new(235, "2.7.0", "Authentication successful"))
            }
            Err(error) => Ok(reply::of_sign_in(error)),
        }
    }

    fn may_auth(&self) -> Result<(), Reply> {
        if self.role == Role::Mx {
            return Err(Reply::new(502, "5.5.1", "AUTH is not offered here"));
        }
        if !self.conn.may_login() {
            // RFC 4954 §4
            return Err(Reply::new(538, "5.7.11", "Encryption required, use STARTTLS first"));
        }
        // RFC 4954 §4: after EHLO, once, and not in a transaction.
        if self.login.is_some() || self.state.is_open() || !self.state.greeting().is_some_and(|g| g.extended) {
            return Err(reply::bad_sequence("AUTH is not in order now"));
        }
        Ok(())
    }

    /// SCRAM-SHA-256 and -PLUS.
    async fn scram(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Result<Reply, Stopped> {
        let message = match initial {
            Some(encoded) => decoded(&encoded)?,
            None => self.challenge("").await?,
        };
        let refused = |error| Stopped::Reply(reply::of_sign_in(error));
        let exchange = Scram::begin(&self.conn, &self.services, mechanism, &message).await.map_err(refused)?;
        let last = self.challenge(STANDARD.encode(exchange.challenge())).await?;
        let finished = exchange.finish(&mut self.conn, &self.services, Protocol::Submission, &last).await;
        let (mailbox, answer) = finished.map_err(refused)?;
        // RFC 4954 §4: what comes with success is a challenge of its own, which the client answers by nothing.
        if let Err(stopped) = self.challenge(STANDARD.encode(answer)).await {
            self.conn.sign_out();
            return Err(stopped);
        }
        self.login = Some(mailbox);
        Ok(Reply::new(235, "2.7.0", "Authentication successful"))
    }

    async fn plain(&mut self, initial: Option<Vec<u8>>) -> Result<Credentials, Stopped> {
        let message = match initial {
            Some(encoded) => decoded(&encoded)?,
            None => self.challenge("").await?,
        };
        sign_in::plain_credentials(&message).ok_or_else(|| Stopped::Reply(wrong()))
    }

    async fn login_mechanism(&mut self, initial: Option<Vec<u8>>) -> Result<Credentials, Stopped> {
        let name = match initial {
            Some(encoded) => decoded(&encoded)?,
            // base64 of `Username:` and `Password:`, which clients look for.
            None => self.challenge("VXNlcm5hbWU6").await?,
        };
        let password = self.challenge("UGFzc3dvcmQ6").await?;
        sign_in::credentials(&name, &password).ok_or_else(|| Stopped::Reply(wrong()))
    }

    async fn challenge(&mut self, text: impl Into<Cow<'static, str>>) -> Result<Vec<u8>, Stopped> {
        self.answer(&Reply::bare(334, text));
        loop {
            match self.lines.take(self.conn.input()) {
                None => self.read_line().await?,
                // RFC 4954 §4: `*` cancels.
                Some(Line::Complete(line)) if &line[..] == b"*" => {
                    return Err(Stopped::Reply(Reply::new(501, "5.7.0", "Authentication cancelled")));
                }
                Some(Line::Complete(line)) => return decoded(&line),
                Some(Line::Malformed) => return Err(Stopped::Reply(garbled())),
                Some(Line::Endless) => return Err(Stopped::Interrupt(Interrupt::Closed)),
            }
        }
    }
}

fn decoded(encoded: &[u8]) -> Result<Vec<u8>, Stopped> {
    sign_in::decode_sasl(encoded).ok_or_else(|| Stopped::Reply(garbled()))
}

fn garbled() -> Reply {
    Reply::new(501, "5.5.2", "The response is not base64")
}

fn wrong() -> Reply {
    reply::of_sign_in(sign_in::SignInError::Refused)
}
