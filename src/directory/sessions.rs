//! The live sessions of this node: who is signed in, and the switch that ends each.
//!
//! It holds no sockets. Invariant: a session that is registered has been admitted by
//! configuration no older than what the directory has applied.

use super::{DirectoryError, MailboxConfig};
use crate::model::Protocol;
use crate::model::ids::{MailboxId, SessionId};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The protocol was switched off for the mailbox.
    ProtocolDisabled,
    /// The mailbox or its domain was suspended.
    Suspended,
    /// The password was changed.
    PasswordChanged,
    /// The mailbox was deleted or renamed.
    MailboxGone,
    /// Somebody ended it over the API.
    Closed,
    /// The server is shutting down.
    Shutdown,
}

impl EndReason {
    /// One sentence for the client, in the words every protocol uses.
    pub fn text(self) -> &'static str {
        match self {
            Self::ProtocolDisabled => "This protocol is disabled for the mailbox",
            Self::Suspended => "The mailbox is suspended",
            Self::PasswordChanged => "The password was changed, sign in again",
            Self::MailboxGone => "The mailbox no longer exists under this name",
            Self::Closed => "The session was ended by an administrator",
            Self::Shutdown => "The server is shutting down",
        }
    }

    /// True when signing in again at once will be refused.
    pub fn is_permanent(self) -> bool {
        matches!(self, Self::ProtocolDisabled | Self::Suspended | Self::MailboxGone)
    }
}

/// A live session as the API shows it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The session.
    pub id: SessionId,
    /// Whose.
    pub mailbox: MailboxId,
    /// By which protocol.
    pub protocol: Protocol,
    /// From where.
    pub peer: SocketAddr,
    /// Whether TLS protects it.
    pub tls: bool,
    /// Since when, Unix milliseconds.
    pub since: i64,
    /// The last command's name, without arguments.
    pub last_command: &'static str,
    /// When it came, Unix milliseconds.
    pub last_command_at: i64,
}

/// The live sessions; cheap to clone.
#[derive(Clone)]
pub struct Sessions {}

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The mailbox has as many sessions as it may have.
    #[error("too many sessions of this mailbox")]
    TooMany,
    /// Configuration changed since the login and no longer admits it.
    #[error("no longer admitted")]
    Denied(EndReason),
    /// The directory could not be asked.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

impl Sessions {
    /// Registers a signed-in session; looks at the newest configuration once more, so
    /// that a change between login and registration is not missed.
    pub async fn open(
        &self,
        mailbox: Arc<MailboxConfig>,
        protocol: Protocol,
        peer: SocketAddr,
        tls: bool,
    ) -> Result<SessionGuard, OpenError> {
        let _ = (mailbox, protocol, peer, tls);
        todo!()
    }

    /// The sessions of a mailbox.
    pub fn of_mailbox(&self, mailbox: MailboxId) -> Vec<SessionInfo> {
        let _ = mailbox;
        todo!()
    }

    /// Ends one session of a mailbox; false when there is none of that id.
    pub fn end(&self, mailbox: MailboxId, session: SessionId) -> bool {
        let _ = (mailbox, session);
        todo!()
    }

    /// How many sessions are open.
    pub fn count(&self) -> usize {
        todo!()
    }
}

/// A registered session; unregisters itself when dropped.
pub struct SessionGuard {}

impl SessionGuard {
    /// The session.
    pub fn id(&self) -> SessionId {
        todo!()
    }

    /// Notes the command that has just come; `name` without arguments.
    pub fn command(&self, name: &'static str) {
        let _ = name;
    }

    /// Why it must end, once it must.
    pub fn ending(&self) -> Option<EndReason> {
        todo!()
    }

    /// Waits until it must end. Cancel-safe.
    pub async fn ended(&self) -> EndReason {
        todo!()
    }
}
