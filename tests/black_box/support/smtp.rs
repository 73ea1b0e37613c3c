//! An SMTP client that shows every reply.

use super::wire::Wire;
use std::net::SocketAddr;

/// A conversation with an SMTP listener.
pub struct Smtp(pub Wire);

impl Smtp {
    /// Connects and takes the greeting.
    pub fn connect(to: SocketAddr) -> Self {
        Self::connect_from(to, 0)
    }

    pub fn connect_from(to: SocketAddr, network: u16) -> Self {
        let mut smtp = Self(Wire::connect_from(to, network));
        let greeting = smtp.reply();
        assert!(greeting.starts_with("220 "), "{greeting}");
        smtp
    }

    /// EHLO.
    pub fn hello(mut self) -> Self {
        let reply = self.command("EHLO client.example");
        assert!(reply.starts_with("250"), "{reply}");
        self
    }

    /// The next reply, its lines joined by LF; `None` at the end of the conversation.
    pub fn try_reply(&mut self) -> std::io::Result<Option<String>> {
        let mut reply = String::new();
        loop {
            let Some(line) = self.0.try_line()? else { return Ok(None) };
            let line = String::from_utf8_lossy(&line).into_owned();
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push_str(&line);
            if last {
                return Ok(Some(reply));
            }
            reply.push('\n');
        }
    }

    pub fn reply(&mut self) -> String {
        self.try_reply().expect("a reply in time").expect("a reply, not the end")
    }

    pub fn command(&mut self, line: &str) -> String {
        self.0.send(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// A command that must succeed.
    pub fn ok(&mut self, line: &str) -> String {
        let reply = self.command(line);
        assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
        reply
    }

    /// A whole transaction; the reply to the end of data, or the first refusal.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: &str) -> String {
        let reply = self.command(&format!("MAIL FROM:<{from}>"));
        if !reply.starts_with('2') {
            return reply;
        }
        for address in to {
            let reply = self.command(&format!("RCPT TO:<{address}>"));
            if !reply.starts_with('2') {
                return reply;
            }
        }
        let reply = self.command("DATA");
        if !reply.starts_with('3') {
            return reply;
        }
        self.0.send(stuffed(message).as_bytes());
        self.reply()
    }
}

/// A message as DATA sends it: CRLF, dots stuffed, the final dot (RFC 5321 §4.5.2).
pub fn stuffed(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 16);
    for line in message.lines() {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}
