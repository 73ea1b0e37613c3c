//! The read side of configuration, as the mail services see it.
//!
//! It reads through to the database on a miss, keeps what is in use, and drops what a
//! revision touches. It never writes configuration and never holds all of it.
//! Invariant: after [`Directory::wait_applied`] of a revision, no answer here is older.

pub mod login;
pub mod sessions;

pub use login::{Login, LoginError};
pub use sessions::{EndReason, SessionGuard, SessionInfo, Sessions};

use crate::model::ids::{DomainId, MailboxId, TenantId};
use crate::model::{DomainName, EmailAddress, Pop3Policy, Protocol, Quota, Revision, SettingLevel};
use std::sync::Arc;

/// The database did not answer; the caller answers with a temporary failure.
#[derive(Debug, thiserror::Error)]
#[error("the directory cannot answer now: {0}")]
pub struct DirectoryError(pub String);

/// A mailbox with everything a mail service asks about it, settings already resolved.
#[derive(Debug, Clone)]
pub struct MailboxConfig {
    /// The mailbox.
    pub id: MailboxId,
    /// Its domain.
    pub domain: DomainId,
    /// The tenant that owns the domain.
    pub tenant: TenantId,
    /// Its address.
    pub address: EmailAddress,
    /// The stored password hash, with its scheme; `None` when no password is set.
    pub password_hash: Option<Arc<str>>,
    /// Rises with every change of the password: what was verified before is void.
    pub password_epoch: i64,
    /// Its limits.
    pub quota: Quota,
    /// Effective access per protocol, in the order of [`Protocol::ALL`].
    pub access: [Access; 3],
    /// What POP3's DELE does, and expiry.
    pub pop3_policy: Pop3Policy,
    /// False while a suspension refuses incoming mail for now.
    pub may_receive: bool,
    /// False while a suspension refuses what it submits.
    pub may_send: bool,
    /// The revision this was read at.
    pub as_of: Revision,
}

/// An effective protocol setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Whether the protocol may be used now.
    pub allowed: bool,
    /// The level that decided.
    pub source: SettingLevel,
}

impl MailboxConfig {
    /// The effective setting of one protocol.
    pub fn access(&self, protocol: Protocol) -> Access {
        match protocol {
            Protocol::Imap => self.access[0],
            Protocol::Pop3 => self.access[1],
            Protocol::Submission => self.access[2],
        }
    }

    /// The mailbox as the store knows it.
    pub fn store_ref(&self) -> crate::model::ids::MailboxId {
        self.id
    }
}

/// Where an address delivers.
#[derive(Debug, Clone)]
pub enum Route {
    /// To these mailboxes (one for a mailbox's own address, several for an alias).
    Local {
        /// The mailboxes, without repeats.
        mailboxes: Vec<Arc<MailboxConfig>>,
        /// Targets of an alias that are not ours; refused until outbound delivery exists.
        remote: Vec<EmailAddress>,
    },
    /// The domain is ours, the address is not (`550 5.1.1`).
    UnknownAddress,
    /// The domain is not ours: a remote recipient.
    NotLocal,
}

/// What a revision did to this node's live sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Applied {
    /// Sessions it ended.
    pub sessions_closed: u64,
    /// Sessions of the touched mailboxes that go on.
    pub sessions_remaining: u64,
}

/// The directory of this node; cheap to clone.
#[derive(Clone)]
pub struct Directory {}

impl Directory {
    /// A mailbox by its address (aliases do not count).
    pub async fn mailbox_by_address(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        let _ = address;
        todo!()
    }

    /// A mailbox by its id.
    pub async fn mailbox(&self, id: MailboxId) -> Result<Option<Arc<MailboxConfig>>, DirectoryError> {
        let _ = id;
        todo!()
    }

    /// Where an address delivers: mailbox, then alias (followed to depth
    /// [`crate::model::bounds::ALIAS_DEPTH`], fan-out bounded).
    pub async fn route(&self, address: &EmailAddress) -> Result<Route, DirectoryError> {
        let _ = address;
        todo!()
    }

    /// Whether mail for a domain is delivered here.
    pub async fn is_local(&self, domain: &DomainName) -> Result<bool, DirectoryError> {
        let _ = domain;
        todo!()
    }

    /// Whether this mailbox may send with this address: its own, or an alias that delivers to it (RFC 6409 §6.1).
    pub async fn may_send_as(&self, mailbox: &MailboxConfig, sender: &EmailAddress) -> Result<bool, DirectoryError> {
        let _ = (mailbox, sender);
        todo!()
    }

    /// The newest revision this node obeys.
    pub fn applied(&self) -> Revision {
        todo!()
    }

    /// Waits until this node obeys `revision`; returns what that one did to sessions here.
    pub async fn wait_applied(&self, revision: Revision) -> Applied {
        let _ = revision;
        todo!()
    }

    /// The live sessions of this node.
    pub fn sessions(&self) -> &Sessions {
        todo!()
    }
}
