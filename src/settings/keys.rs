//! The table of settings: what each is called, what it means, what it is when nobody says.
//!
//! `--help`, the README and the parser all read this one table.

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in `facteur.toml`; `FACTEUR_` and the upper-case name with `_` for `.` is its variable.
    pub name: &'static str,
    /// What it is when nobody says.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { name, default, meaning }
}

/// All settings.
pub const KEYS: &[Key] = &[
    key("host", "localhost", "host name in greetings, Received fields and the self-signed certificate"),
    key("data", "data", "data folder; made if it is not there"),
    key("database", "sqlite", "sqlite (files in the data folder) or postgres://user:password@host/name"),
    key("bind", "127.0.0.1", "address of every listener that names none; 0.0.0.0 serves other machines"),
    key(
        "ports",
        "high",
        "high (8080 2525 2587 2465 2143 2993 2110 2995) or standard (8080 25 587 465 143 993 110 995)",
    ),
    key("http", "", "the API: port, address:port, or off"),
    key("mx", "", "SMTP from other mail servers: port, address:port, or off"),
    key("submission", "", "submission with STARTTLS: port, address:port, or off"),
    key("submissions", "", "submission inside TLS: port, address:port, or off"),
    key("imap", "", "IMAP with STARTTLS: port, address:port, or off"),
    key("imaps", "", "IMAP inside TLS: port, address:port, or off"),
    key("pop3", "", "POP3 with STLS: port, address:port, or off"),
    key("pop3s", "", "POP3 inside TLS: port, address:port, or off"),
    key("tls.certificate", "", "PEM file with the certificate chain; a self-signed one is made when none is named"),
    key("tls.key", "", "PEM file with the private key"),
    key("login_without_tls", "never", "never, or loopback: whether this machine may sign in to mail without TLS"),
    key(
        "plain_http",
        "loopback",
        "loopback, or always (behind a proxy that does TLS): who may use the API without TLS",
    ),
    key(
        "rate.caller",
        "6000",
        "requests a minute that the API answers to one user, key or mailbox owner; 0 sets no limit",
    ),
    key(
        "rate.network",
        "1200",
        "requests a minute that the API answers to one network (IPv6: /64) without sign-in or key; 0 sets no limit",
    ),
    key(
        "quota.warn_at",
        "80,90,100",
        "percents of its quota at which a mailbox is warned, once each; empty warns of none",
    ),
    key("language", "en", "en or fr: the language of mails that Facteur writes itself"),
    key(
        "outbound_allow",
        "",
        "networks that webhooks may call beside public addresses, also without TLS: 10.1.0.0/16, 192.0.2.7/32",
    ),
    key(
        "link_url",
        "",
        "where the panel is that links in mail lead to: they are this and /set-password#token=…; https:// and the host when nothing is said",
    ),
    key("mail_from", "", "address that mail of Facteur's own comes from; postmaster at the host when nothing is said"),
    key("smarthost.host", "", "server that takes mail of Facteur's own for addresses elsewhere; without one it waits"),
    key("smarthost.port", "587", "its port"),
    key("smarthost.tls", "starttls", "starttls, implicit, or never (loopback, or without user)"),
    key("smarthost.user", "", "user to sign in with there"),
    key("smarthost.password", "", "that user's password"),
    key(
        "history_days",
        "730",
        "days that revisions are kept; older ones go to history/ in the data folder, a JSON line each; 0 keeps all",
    ),
    key(
        "min_free_octets",
        "268435456",
        "free octets of the data folder below which no mail is accepted; never less than one and a half messages",
    ),
    key("operator_password", "", "password of the first operator; a generated one is printed once when none is given"),
    key("log", "info", "which log lines: error, warn, info, debug, or a tracing filter"),
    key("log_format", "text", "text or json"),
];

impl Key {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("FACTEUR_{}", self.name.replace('.', "_").to_uppercase())
    }
}
