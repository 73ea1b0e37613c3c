//! The one way in for every protocol: throttle, look up, verify, admit.
//!
//! Invariant: unknown, wrong and disabled get the same error after the same work.

use super::MailboxConfig;
use crate::model::Protocol;
use std::net::IpAddr;
use std::sync::Arc;

/// Why a login did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Unknown, wrong, disabled or suspended: the peer cannot tell which.
    #[error("authentication failed")]
    Refused,
    /// Too many failures from this network or on this mailbox; answered like [`LoginError::Refused`] but
    /// may say that it is temporary.
    #[error("too many failed logins, try again later")]
    Throttled,
    /// The hashing lane is full, or the database does not answer: a temporary failure.
    #[error("temporary authentication failure")]
    Unavailable,
}

/// Checks logins; cheap to clone.
#[derive(Clone)]
pub struct Login {}

impl Login {
    /// Verifies a name (an address) and password for a protocol from a network address.
    pub async fn password(
        &self,
        protocol: Protocol,
        peer: IpAddr,
        name: &str,
        password: &[u8],
    ) -> Result<Arc<MailboxConfig>, LoginError> {
        let _ = (protocol, peer, name, password);
        todo!()
    }
}
