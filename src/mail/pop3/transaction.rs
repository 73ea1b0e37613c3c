//! A signed-in POP3 session (RFC 1939 §5, §6): STAT to DELE, and QUIT's update.
//!
//! Invariant: `+OK` to QUIT is sent only after the store has done all of it, synced; a
//! session that ends otherwise deletes nothing.

use super::command::Command;
use super::maildrop::{self, Entry, Maildrop};
use super::reply::{self, Reply};
use super::session::{Flow, Open, Session};
use super::stuffing::Stuffing;
use crate::mail::Services;
use crate::mail::conn::Interrupt;
use crate::model::Pop3Policy;

impl Session {
    pub(super) async fn transact(&mut self, command: Command) -> Result<Flow, Interrupt> {
        let Some(open) = &mut self.open else { return Ok(self.answer(&reply::not_now())) };
        let drop = &mut open.maildrop;
        let reply = match command {
            Command::Stat => {
                let (count, octets) = drop.stat();
                Reply::ok(format!("{count} {octets}"))
            }
            Command::List(Some(number)) => one(drop, number, |entry| entry.size.to_string()),
            Command::Uidl(Some(number)) => one(drop, number, |entry| drop.uidl(entry)),
            Command::List(None) => return self.list(|_, entry| entry.size.to_string()).await,
            Command::Uidl(None) => return self.list(Maildrop::uidl).await,
            Command::Retr(number) => return self.retrieve(number, Stuffing::whole(), true).await,
            Command::Top(number, lines) => return self.retrieve(number, Stuffing::top(lines), false).await,
            Command::Dele(number) if drop.delete(number) => Reply::ok("Marked for deletion"),
            Command::Dele(_) => reply::no_such_message(),
            Command::Rset => {
                drop.reset();
                let (count, octets) = drop.stat();
                Reply::ok(format!("{count} messages, {octets} octets"))
            }
            Command::Noop => Reply::ok(""),
            Command::Quit => {
                let reply = self.update().await;
                self.answer(&reply);
                return Ok(Flow::Close);
            }
            _ => reply::not_now(),
        };
        Ok(self.answer(&reply))
    }

    /// LIST and UIDL of all messages.
    async fn list(&mut self, text: impl Fn(&Maildrop, &Entry) -> String) -> Result<Flow, Interrupt> {
        let Some(open) = &self.open else { return Ok(self.answer(&reply::not_now())) };
        self.conn.out().extend_from_slice(b"+OK\r\n");
        for (number, entry) in open.maildrop.listed() {
            let line = format!("{number} {}\r\n", text(&open.maildrop, entry));
            self.conn.out().extend_from_slice(line.as_bytes());
            self.conn.flush_if_full().await?;
        }
        self.conn.out().extend_from_slice(b".\r\n");
        Ok(Flow::On)
    }

    /// The UPDATE state (RFC 1939 §6).
    async fn update(&mut self) -> Reply {
        let Some(open) = self.open.take() else { return Reply::ok("Bye") };
        // RFC 1939 §6: some deleted messages were not removed; here, none was.
        let nothing_deleted = || Reply::err("[SYS/TEMP] Nothing was deleted, try again later");
        // As it is now: a policy that was changed since the login ended no session, and holds for all the same.
        let Some(policy) = policy_now(&self.services, &open).await else { return nothing_deleted() };
        let finish = open.maildrop.finish(policy, self.services.clock.now());
        if maildrop::is_nothing(&finish) {
            return Reply::ok("Bye");
        }
        match self.services.store.pop3_finish(open.store_ref(), open.inbox.id(), finish).await {
            Ok(()) => Reply::ok("Bye"),
            Err(error) => {
                tracing::error!(%error, "a POP3 session could not be finished");
                nothing_deleted()
            }
        }
    }
}

/// What the server does now with what a session deletes and retrieves; none when that cannot be known.
pub(super) async fn policy_now(services: &Services, open: &Open) -> Option<Pop3Policy> {
    match services.directory.mailbox(open.mailbox.id).await {
        Ok(mailbox) => mailbox.map(|mailbox| mailbox.pop3_policy),
        Err(error) => {
            tracing::warn!(%error, "a POP3 policy cannot be read");
            None
        }
    }
}

/// A session ended without QUIT: what it retrieved is noted, nothing is deleted.
pub(super) async fn abandon(services: &Services, open: Open) {
    let finish = open.maildrop.abandon(services.clock.now());
    if maildrop::is_nothing(&finish) {
        return;
    }
    if let Err(error) = services.store.pop3_finish(open.store_ref(), open.inbox.id(), finish).await {
        tracing::warn!(%error, "what a POP3 session retrieved could not be noted");
    }
}

/// LIST and UIDL of one message.
fn one(drop: &Maildrop, number: u32, text: impl Fn(&Entry) -> String) -> Reply {
    match drop.get(number) {
        Some(entry) => Reply::ok(format!("{number} {}", text(entry))),
        None => reply::no_such_message(),
    }
}
