//! One POP3 conversation until login: greeting, STLS, USER and PASS, AUTH.
//!
//! What comes after login is `transaction`. Invariant: credentials are taken only where a
//! login may be offered, and every failed login is counted by the one way in.

use super::command::{self, Command};
use super::maildrop::Maildrop;
use super::reply::{self, Reply};
use super::retrieve::ReadAhead;
use super::transaction;
use crate::directory::MailboxConfig;
use crate::mail::Services;
use crate::mail::conn::{Conn, Interrupt};
use crate::mail::end::SessionEnd;
use crate::mail::sign_in::{self, Credentials, Scram};
use crate::model::{Protocol, bounds};
use crate::store::{Folder, MailboxRef, StoreError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::sync::Arc;

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next line.
    On,
    /// The last answer is queued.
    Close,
}

/// Why an exchange ended without a login.
enum Stopped {
    Interrupt(Interrupt),
    Reply(Reply),
}

impl From<Interrupt> for Stopped {
    fn from(interrupt: Interrupt) -> Self {
        Self::Interrupt(interrupt)
    }
}

/// What a signed-in session holds.
pub(super) struct Open {
    pub(super) mailbox: Arc<MailboxConfig>,
    pub(super) inbox: Folder,
    pub(super) maildrop: Maildrop,
}

impl Open {
    /// The mailbox as the store knows it.
    pub(super) fn store_ref(&self) -> MailboxRef {
        MailboxRef { id: self.mailbox.id, tenant: self.mailbox.tenant }
    }
}

/// A conversation.
pub(super) struct Session {
    pub(super) conn: Conn,
    pub(super) services: Arc<Services>,
    pub(super) open: Option<Open>,
    pub(super) ahead: ReadAhead,
    /// The name that USER gave.
    user: Option<String>,
    /// The address of the mailbox, for the log; it outlives `open`.
    signed_in_as: Option<String>,
    errors: usize,
}

/// Converses until either side ends it.
pub async fn serve(conn: Conn, services: Arc<Services>) {
    let mut session =
        Session { conn, services, open: None, ahead: ReadAhead::default(), user: None, signed_in_as: None, errors: 0 };
    let reason = match session.run().await {
        Ok(()) => "closed",
        Err(Interrupt::Closed) => "closed by the client",
        // RFC 1939 §3: an idle session is closed without a word, and without entering UPDATE.
        Err(Interrupt::TimedOut) => "timed out",
        Err(Interrupt::Ended(reason)) => {
            reply::of_end(reason).write(session.conn.out());
            reason.text()
        }
    };
    let Session { conn, services, open, signed_in_as, errors, .. } = session;
    SessionEnd { protocol: "pop3", mailbox: signed_in_as.as_deref(), commands: None, errors, reason }.close(conn).await;
    if let Some(open) = open {
        super::transaction::abandon(&services, open).await;
    }
}

impl Session {
    async fn run(&mut self) -> Result<(), Interrupt> {
        let greeting = Reply::ok(format!("{} Facteur ready", self.services.host));
        self.answer(&greeting);
        while let Some(line) = self.next_line().await? {
            if self.line(&line).await? == Flow::Close {
                return Ok(());
            }
            self.conn.flush_if_full().await?;
        }
        Ok(())
    }

    /// The next line; `None` when it is too long, which ends the conversation.
    async fn next_line(&mut self) -> Result<Option<Bytes>, Interrupt> {
        loop {
            match command::take_line(self.conn.input()) {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => {
                    let within = match self.open {
                        Some(_) => bounds::POP3_IDLE_TIME,
                        // Before login the time is counted from the connect, whatever is said.
                        None => bounds::LOGIN_TIME.saturating_sub(self.conn.age()),
                    };
                    if self.conn.input().is_empty() {
                        self.conn.read_more(within).await?;
                    } else {
                        self.conn.read_rest(within).await?;
                    }
                }
                Err(command::LineTooLong) => {
                    self.answer(&Reply::err("The line is too long"));
                    return Ok(None);
                }
            }
        }
    }

    /// Queues an answer and counts errors.
    pub(super) fn answer(&mut self, reply: &Reply) -> Flow {
        reply.write(self.conn.out());
        if matches!(reply, Reply::Err(_)) {
            self.errors += 1;
        }
        if self.errors > bounds::POP3_ERRORS { Flow::Close } else { Flow::On }
    }

    async fn line(&mut self, line: &[u8]) -> Result<Flow, Interrupt> {
        if let Some(reason) = self.conn.guard().and_then(|guard| guard.ending()) {
            return Err(Interrupt::Ended(reason));
        }
        let Some(command) = command::parse(line) else { return Ok(self.answer(&reply::not_understood())) };
        if let Some(guard) = self.conn.guard() {
            guard.command(command.name());
        }
        match command {
            Command::Capa => {
                self.capabilities().await;
                Ok(Flow::On)
            }
            command if self.open.is_some() => self.transact(command).await,
            command => self.authorize(command).await,
        }
    }

    /// RFC 1939 §4: the AUTHORIZATION state.
    async fn authorize(&mut self, command: Command) -> Result<Flow, Interrupt> {
        let reply = match command {
            Command::Quit => {
                self.answer(&Reply::ok("Bye"));
                return Ok(Flow::Close);
            }
            Command::Stls => return self.start_tls().await,
            Command::Utf8 => Reply::ok("UTF-8 it is"),
            Command::User(_) | Command::Pass(_) | Command::Auth(_) if !self.conn.may_login() => {
                Reply::err("[SYS/PERM] TLS is needed before login, use STLS")
            }
            Command::User(name) => {
                // RFC 1939 §7: says nothing about who exists.
                self.user = Some(name);
                Reply::ok("Send PASS")
            }
            Command::Pass(password) => self.pass(&password).await,
            Command::Auth(None) => {
                let text = format!("+OK\r\n{}\r\n.\r\n", self.mechanisms().join("\r\n"));
                self.conn.out().extend_from_slice(text.as_bytes());
                return Ok(Flow::On);
            }
            Command::Auth(Some((mechanism, initial))) => self.auth(&mechanism, initial).await?,
            _ => reply::not_now(),
        };
        Ok(self.answer(&reply))
    }

    async fn pass(&mut self, password: &[u8]) -> Reply {
        let Some(name) = self.user.take() else { return Reply::err("Send USER first") };
        match sign_in::credentials(name.as_bytes(), password) {
            Some(credentials) => self.sign_in(&credentials).await,
            None => refused(),
        }
    }

    /// AUTH (RFC 5034 §4).
    async fn auth(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Result<Reply, Interrupt> {
        let exchanged = match mechanism {
            "PLAIN" => self.plain(initial).await,
            name if sign_in::scram_mechanisms(&self.conn, &self.services).contains(&name) => {
                self.scram(name, initial).await
            }
            _ => return Ok(Reply::err("Mechanism not supported")),
        };
        match exchanged {
            Ok(reply) | Err(Stopped::Reply(reply)) => Ok(reply),
            Err(Stopped::Interrupt(interrupt)) => Err(interrupt),
        }
    }

    async fn plain(&mut self, initial: Option<Vec<u8>>) -> Result<Reply, Stopped> {
        let message = self.first(initial).await?;
        Ok(match sign_in::plain_credentials(&message) {
            Some(credentials) => self.sign_in(&credentials).await,
            None => refused(),
        })
    }

    /// SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677).
    async fn scram(&mut self, mechanism: &str, initial: Option<Vec<u8>>) -> Result<Reply, Stopped> {
        let message = self.first(initial).await?;
        let refused = |error| Stopped::Reply(reply::of_sign_in(error));
        let exchange = Scram::begin(&self.conn, &self.services, mechanism, &message).await.map_err(refused)?;
        let last = self.challenge(exchange.challenge()).await?;
        let finished = exchange.finish(&mut self.conn, &self.services, Protocol::Pop3, &last).await;
        let (mailbox, answer) = finished.map_err(refused)?;
        if let Err(stopped) = self.challenge(&answer).await {
            self.conn.sign_out();
            return Err(stopped);
        }
        Ok(self.opened(mailbox).await)
    }

    /// The client's first message: what came with the command, or its answer to an empty challenge.
    async fn first(&mut self, initial: Option<Vec<u8>>) -> Result<Vec<u8>, Stopped> {
        match initial {
            Some(encoded) => decoded(&encoded),
            None => self.challenge("").await,
        }
    }

    async fn challenge(&mut self, text: &str) -> Result<Vec<u8>, Stopped> {
        self.conn.out().extend_from_slice(format!("+ {}\r\n", STANDARD.encode(text)).as_bytes());
        let line = self.next_line().await?.ok_or(Interrupt::Closed)?;
        if &line[..] == b"*" {
            return Err(Stopped::Reply(Reply::err("Authentication cancelled")));
        }
        decoded(&line)
    }

    async fn sign_in(&mut self, credentials: &Credentials) -> Reply {
        match sign_in::sign_in(&mut self.conn, &self.services, Protocol::Pop3, credentials).await {
            Ok(mailbox) => self.opened(mailbox).await,
            Err(error) => reply::of_sign_in(error),
        }
    }

    async fn opened(&mut self, mailbox: Arc<MailboxConfig>) -> Reply {
        match self.open_maildrop(mailbox).await {
            Ok(()) => Reply::ok("Signed in"),
            Err(error) => reply::of_store(&error),
        }
    }

    async fn open_maildrop(&mut self, mailbox: Arc<MailboxConfig>) -> Result<(), StoreError> {
        let store = &self.services.store;
        let store_ref = MailboxRef { id: mailbox.id, tenant: mailbox.tenant };
        let folders = store.folders(store_ref).await?;
        let id = folders.iter().find(|folder| folder.name.is_inbox()).ok_or(StoreError::NoSuchFolder)?.id;
        let mut inbox = store.open(store_ref, id).await?;
        let marks = store.pop3_marks(store_ref, id).await?;
        let state = inbox.state();
        let maildrop = Maildrop::new(state.uid_validity, state.rows_from(0), &marks);
        self.signed_in_as = Some(mailbox.address.to_string());
        self.open = Some(Open { mailbox, inbox, maildrop });
        Ok(())
    }

    /// STLS (RFC 2595 §4).
    async fn start_tls(&mut self) -> Result<Flow, Interrupt> {
        if !self.conn.may_start_tls() {
            return Ok(self.answer(&Reply::err("TLS is not available now")));
        }
        self.answer(&Reply::ok("Begin TLS"));
        self.conn.start_tls().await?;
        self.user = None;
        Ok(Flow::On)
    }

    fn mechanisms(&self) -> Vec<&'static str> {
        let scram = sign_in::scram_mechanisms(&self.conn, &self.services);
        std::iter::once("PLAIN").chain(scram.iter().copied()).collect()
    }

    /// CAPA (RFC 2449 §5).
    async fn capabilities(&mut self) {
        let mut all = vec!["+OK Capabilities", "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "UTF8"];
        let expire;
        let sasl = format!("SASL {}", self.mechanisms().join(" "));
        match &self.open {
            None => {
                if self.conn.may_login() {
                    all.extend(["USER", &sasl]);
                }
                if self.conn.may_start_tls() {
                    all.push("STLS");
                }
                // RFC 2449 §6.7: before login the smallest value that any user's policy may have, a day,
                // and USER, which tells the client to ask again.
                all.push("EXPIRE 1 USER");
            }
            Some(open) => {
                let policy = transaction::policy_now(&self.services, open).await.unwrap_or(open.mailbox.pop3_policy);
                expire = match policy.expire_days {
                    Some(days) => format!("EXPIRE {days}"),
                    None => "EXPIRE NEVER".to_owned(),
                };
                all.push(&expire);
            }
        }
        all.extend(["IMPLEMENTATION Facteur", "."]);
        let text = all.join("\r\n") + "\r\n";
        self.conn.out().extend_from_slice(text.as_bytes());
    }
}

fn decoded(line: &[u8]) -> Result<Vec<u8>, Stopped> {
    sign_in::decode_sasl(line).ok_or_else(|| Stopped::Reply(Reply::err("The response is not base64")))
}

fn refused() -> Reply {
    reply::of_sign_in(sign_in::SignInError::Refused)
}
