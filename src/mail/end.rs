//! The end of a session: its connection closed, and the one line that the log keeps of it.
//!
//! The same line for every protocol, so that one search finds a mailbox's or a network's sessions in all of them.

use super::conn::Conn;

/// What the log says of a session beside its peer and its traffic.
pub(super) struct SessionEnd<'a> {
    /// `imap`, `pop3` or `smtp`.
    pub protocol: &'static str,
    /// The address that signed in.
    pub mailbox: Option<&'a str>,
    /// Commands that were carried out, where the protocol counts them.
    pub commands: Option<u64>,
    /// Commands that were wrong.
    pub errors: usize,
    /// Why it ended.
    pub reason: &'static str,
}

impl SessionEnd<'_> {
    /// Sends what is queued, closes the connection and writes the line.
    pub(super) async fn close(self, conn: Conn) {
        let peer = conn.peer();
        let traffic = conn.close().await;
        tracing::info!(
            protocol = self.protocol,
            peer = %peer,
            mailbox = self.mailbox.unwrap_or("-"),
            commands = self.commands,
            errors = self.errors,
            received = traffic.received,
            sent = traffic.sent,
            reason = self.reason,
            "session ended"
        );
    }
}
