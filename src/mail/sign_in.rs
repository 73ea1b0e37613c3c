//! Login as every mail protocol does it: credentials in, a registered session out.
//!
//! It knows no protocol's words; each maps [`SignInError`] to its own. Invariant: a
//! session counts as signed in only once `Sessions::open` has admitted it.

use super::Services;
use super::conn::Conn;
use crate::auth::scram::{self, Binding, Challenge, ClientFirst};
use crate::directory::sessions::OpenError;
use crate::directory::{Admitted, EndReason, LoginError, MailboxConfig};
use crate::model::{Protocol, bounds};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// A name and a password; never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name, which is an address.
    pub name: String,
    /// The password's octets.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a peer is not signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInError {
    /// Unknown, wrong, disabled: which one is not told.
    Refused,
    /// Too many failures; temporary.
    Throttled,
    /// Our own fault; temporary.
    Unavailable,
    /// The mailbox has too many sessions; temporary.
    TooMany,
    /// Configuration changed while the login was checked.
    Denied(EndReason),
}

/// Checks credentials and ties the conversation to a registered session.
///
/// # Errors
/// [`SignInError`]; the conversation may go on.
pub async fn sign_in(
    conn: &mut Conn,
    services: &Services,
    protocol: Protocol,
    credentials: &Credentials,
) -> Result<Arc<MailboxConfig>, SignInError> {
    let peer = conn.peer();
    let tls = conn.is_tls();
    let checked = services.login.password(protocol, peer.ip(), tls, &credentials.name, &credentials.password).await;
    open(conn, services, protocol, checked?).await
}

impl From<LoginError> for SignInError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused => Self::Refused,
            LoginError::Throttled => Self::Throttled,
            LoginError::Unavailable => Self::Unavailable,
        }
    }
}

/// Registers the session of an admitted login.
async fn open(
    conn: &mut Conn,
    services: &Services,
    protocol: Protocol,
    admitted: Admitted,
) -> Result<Arc<MailboxConfig>, SignInError> {
    let (peer, tls) = (conn.peer(), conn.is_tls());
    let opened = services.directory.sessions().open(admitted.clone(), protocol, peer, tls).await;
    let guard = opened.map_err(|error| match error {
        OpenError::TooMany => {
            services.login.found_no_place(&admitted, protocol, peer.ip(), tls);
            SignInError::TooMany
        }
        OpenError::Denied(reason) => SignInError::Denied(reason),
        OpenError::Directory(_) => SignInError::Unavailable,
    })?;
    conn.sign_in(Arc::new(guard));
    Ok(admitted.mailbox)
}

/// The mechanisms of SCRAM that can be offered on a connection.
pub fn scram_mechanisms(conn: &Conn, services: &Services) -> &'static [&'static str] {
    match (services.login.offers_scram(), conn.can_bind()) {
        (false, _) => &[],
        (true, false) => &scram::NAMES[..1],
        (true, true) => &scram::NAMES,
    }
}

/// A SCRAM exchange whose client has been told how its password is salted (RFC 5802 §5).
pub struct Scram {
    challenge: Challenge,
    /// What the client binds its login to.
    channel: Vec<u8>,
}

impl Scram {
    /// Takes the client's first message.
    ///
    /// # Errors
    /// [`SignInError::Refused`] for a message that is none, or whose binding does not go with mechanism or connection.
    pub async fn begin(conn: &Conn, services: &Services, mechanism: &str, message: &[u8]) -> Result<Self, SignInError> {
        let first = ClientFirst::new(message).ok_or(SignInError::Refused)?;
        let bound = mechanism == scram::NAMES[1];
        let channel = match &first.binding {
            Binding::By(name) if bound => conn.channel_binding(name).ok_or(SignInError::Refused)?,
            Binding::Unable if !bound => Vec::new(),
            // RFC 5802 §6: a client that believes that we cannot bind was lied to if we can.
            Binding::NotOffered if !bound && !conn.can_bind() => Vec::new(),
            _ => return Err(SignInError::Refused),
        };
        let salting = services.login.salting(&first.name).await?;
        Ok(Self { challenge: Challenge::new(first, salting), channel })
    }

    /// What is sent to the client then.
    pub fn challenge(&self) -> &str {
        self.challenge.text()
    }

    /// Takes the client's last message; answers like [`sign_in`], and what proves to the client who we are.
    ///
    /// # Errors
    /// [`SignInError`]; the conversation may go on.
    pub async fn finish(
        self,
        conn: &mut Conn,
        services: &Services,
        protocol: Protocol,
        message: &[u8],
    ) -> Result<(Arc<MailboxConfig>, String), SignInError> {
        let name = self.challenge.name().to_owned();
        let proof = self.challenge.proof(message, &self.channel).ok_or(SignInError::Refused)?;
        let (peer, tls) = (conn.peer().ip(), conn.is_tls());
        let (admitted, answer) = services.login.scram(protocol, peer, tls, &name, &proof).await?;
        Ok((open(conn, services, protocol, admitted).await?, answer))
    }
}

/// Decodes one base64 line of a SASL exchange; `=` is the empty response (RFC 4954 §4, RFC 5034 §4).
pub fn decode_sasl(line: &[u8]) -> Option<Vec<u8>> {
    if line == b"=" { Some(Vec::new()) } else { STANDARD.decode(line).ok() }
}

/// The message of SASL PLAIN: `authzid NUL authcid NUL passwd` (RFC 4616 §2).
/// An authorization identity other than the name itself is refused: nobody acts for another here.
pub fn plain_credentials(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.split(|octet| *octet == 0);
    let (authzid, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !(authzid.is_empty() || authzid == name) {
        return None;
    }
    credentials(name, password)
}

/// A name and a password from raw octets; `None` when they cannot be either.
pub fn credentials(name: &[u8], password: &[u8]) -> Option<Credentials> {
    if name.is_empty() || password.is_empty() || password.len() > bounds::PASSWORD_OCTETS {
        return None;
    }
    let name = std::str::from_utf8(name).ok()?.to_owned();
    Some(Credentials { name, password: password.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_takes_one_identity() {
        let name = |message: &[u8]| plain_credentials(message).map(|c| c.name);
        assert_eq!(name(b"\0a@b.c\0pw").as_deref(), Some("a@b.c"));
        assert_eq!(name(b"a@b.c\0a@b.c\0pw").as_deref(), Some("a@b.c"));
        for bad in [&b"x\0a\0pw"[..], b"", b"\0", b"\0\0", b"\0a\0", b"\0\0pw", b"\0a\0p\0w", b"\0\xff\0pw"] {
            assert_eq!(name(bad), None);
        }
        assert_eq!(decode_sasl(b"="), Some(vec![]));
        assert_eq!(decode_sasl(b"!!"), None);
    }
}
