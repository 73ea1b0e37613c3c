//! Which mailboxes grew, or had no room: told to whoever warns of it.
//!
//! Invariant: no mail waits for it or fails for want of it.

use crate::model::ids::MailboxId;
use tokio::sync::mpsc;

/// Mailboxes that wait to be looked at; what comes beyond is not looked at until it grows again.
const WAITING: usize = 10_000;

/// A mailbox that grew, or could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// Which one.
    pub mailbox: MailboxId,
    /// Whether a message was refused for want of room.
    pub refused: bool,
}

/// Tells of mailboxes that grew; cheap to clone.
#[derive(Clone)]
pub struct Growth(mpsc::Sender<Grown>);

impl Growth {
    /// With the other end.
    pub fn new() -> (Self, mpsc::Receiver<Grown>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// A mailbox holds more than before.
    pub fn grew(&self, mailbox: MailboxId) {
        let _ = self.0.try_send(Grown { mailbox, refused: false });
    }

    /// A mailbox had no room for a message.
    pub fn refused(&self, mailbox: MailboxId) {
        let _ = self.0.try_send(Grown { mailbox, refused: true });
    }
}
