//! One SMTP conversation: commands in, one reply each, in order.
//!
//! It decides nothing about addresses (`recipients`) or octets (`receive`). Invariant:
//! every line gets exactly one reply, and whoever ends the conversation says why.

use super::Role;
use super::command::{self, Command};
use super::incoming::Incoming;
use super::reply::{self, Reply};
use super::state::{Greeting, State};
use super::wire::{Line, LineReader};
use crate::directory::MailboxConfig;
use crate::mail::Services;
use crate::mail::conn::{Conn, Interrupt};
use crate::mail::end::SessionEnd;
use crate::mail::sign_in;
use crate::model::bounds;
use std::sync::Arc;

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The next line.
    On,
    /// The last reply is queued.
    Close,
}

/// A conversation.
pub(super) struct Session {
    pub(super) conn: Conn,
    pub(super) services: Arc<Services>,
    pub(super) role: Role,
    pub(super) state: State<Incoming>,
    pub(super) lines: LineReader,
    /// Who is signed in.
    pub(super) login: Option<Arc<MailboxConfig>>,
    errors: usize,
    junk: usize,
}

/// Converses until either side ends it.
pub async fn serve(conn: Conn, services: Arc<Services>, role: Role) {
    let mut session = Session {
        conn,
        services,
        role,
        state: State::new(),
        lines: LineReader::default(),
        login: None,
        errors: 0,
        junk: 0,
    };
    let reason = match session.run().await {
        Ok(()) => "closed",
        Err(Interrupt::Closed) => "closed by the client",
        // RFC 5321 §3.8: 421 before closing for reasons of our own.
        Err(Interrupt::TimedOut) => {
            session.answer(&Reply::new(421, "4.4.2", "Idle or too slow for too long, closing"));
            "timed out"
        }
        Err(Interrupt::Ended(reason)) => {
            session.answer(&Reply::new(421, "4.3.2", reason.text()));
            reason.text()
        }
    };
    let mailbox = session.login.as_ref().map(|mailbox| mailbox.address.to_string());
    let end =
        SessionEnd { protocol: "smtp", mailbox: mailbox.as_deref(), commands: None, errors: session.errors, reason };
    end.close(session.conn).await;
}

impl Session {
    async fn run(&mut self) -> Result<(), Interrupt> {
        // RFC 5321 §4.3.1: the client waits for the greeting; who does not is no mail server.
        if self.role == Role::Mx && !self.conn.is_tls() && self.conn.has_spoken(bounds::SMTP_EARLY_TALK_TIME).await {
            self.answer(&Reply::new(554, "5.5.1", "You spoke before the greeting"));
            return Ok(());
        }
        let greeting = Reply::bare(220, format!("{} ESMTP Facteur", self.services.host));
        self.answer(&greeting);
        loop {
            let flow = match self.lines.take(self.conn.input()) {
                None => {
                    self.read_line().await?;
                    continue;
                }
                Some(Line::Complete(line)) => self.line(&line).await?,
                Some(Line::Malformed) => {
                    self.answer(&Reply::new(500, "5.5.2", "The line is too long or not ended by CR LF"))
                }
                Some(Line::Endless) => {
                    self.answer(&Reply::new(500, "5.5.2", "The line does not end"));
                    Flow::Close
                }
            };
            if flow == Flow::Close {
                return Ok(());
            }
            self.conn.flush_if_full().await?;
        }
    }

    /// Waits for a line, or for the rest of one.
    pub(super) async fn read_line(&mut self) -> Result<(), Interrupt> {
        if self.conn.input().is_empty() && !self.lines.is_within_line() {
            return self.conn.read_more(bounds::SMTP_IDLE_TIME).await;
        }
        self.conn.read_rest(bounds::SMTP_IDLE_TIME).await
    }

    /// Queues a reply and counts errors.
    pub(super) fn answer(&mut self, reply: &Reply) -> Flow {
        reply.write(self.conn.out());
        if reply.code == 421 {
            return Flow::Close;
        }
        if reply.is_error() {
            self.errors += 1;
        }
        if self.errors <= bounds::SMTP_ERRORS {
            return Flow::On;
        }
        Reply::new(421, "4.7.0", "Too many errors, closing").write(self.conn.out());
        Flow::Close
    }

    async fn line(&mut self, line: &[u8]) -> Result<Flow, Interrupt> {
        if let Some(reason) = self.conn.guard().and_then(|guard| guard.ending()) {
            return Err(Interrupt::Ended(reason));
        }
        match command::parse(line) {
            Ok(command) => {
                if let Some(guard) = self.conn.guard() {
                    guard.command(command.name());
                }
                self.command(command).await
            }
            Err(refusal) => Ok(self.answer(&refusal)),
        }
    }

    async fn command(&mut self, command: Command) -> Result<Flow, Interrupt> {
        let reply = match command {
            Command::Helo(name) => self.hello(name, false),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Mail { .. } if self.state.opened() >= bounds::SMTP_TRANSACTIONS => {
                // RFC 9422 §4.1
                Reply::new(421, "4.7.0", "Too many transactions in one connection")
            }
            Command::Mail { sender, parameters } => self.mail(sender, parameters).await,
            Command::Rcpt(path) => self.rcpt(path).await,
            Command::Data => return self.data().await,
            Command::Bdat { size, last } => return self.bdat(size, last).await,
            Command::UnreadableBdat => {
                self.answer(&reply::bad_argument("The size of the chunk cannot be read"));
                return Ok(Flow::Close);
            }
            Command::StartTls => return self.start_tls().await,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await?,
            Command::Quit => {
                self.answer(&Reply::new(221, "2.0.0", "Bye"));
                return Ok(Flow::Close);
            }
            Command::Foreign => {
                self.answer(&Reply::new(421, "4.7.0", "This is a mail server"));
                return Ok(Flow::Close);
            }
            other => self.small_talk(&other),
        };
        Ok(self.answer(&reply))
    }

    /// Commands that move no mail; bounded, since they cost nothing to send.
    fn small_talk(&mut self, command: &Command) -> Reply {
        self.junk += 1;
        if self.junk > bounds::SMTP_JUNK_COMMANDS {
            return Reply::new(421, "4.7.0", "Too many commands without mail");
        }
        match command {
            Command::Rset => {
                self.state.reset();
                reply::ok()
            }
            Command::Noop => reply::ok(),
            Command::Help => Reply::new(214, "2.0.0", "See RFC 5321"),
            // RFC 5321 §7.3: says nothing about who exists.
            Command::Vrfy => Reply::new(252, "2.1.5", "Send some mail, it will be tried"),
            _ => Reply::new(502, "5.5.1", "Command not implemented"),
        }
    }

    fn hello(&mut self, name: String, extended: bool) -> Reply {
        self.state.greet(Greeting { name, extended });
        let mut text = self.services.host.to_string();
        if extended {
            for line in self.extensions() {
                text.push('\n');
                text.push_str(&line);
            }
        }
        Reply::bare(250, text)
    }

    fn extensions(&self) -> Vec<String> {
        let fixed = ["PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES", "DSN", "HELP"];
        let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
        all.push(format!("SIZE {}", bounds::MESSAGE_OCTETS));
        // RFC 9422 §4
        all.push(format!("LIMITS RCPTMAX={} MAILMAX={}", bounds::SMTP_RECIPIENTS, bounds::SMTP_TRANSACTIONS));
        if self.conn.may_start_tls() {
            all.push("STARTTLS".to_owned());
        }
        if self.offers_auth() {
            let scram = sign_in::scram_mechanisms(&self.conn, &self.services);
            let all_mechanisms = ["PLAIN", "LOGIN"].iter().chain(scram).copied();
            all.push(format!("AUTH {}", all_mechanisms.collect::<Vec<_>>().join(" ")));
        }
        all
    }

    /// STARTTLS (RFC 3207 §4).
    async fn start_tls(&mut self) -> Result<Flow, Interrupt> {
        if self.conn.is_tls() || self.login.is_some() {
            return Ok(self.answer(&reply::bad_sequence("STARTTLS is not in order now")));
        }
        if !self.conn.may_start_tls() {
            return Ok(self.answer(&Reply::new(454, "4.7.0", "TLS is not available")));
        }
        self.answer(&Reply::new(220, "2.0.0", "Ready to start TLS"));
        self.conn.start_tls().await?;
        self.state.forget();
        self.lines = LineReader::default();
        Ok(Flow::On)
    }
}
