//! The trace field `Received`, dates, and names for messages.
//!
//! Invariant: nothing the peer said reaches a header unless `command` let it through.

use crate::clock::Clock;
use crate::model::EmailAddress;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a `Received` field tells.
pub struct Hop<'a> {
    /// The peer's name for itself.
    pub name: &'a str,
    /// Its address.
    pub peer: SocketAddr,
    /// EHLO rather than HELO.
    pub extended: bool,
    /// SMTPUTF8 was asked for.
    pub utf8: bool,
    /// TLS version and cipher, when it protects the conversation.
    pub tls: Option<String>,
    /// Signed in.
    pub login: bool,
    /// Our name.
    pub host: &'a str,
    /// The message's name here.
    pub id: &'a str,
    /// The recipient, when there is but one: several would tell each of the others.
    pub only_recipient: Option<&'a EmailAddress>,
    /// Unix seconds.
    pub now: i64,
}

impl Hop<'_> {
    /// The field (RFC 5321 §4.4), CRLF-terminated.
    pub fn received(&self) -> String {
        let tls = self.tls.as_ref().map(|tls| format!("\r\n\t({tls})")).unwrap_or_default();
        let recipient = self.only_recipient.map(|address| format!("\r\n\tfor <{address}>")).unwrap_or_default();
        format!(
            "Received: from {} ({})\r\n\tby {} with {}{tls}\r\n\tid {}{recipient};\r\n\t{}\r\n",
            self.name,
            literal(self.peer.ip()),
            self.host,
            self.protocol(),
            self.id,
            date(self.now),
        )
    }

    /// RFC 3848 and RFC 6531 §4.3: how it came.
    fn protocol(&self) -> String {
        let base = match (self.utf8, self.extended) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => return "SMTP".to_owned(),
        };
        let secured = if self.tls.is_some() { "S" } else { "" };
        let login = if self.login { "A" } else { "" };
        format!("{base}{secured}{login}")
    }
}

/// RFC 5321 §4.1.3 address literal.
fn literal(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => format!("[{v4}]"),
        IpAddr::V6(v6) => format!("[IPv6:{v6}]"),
    }
}

/// RFC 5322 §3.3 date-time in UTC.
pub fn date(now: i64) -> String {
    let timestamp = jiff::Timestamp::from_second(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A name for a message, new in this process and, with the time in it, over restarts.
pub fn fresh_id(clock: &Clock) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!("{:x}.{:x}", clock.now_ms(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_tells_how_it_came() {
        let recipient = "ada@example.org".parse().unwrap();
        let mut hop = Hop {
            name: "client.example",
            peer: "192.0.2.1:25".parse().unwrap(),
            extended: true,
            utf8: false,
            tls: Some("TLSv1_3 X".into()),
            login: true,
            host: "mail.example.org",
            id: "1.0",
            only_recipient: Some(&recipient),
            now: 0,
        };
        assert_eq!(
            hop.received(),
            "Received: from client.example ([192.0.2.1])\r\n\tby mail.example.org with ESMTPSA\r\n\t(TLSv1_3 X)\r\n\tid 1.0\r\n\tfor <ada@example.org>;\r\n\tThu, 01 Jan 1970 00:00:00 +0000\r\n"
        );
        (hop.tls, hop.login, hop.utf8) = (None, false, true);
        assert_eq!(hop.protocol(), "UTF8SMTP");
        (hop.utf8, hop.extended) = (false, false);
        assert_eq!(hop.protocol(), "SMTP");
    }
}
