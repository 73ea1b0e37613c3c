//! The way out for mail of Facteur's own: one server of the operator's choice, spoken to by lettre.
//!
//! It carries finished messages and knows nothing of what they say. Mail of mailboxes does not go this way. Invariant: a
//! password goes out over TLS, or to this machine.

use crate::model::{EmailAddress, bounds};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

/// How TLS protects the way to the smarthost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmarthostTls {
    /// By STARTTLS (RFC 3207), or nothing is sent.
    StartTls,
    /// From the first octet (RFC 8314 §3.3).
    Implicit,
    /// Not at all.
    Never,
}

/// Why a message is not with the smarthost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub struct SmarthostError {
    text: String,
    /// Whether trying again is of no use.
    pub permanent: bool,
}

/// The smarthost; cheap to clone.
#[derive(Clone)]
pub struct Smarthost {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smarthost {
    /// A server, and user and password there.
    ///
    /// # Errors
    /// The name is none that a certificate could be for.
    pub fn new(
        host: &str,
        port: u16,
        tls: SmarthostTls,
        login: Option<(String, String)>,
    ) -> Result<Self, SmarthostError> {
        let parameters = || TlsParameters::new(host.to_owned()).map_err(|e| wrong(&e.to_string(), true));
        let tls = match tls {
            SmarthostTls::StartTls => Tls::Required(parameters()?),
            SmarthostTls::Implicit => Tls::Wrapper(parameters()?),
            SmarthostTls::Never => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .timeout(Some(bounds::SMARTHOST_TIME));
        if let Some((user, password)) = login {
            transport = transport.credentials(Credentials::new(user, password));
        }
        Ok(Self { transport: transport.build() })
    }

    /// Hands over a message.
    ///
    /// # Errors
    /// It is not with the smarthost, or nobody can tell.
    pub async fn send(&self, from: &EmailAddress, to: &EmailAddress, message: &[u8]) -> Result<(), SmarthostError> {
        let address = |address: &EmailAddress| {
            address.to_string().parse::<Address>().map_err(|e| wrong(&format!("{address}: {e}"), true))
        };
        let envelope = lettre::address::Envelope::new(Some(address(from)?), vec![address(to)?]);
        let envelope = envelope.map_err(|e| wrong(&e.to_string(), true))?;
        let sent = tokio::time::timeout(2 * bounds::SMARTHOST_TIME, self.transport.send_raw(&envelope, message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(wrong(&error.to_string(), error.is_permanent())),
            Err(_) => Err(wrong("the smarthost takes too long", false)),
        }
    }
}

/// What others said is cut to what a row and a log line hold.
fn wrong(text: &str, permanent: bool) -> SmarthostError {
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    SmarthostError { text, permanent }
}
