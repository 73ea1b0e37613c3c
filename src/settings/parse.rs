//! From text to [`Settings`], collecting every mistake on the way.

use super::keys::KEYS;
use super::{Database, Listen, Listeners, Mistake, Secret, Settings, Smarthost};
use crate::auth::strength;
use crate::control::bootstrap::FIRST_OPERATOR;
use crate::delivery::quota_warning::Language;
use crate::model::{DomainName, EmailAddress, bounds};
use crate::net::{SmarthostTls, TlsIdentity};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Listener names with their high and standard ports.
const PORTS: [(&str, u16, u16); 8] = [
    ("http", 8080, 8080),
    ("mx", 2525, 25),
    ("submission", 2587, 587),
    ("submissions", 2465, 465),
    ("imap", 2143, 143),
    ("imaps", 2993, 993),
    ("pop3", 2110, 110),
    ("pop3s", 2995, 995),
];

/// A value with the place it came from, for its mistake.
struct Given {
    place: String,
    text: String,
}

/// The values of all keys, and the mistakes met so far.
struct Reader {
    given: BTreeMap<&'static str, Given>,
    mistakes: Vec<Mistake>,
}

pub(super) fn settings(file: &str, environment: &BTreeMap<String, String>) -> Result<Settings, Vec<Mistake>> {
    let mut reader = Reader { given: BTreeMap::new(), mistakes: Vec::new() };
    reader.file(file);
    reader.environment(environment);
    let settings = reader.settings();
    if reader.mistakes.is_empty() { Ok(settings) } else { Err(reader.mistakes) }
}

impl Reader {
    fn mistake(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        self.mistakes.push(Mistake { place: place.into(), problem: problem.into() });
    }

    fn file(&mut self, file: &str) {
        let table = match file.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => return self.mistake("facteur.toml", error.message().to_owned()),
        };
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => {
                    for (sub, value) in inner {
                        self.file_value(&format!("{name}.{sub}"), &value);
                    }
                }
                value => self.file_value(&name, &value),
            }
        }
    }

    fn file_value(&mut self, name: &str, value: &toml::Value) {
        let place = format!("facteur.toml, {name}");
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return self.mistake(place, unknown(name));
        };
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            _ => return self.mistake(place, "must be a text or a number"),
        };
        self.given.insert(key.name, Given { place, text });
    }

    fn environment(&mut self, environment: &BTreeMap<String, String>) {
        for (variable, text) in environment {
            // FACTEUR_TEST_… belongs to the test suite, FACTEUR_CONFIG names the file itself, and
            // FACTEUR_API… tells the command line where the API is.
            let elsewhere = ["FACTEUR_TEST_", "FACTEUR_API_"].iter().any(|start| variable.starts_with(start));
            if elsewhere || ["FACTEUR_CONFIG", "FACTEUR_API"].contains(&variable.as_str()) {
                continue;
            }
            match KEYS.iter().find(|key| key.variable() == *variable) {
                Some(key) => {
                    self.given.insert(key.name, Given { place: variable.clone(), text: text.clone() });
                }
                None => self.mistake(variable, unknown(&variable.trim_start_matches("FACTEUR_").to_lowercase())),
            }
        }
    }

    /// The text of a key, empty when it is not given and has no default.
    fn text(&self, name: &str) -> String {
        match self.given.get(name) {
            Some(given) => given.text.trim().to_owned(),
            None => KEYS.iter().find(|key| key.name == name).map(|key| key.default.to_owned()).unwrap_or_default(),
        }
    }

    fn place(&self, name: &str) -> String {
        self.given.get(name).map_or_else(|| name.to_owned(), |given| given.place.clone())
    }

    /// A key with a closed list of words; the first one stands in for a mistake.
    fn word(&mut self, name: &str, words: &[&str]) -> String {
        let text = self.text(name);
        if words.contains(&text.as_str()) {
            return text;
        }
        let place = self.place(name);
        self.mistake(place, format!("must be {}, not {text:?}", words.join(" or ")));
        words.first().copied().unwrap_or_default().to_owned()
    }

    fn settings(&mut self) -> Settings {
        let listen = self.listeners();
        Settings {
            host: self.host(),
            data: PathBuf::from(self.text("data")),
            database: self.database(),
            listen,
            tls: self.tls(),
            loopback_login: self.word("login_without_tls", &["never", "loopback"]) == "loopback",
            plain_http: self.word("plain_http", &["loopback", "always"]) == "always",
            caller_rate: self.rate("rate.caller"),
            network_rate: self.rate("rate.network"),
            quota_shares: self.quota_shares(),
            language: match self.word("language", &["en", "fr"]).as_str() {
                "fr" => Language::French,
                _ => Language::English,
            },
            outbound_allow: self.outbound_allow(),
            link_url: self.link_url(),
            mail_from: self.mail_from(),
            smarthost: self.smarthost(),
            history: self.history(),
            min_free: self.min_free(),
            operator_password: self.operator_password(),
            log: self.log(),
            log_json: self.word("log_format", &["text", "json"]) == "json",
        }
    }

    fn host(&mut self) -> String {
        let text = self.text("host");
        if text == "localhost" {
            return text;
        }
        match text.parse::<DomainName>() {
            Ok(name) => name.to_string(),
            Err(error) => {
                let place = self.place("host");
                self.mistake(place, error.to_string());
                text
            }
        }
    }

    fn database(&mut self) -> Database {
        let text = self.text("database");
        if text == "sqlite" {
            return Database::Sqlite;
        }
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            let place = self.place("database");
            // The text itself may hold a password.
            self.mistake(place, "must be sqlite or postgres://user:password@host/name");
        }
        Database::Postgres(Secret(text))
    }

    fn tls(&mut self) -> Option<TlsIdentity> {
        let (certificate, key) = (self.text("tls.certificate"), self.text("tls.key"));
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) => None,
            (false, false) => {
                let identity = TlsIdentity { certificate: certificate.into(), key: key.into() };
                if let Err(error) = identity.server_config() {
                    let place = self.place("tls.certificate");
                    self.mistake(place, error.to_string());
                }
                Some(identity)
            }
            (no_certificate, _) => {
                let missing = if no_certificate { "tls.certificate" } else { "tls.key" };
                self.mistake(missing, "tls.certificate and tls.key go together");
                None
            }
        }
    }

    fn rate(&mut self, name: &str) -> u32 {
        self.text(name).parse().unwrap_or_else(|_| {
            let (place, text) = (self.place(name), self.text(name));
            self.mistake(place, format!("must be a number of requests a minute, or 0 for no limit, not {text:?}"));
            0
        })
    }

    fn quota_shares(&mut self) -> Vec<u8> {
        let text = self.text("quota.warn_at");
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let read: Option<Vec<u8>> =
            parts.map(|part| part.parse().ok().filter(|share| (1..=100).contains(share))).collect();
        match read {
            Some(mut shares) if shares.len() <= bounds::QUOTA_SHARES => {
                shares.sort_unstable();
                shares.dedup();
                shares
            }
            _ => {
                let place = self.place("quota.warn_at");
                let most = bounds::QUOTA_SHARES;
                self.mistake(place, format!("must be at most {most} numbers from 1 to 100, not {text:?}"));
                Vec::new()
            }
        }
    }

    fn outbound_allow(&mut self) -> Vec<IpNet> {
        let text = self.text("outbound_allow");
        let mut networks = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse::<IpNet>().or_else(|_| part.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => networks.push(network),
                Err(_) => {
                    let place = self.place("outbound_allow");
                    self.mistake(
                        place,
                        format!("must be networks such as 10.1.0.0/16, separated by commas, not {part:?}"),
                    );
                }
            }
        }
        networks
    }

    fn link_url(&mut self) -> String {
        let text = self.text("link_url");
        if text.is_empty() {
            return format!("https://{}", self.text("host"));
        }
        let web = |url: &url::Url| matches!(url.scheme(), "https" | "http") && url.fragment().is_none();
        if !text.parse::<url::Url>().is_ok_and(|url| web(&url)) {
            let place = self.place("link_url");
            self.mistake(place, format!("must be a web address such as https://panel.example.org, not {text:?}"));
        }
        text.trim_end_matches('/').to_owned()
    }

    fn mail_from(&mut self) -> EmailAddress {
        let text = self.text("mail_from");
        let host = self.text("host");
        let own = || format!("postmaster@{host}").parse::<EmailAddress>();
        match text.parse::<EmailAddress>() {
            Ok(address) => return address,
            Err(_) if text.is_empty() => {}
            Err(error) => {
                let place = self.place("mail_from");
                self.mistake(place, error.to_string());
            }
        }
        // A host without a domain has no address of its own.
        own().or_else(|_| "postmaster@localhost.localdomain".parse()).expect("it is an address")
    }

    fn smarthost(&mut self) -> Option<Smarthost> {
        let (host, user, password) =
            (self.text("smarthost.host"), self.text("smarthost.user"), self.text("smarthost.password"));
        let tls = match self.word("smarthost.tls", &["starttls", "implicit", "never"]).as_str() {
            "implicit" => SmarthostTls::Implicit,
            "never" => SmarthostTls::Never,
            _ => SmarthostTls::StartTls,
        };
        let port = self.text("smarthost.port").parse::<u16>().ok().filter(|port| *port > 0).unwrap_or_else(|| {
            let place = self.place("smarthost.port");
            self.mistake(place, "must be a port");
            587
        });
        if user.is_empty() != password.is_empty() {
            self.mistake("smarthost.user", "smarthost.user and smarthost.password go together");
        }
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if tls == SmarthostTls::Never && !user.is_empty() && !here {
            self.mistake("smarthost.tls", "a password goes out over TLS alone");
        }
        if host.is_empty() {
            return None;
        }
        Some(Smarthost { host, port, tls, login: (!user.is_empty()).then_some((user, Secret(password))) })
    }

    fn history(&mut self) -> Option<Duration> {
        let text = self.text("history_days");
        match text.parse::<u32>() {
            Ok(0) => None,
            Ok(days) => Some(Duration::from_secs(u64::from(days) * 24 * 3600)),
            Err(_) => {
                let place = self.place("history_days");
                self.mistake(place, format!("must be a number of days, or 0 for ever, not {text:?}"));
                None
            }
        }
    }

    fn min_free(&mut self) -> u64 {
        let text = self.text("min_free_octets");
        text.parse().unwrap_or_else(|_| {
            let place = self.place("min_free_octets");
            self.mistake(place, format!("must be a number of octets, not {text:?}"));
            0
        })
    }

    fn operator_password(&mut self) -> Option<Secret> {
        let text = self.text("operator_password");
        if text.is_empty() {
            return None;
        }
        if text.len() < 12 || text.len() > bounds::PASSWORD_OCTETS {
            let place = self.place("operator_password");
            self.mistake(place, "must have 12 to 256 octets");
        } else if let Some(weakness) = strength::judge(&text, &[FIRST_OPERATOR]) {
            let place = self.place("operator_password");
            self.mistake(place, weakness.to_string());
        }
        Some(Secret(text))
    }

    fn log(&mut self) -> String {
        let text = self.text("log");
        if let Err(error) = text.parse::<tracing_subscriber::EnvFilter>() {
            let place = self.place("log");
            self.mistake(place, error.to_string());
        }
        text
    }

    fn listeners(&mut self) -> Listeners {
        let bind = self.text("bind").parse::<IpAddr>().unwrap_or_else(|_| {
            let place = self.place("bind");
            self.mistake(place, "must be an IP address, such as 0.0.0.0 or ::");
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        });
        let standard = self.word("ports", &["high", "standard"]) == "standard";
        let mut all = PORTS.map(|(name, high, low)| self.listener(name, bind, if standard { low } else { high }));
        self.check_distinct(&mut all);
        let [http, mx, submission, submissions, imap, imaps, pop3, pop3s] = all;
        Listeners { http, mx, submission, submissions, imap, imaps, pop3, pop3s }
    }

    fn listener(&mut self, name: &'static str, bind: IpAddr, port: u16) -> Listen {
        let text = self.text(name);
        if text == "off" {
            return None;
        }
        if text.is_empty() {
            return Some(SocketAddr::new(bind, port));
        }
        let parsed = text.parse::<u16>().map(|port| SocketAddr::new(bind, port)).or_else(|_| text.parse());
        if parsed.is_err() {
            let place = self.place(name);
            self.mistake(place, format!("must be a port, address:port or off, not {text:?}"));
        }
        parsed.ok()
    }

    fn check_distinct(&mut self, listeners: &mut [Listen; 8]) {
        for (i, (name, ..)) in PORTS.iter().enumerate() {
            let same = listeners.iter().take(i).position(|other| {
                other.is_some_and(|address| address.port() != 0) && Some(*other) == listeners.get(i).copied()
            });
            if let Some((other, ..)) = same.and_then(|j| PORTS.get(j)) {
                let place = self.place(name);
                self.mistake(place, format!("has the same address as {other}"));
            }
        }
    }
}

/// What to say of a key that is none: the nearest one that is.
fn unknown(name: &str) -> String {
    let name = name.replace('.', "_");
    let near = KEYS.iter().map(|key| (distance(&key.name.replace('.', "_"), &name), key.name)).min();
    match near {
        Some((edits, near)) if edits <= 2 => format!("is no setting; did you mean {near}?"),
        _ => "is no setting; see facteur --help".to_owned(),
    }
}

/// How many letters to add, drop or change to get from one text to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &str, variables: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let environment = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        settings(file, &environment).map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_given_is_a_working_server_on_loopback() {
        let settings = parse("", &[]).unwrap();
        assert_eq!(settings.listen.imap, Some("127.0.0.1:2143".parse().unwrap()));
        assert_eq!(settings.listen.submissions, Some("127.0.0.1:2465".parse().unwrap()));
        assert!(!settings.loopback_login && matches!(settings.database, Database::Sqlite));
    }

    #[test]
    fn variables_win_over_the_file() {
        let file = "bind = \"0.0.0.0\"\nports = \"standard\"\npop3 = \"off\"\nimap = 1143\n[tls]\n";
        let settings = parse(file, &[("FACTEUR_IMAP", "[::1]:99"), ("FACTEUR_MX", "0")]).unwrap();
        assert_eq!(settings.listen.imap, Some("[::1]:99".parse().unwrap()));
        assert_eq!(settings.listen.mx, Some("0.0.0.0:0".parse().unwrap()));
        assert_eq!(settings.listen.pop3, None);
        assert_eq!(settings.listen.submission, Some("0.0.0.0:587".parse().unwrap()));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let file = "hots = \"x\"\nimap = \"nowhere\"\nports = \"low\"\npop3 = 2525\n[tls]\nkey = \"k.pem\"";
        let mistakes =
            parse(file, &[("FACTEUR_IMAPX", "1"), ("FACTEUR_DATABASE", "mysql://u:secret@h"), ("FACTEUR_HOST", "-x")])
                .unwrap_err()
                .join("\n");
        for part in [
            "hots: is no setting; did you mean host?",
            "imap: must be a port",
            "ports: must be high or standard",
            "pop3: has the same address as mx",
            "tls.certificate",
            "FACTEUR_IMAPX: is no setting; did you mean imap",
            "FACTEUR_DATABASE: must be sqlite",
            "FACTEUR_HOST: must be a full domain name",
        ] {
            assert!(mistakes.contains(part), "{part:?} in\n{mistakes}");
        }
        assert!(!mistakes.contains("secret"), "a password never shows in a mistake");
    }
}
