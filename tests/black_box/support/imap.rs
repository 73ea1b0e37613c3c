//! An IMAP client that keeps every line as it came.

use super::api::PASSWORD;
use super::wire::Wire;
use std::net::SocketAddr;

/// A conversation with an IMAP listener.
pub struct Imap {
    pub wire: Wire,
    number: u32,
}

/// What a command brought.
#[derive(Debug)]
pub struct Answer {
    /// The untagged responses, literals inlined after their `{n}`.
    pub untagged: Vec<String>,
    /// `OK`, `NO` or `BAD` with its text, without the tag.
    pub status: String,
}

impl Imap {
    pub fn connect(to: SocketAddr) -> Self {
        Self::connect_from(to, 0)
    }

    /// Connects from a loopback network of its own and takes the greeting.
    pub fn connect_from(to: SocketAddr, network: u16) -> Self {
        let mut imap = Self { wire: Wire::connect_from(to, network), number: 0 };
        let greeting = imap.wire.line();
        assert!(greeting.starts_with("* OK"), "{greeting}");
        imap
    }

    /// Signs in with the tests' password.
    pub fn login(mut self, address: &str) -> Self {
        self.ok(&format!("LOGIN {address} {PASSWORD}"));
        self
    }

    /// Sends a command with a fresh tag and returns the tag.
    pub fn send(&mut self, command: &str) -> String {
        self.number += 1;
        let tag = format!("t{}", self.number);
        self.wire.send(format!("{tag} {command}\r\n").as_bytes());
        tag
    }

    pub fn command(&mut self, command: &str) -> Answer {
        let tag = self.send(command);
        self.answer(&tag)
    }

    /// A command that must succeed.
    pub fn ok(&mut self, command: &str) -> Vec<String> {
        let answer = self.command(command);
        assert!(answer.status.starts_with("OK"), "{command}: {}", answer.status);
        answer.untagged
    }

    /// Collects until the tagged response.
    pub fn answer(&mut self, tag: &str) -> Answer {
        let mut untagged = Vec::new();
        loop {
            let line = self.response();
            if let Some(status) = line.strip_prefix(&format!("{tag} ")) {
                return Answer { untagged, status: status.to_owned() };
            }
            untagged.push(line);
        }
    }

    /// One response with its literals inlined.
    pub fn response(&mut self) -> String {
        let mut line = self.wire.line();
        while let Some(size) = literal(&line) {
            let octets = self.wire.octets(size);
            line.push_str("\r\n");
            line.push_str(&String::from_utf8_lossy(&octets));
            line.push_str(&self.wire.line());
        }
        line
    }

    /// APPEND with a synchronizing literal.
    pub fn append(&mut self, folder: &str, message: &str) -> Answer {
        let tag = self.send(&format!("APPEND {folder} {{{}}}", message.len()));
        let line = self.wire.line();
        if !line.starts_with('+') {
            let status = line.strip_prefix(&format!("{tag} ")).unwrap_or(&line).to_owned();
            return Answer { untagged: Vec::new(), status };
        }
        self.wire.send(format!("{message}\r\n").as_bytes());
        self.answer(&tag)
    }

    /// The number of messages in a folder.
    pub fn count(&mut self, folder: &str) -> u64 {
        let lines = self.ok(&format!("STATUS {folder} (MESSAGES)"));
        let line = lines.iter().find(|line| line.starts_with("* STATUS")).expect("a STATUS response");
        let number = line.rsplit("MESSAGES ").next().expect("a number");
        number.trim_end_matches(')').parse().expect("a number")
    }
}

/// The size of the literal that a line announces at its end.
fn literal(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}
