//! The process environment, parsed once: `facteur.toml` below `FACTEUR_*` variables.
//!
//! These settings hold for the life of the process; what changes live is configuration
//! and comes from the API. Invariant: every mistake is reported, not only the first.

mod keys;
mod parse;

pub use keys::KEYS;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A listener's address, or none when it is switched off.
pub type Listen = Option<SocketAddr>;

/// Everything the process is told from outside.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our host name in greetings, `Received` fields and the self-signed certificate.
    pub host: String,
    /// The data folder.
    pub data: PathBuf,
    /// Where configuration and, on PostgreSQL, messages are kept.
    pub database: Database,
    /// The listeners.
    pub listen: Listeners,
    /// Certificate chain and key; `None` for the self-signed one of the data folder.
    pub tls: Option<crate::net::TlsIdentity>,
    /// Whether loopback may sign in to mail protocols without TLS.
    pub loopback_login: bool,
    /// Whether other machines may speak HTTP without TLS (behind a proxy that does TLS).
    pub plain_http: bool,
    /// Requests a minute that the API answers to one caller; 0 sets no limit.
    pub caller_rate: u32,
    /// Requests a minute that the API answers to one network whose callers are not known; 0 sets no limit.
    pub network_rate: u32,
    /// The shares of a quota that mailboxes are warned of, in percent, rising.
    pub quota_shares: Vec<u8>,
    /// The language of mails that we write ourselves.
    pub language: crate::delivery::quota_warning::Language,
    /// Networks that webhooks may call beside public addresses.
    pub outbound_allow: Vec<ipnet::IpNet>,
    /// What links in mail begin with.
    pub link_url: String,
    /// The address that mail of Facteur's own comes from.
    pub mail_from: crate::model::EmailAddress,
    /// What takes mail of Facteur's own for addresses elsewhere.
    pub smarthost: Option<Smarthost>,
    /// How long revisions are kept before they are exported; `None` for ever.
    pub history: Option<std::time::Duration>,
    /// Free octets of the data folder below which no mail is accepted.
    pub min_free: u64,
    /// The password of the first operator instead of a generated one.
    pub operator_password: Option<Secret>,
    /// The filter of log lines, as `tracing` writes it.
    pub log: String,
    /// Log lines as JSON objects.
    pub log_json: bool,
}

/// A text that never shows itself in a log.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// A server that takes mail for elsewhere.
#[derive(Debug, Clone)]
pub struct Smarthost {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How TLS protects the way there.
    pub tls: crate::net::SmarthostTls,
    /// User and password.
    pub login: Option<(String, Secret)>,
}

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// SQLite files in the data folder.
    Sqlite,
    /// PostgreSQL at this URL (it may hold a password).
    Postgres(Secret),
}

/// One address per listener.
#[derive(Debug, Clone, Copy)]
pub struct Listeners {
    /// The API.
    pub http: Listen,
    /// SMTP from other servers.
    pub mx: Listen,
    /// Submission with STARTTLS.
    pub submission: Listen,
    /// Submission inside TLS.
    pub submissions: Listen,
    /// IMAP with STARTTLS.
    pub imap: Listen,
    /// IMAP inside TLS.
    pub imaps: Listen,
    /// POP3 with STLS.
    pub pop3: Listen,
    /// POP3 inside TLS.
    pub pop3s: Listen,
}

/// A mistake in the settings: where it stands and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key or variable.
    pub place: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Settings {
    /// Reads the file (`--config`, else `FACTEUR_CONFIG`, else `facteur.toml` if it is there) and the environment.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn load(config: Option<&Path>) -> Result<Self, Vec<Mistake>> {
        let environment: BTreeMap<String, String> =
            std::env::vars().filter(|(name, _)| name.starts_with("FACTEUR_")).collect();
        let named = config.map(Path::to_owned).or_else(|| environment.get("FACTEUR_CONFIG").map(PathBuf::from));
        let text = match named {
            Some(path) => std::fs::read_to_string(&path).map_err(|error| {
                vec![Mistake { place: path.display().to_string(), problem: format!("cannot be read: {error}") }]
            })?,
            None => std::fs::read_to_string("facteur.toml").unwrap_or_default(),
        };
        Self::parse(&text, &environment)
    }

    /// Parses a file's text and the variables; the variables win.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn parse(file: &str, environment: &BTreeMap<String, String>) -> Result<Self, Vec<Mistake>> {
        parse::settings(file, environment)
    }
}

/// What the environment says to the command line as a client of the API; nothing of it is a setting of the server.
#[derive(Debug, Clone, Default)]
pub struct ApiAccess {
    /// `FACTEUR_API`: where the API is.
    pub url: Option<String>,
    /// `FACTEUR_API_KEY`: an API key to use instead of a sign-in.
    pub key: Option<String>,
    /// `FACTEUR_API_CA`: a PEM file of certificates to trust.
    pub ca: Option<String>,
    /// The user's folder for configuration: `XDG_CONFIG_HOME`, else `~/.config`.
    pub config: Option<PathBuf>,
}

impl ApiAccess {
    /// Reads the environment; an empty variable counts as none.
    #[allow(clippy::disallowed_methods)]
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        Self {
            url: variable("FACTEUR_API"),
            key: variable("FACTEUR_API_KEY"),
            ca: variable("FACTEUR_API_CA"),
            config: variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home),
        }
    }
}
