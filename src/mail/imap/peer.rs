//! The client of a session: its connection, what it enabled, whose mailbox it signed in to.
//!
//! It holds no protocol state; that is [`super::session`]'s. Invariant: an [`Account`]
//! exists only after a login that is registered with the directory's sessions.

use super::command::MailboxName;
use super::progress::Progress;
use super::reply::{Reply, Stop};
use crate::directory::MailboxConfig;
use crate::mail::Services;
use crate::mail::conn::Conn;
use crate::model::{FolderName, Quota};
use crate::store::{MailboxRef, Store};
use std::sync::Arc;

/// Extensions that change answers once the client has asked for them (RFC 9051 §6.3.1).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enabled {
    /// IMAP4rev2: no RECENT, ESEARCH instead of SEARCH, names in UTF-8.
    pub(super) rev2: bool,
    /// FETCH answers carry MODSEQ (RFC 7162 §3.1).
    pub(super) condstore: bool,
    /// VANISHED instead of EXPUNGE (RFC 7162 §3.2).
    pub(super) qresync: bool,
    /// UIDs only: no message is named by its number (RFC 9586).
    pub(super) uid_only: bool,
    /// Names and headers in UTF-8 (RFC 6855 §3).
    pub(super) utf8: bool,
}

impl Enabled {
    /// Whether folder names are sent as UTF-8 rather than modified UTF-7 (RFC 9051 §5.1, RFC 6855 §3).
    pub(super) fn utf8_names(self) -> bool {
        self.rev2 || self.utf8
    }
}

/// The other side of a session.
pub(super) struct Peer {
    /// Its connection.
    pub(super) conn: Conn,
    /// What the session may use.
    pub(super) services: Arc<Services>,
    /// What it enabled.
    pub(super) enabled: Enabled,
    /// How far the command that is being answered has come.
    pub(super) progress: Progress,
}

impl Peer {
    /// What is queued for the client.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        self.conn.out()
    }

    /// The message store.
    pub(super) fn store(&self) -> Store {
        self.services.store.clone()
    }
}

/// The mailbox of a signed-in session.
pub(super) struct Account {
    /// As it was at login.
    pub(super) config: Arc<MailboxConfig>,
}

impl Account {
    /// The mailbox as the store knows it.
    pub(super) fn mailbox(&self) -> MailboxRef {
        MailboxRef { id: self.config.id, tenant: self.config.tenant }
    }

    /// Its limits now: they may have changed since the login.
    pub(super) async fn quota(&self, services: &Services) -> Result<Quota, Stop> {
        match services.directory.mailbox(self.config.id).await {
            Ok(Some(config)) => Ok(config.quota),
            Ok(None) => Ok(self.config.quota),
            Err(error) => {
                tracing::warn!(%error, "no answer from the directory");
                Err(Reply::no("The directory does not answer, try again later").with("UNAVAILABLE").into())
            }
        }
    }
}

/// The text of a name that is to be made or changed.
pub(super) fn new_name(peer: &Peer, name: &MailboxName) -> Result<FolderName, Stop> {
    // RFC 5530 §3: CANNOT for what no folder can be called.
    name.folder(peer.enabled.utf8_names())
        .ok_or_else(|| Reply::no("No folder can have that name").with("CANNOT").into())
}
