//! What opens a mailbox beside its own password, as the login sees it.
//!
//! Its text has 120 random bits and was chosen by the server: no list and no lifetime of guessing finds it, so a plain
//! SHA-256 keeps it as safely as argon2 keeps what people think up, and a login with it costs a microsecond.
//! Invariant: an app password opens what it names, from where it says, until it ends, and nothing else.

use super::MailboxConfig;
use crate::auth::tokens;
use crate::db::app_passwords::AppPasswordRow;
use crate::model::ids::AppPasswordId;
use crate::model::{Network, Protocol};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// An app password.
#[derive(Debug, Clone)]
pub struct AppPassword {
    id: AppPasswordId,
    secret_hash: [u8; 32],
    protocols: Box<[Protocol]>,
    allow_from: Box<[Network]>,
    expires_at: Option<i64>,
}

impl AppPassword {
    pub(super) fn of(row: &AppPasswordRow) -> Option<Self> {
        Some(Self {
            id: row.id,
            secret_hash: row.secret_hash.as_slice().try_into().ok()?,
            protocols: row.protocols.clone().into(),
            allow_from: row.allow_from.clone().into(),
            expires_at: row.expires_at,
        })
    }

    pub(super) fn admits(&self, protocol: Protocol, peer: IpAddr, now: i64) -> bool {
        self.protocols.contains(&protocol)
            && (self.allow_from.is_empty() || self.allow_from.iter().any(|network| network.contains(peer)))
            && self.expires_at.is_none_or(|at| at > now)
    }
}

impl MailboxConfig {
    /// The app password whose text this is.
    pub(super) fn app_password_of(&self, password: &[u8]) -> Option<AppPasswordId> {
        let text = std::str::from_utf8(password).ok().filter(|_| !self.app_passwords.is_empty())?;
        let hash = tokens::token_hash(text);
        self.app_passwords.iter().find(|app| bool::from(app.secret_hash.ct_eq(&hash))).map(|app| app.id)
    }

    pub(super) fn app_password(&self, id: AppPasswordId) -> Option<&AppPassword> {
        self.app_passwords.iter().find(|app| app.id == id)
    }

    /// Whether a right password, an app password or the mailbox's own, opens a protocol.
    pub(super) fn is_opened_by(&self, app: Option<AppPasswordId>, protocol: Protocol, peer: IpAddr, now: i64) -> bool {
        match app {
            Some(id) => self.app_password(id).is_some_and(|app| app.admits(protocol, peer, now)),
            None => !self.app_passwords_only,
        }
    }
}

/// A mailbox that somebody has signed in to, and with what.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The mailbox.
    pub mailbox: Arc<MailboxConfig>,
    /// The app password; none is the mailbox's own.
    pub app_password: Option<AppPasswordId>,
}

impl From<Arc<MailboxConfig>> for Admitted {
    fn from(mailbox: Arc<MailboxConfig>) -> Self {
        Self { mailbox, app_password: None }
    }
}

impl std::ops::Deref for Admitted {
    type Target = MailboxConfig;

    fn deref(&self) -> &MailboxConfig {
        &self.mailbox
    }
}
