//! A POP3 client that keeps every line as it came.

use super::api::PASSWORD;
use super::wire::Wire;
use std::net::SocketAddr;

/// A conversation with a POP3 listener.
pub struct Pop3(pub Wire);

impl Pop3 {
    pub fn connect(to: SocketAddr) -> Self {
        Self::connect_from(to, 0)
    }

    /// Connects from a loopback network of its own and takes the greeting.
    pub fn connect_from(to: SocketAddr, network: u16) -> Self {
        let mut pop3 = Self(Wire::connect_from(to, network));
        let greeting = pop3.0.line();
        assert!(greeting.starts_with("+OK"), "{greeting}");
        pop3
    }

    /// Signs in with the tests' password.
    pub fn login(mut self, address: &str) -> Self {
        self.ok(&format!("USER {address}"));
        self.ok(&format!("PASS {PASSWORD}"));
        self
    }

    pub fn command(&mut self, line: &str) -> String {
        self.0.send(format!("{line}\r\n").as_bytes());
        self.0.line()
    }

    /// A command that must succeed.
    pub fn ok(&mut self, line: &str) -> String {
        let reply = self.command(line);
        assert!(reply.starts_with("+OK"), "{line}: {reply}");
        reply
    }

    /// A command with a multi-line answer, dots unstuffed (RFC 1939 §3).
    pub fn lines(&mut self, line: &str) -> Vec<String> {
        self.ok(line);
        let mut lines = Vec::new();
        loop {
            let line = self.0.line();
            if line == "." {
                return lines;
            }
            lines.push(line.strip_prefix('.').map_or_else(|| line.clone(), str::to_owned));
        }
    }
}
