//! Plays one transcript: sends its `C` lines, holds the server's lines against its `S` lines.

use super::fixtures::Fixtures;
use crate::support::pattern::{Bindings, matches, substitute};
use crate::support::wire::Wire;
use crate::support::{Backend, Server};
use std::collections::HashMap;

struct Player {
    server: Server,
    fixtures: Fixtures,
    listener: String,
    wires: HashMap<String, Wire>,
    current: String,
    /// `C:` lines that wait to go out in one write.
    pending: Vec<u8>,
    bindings: Bindings,
}

/// Plays a transcript; the error says which line failed and why.
pub fn play(protocol: &str, backend: Backend, text: &str) -> Result<(), String> {
    if !text.starts_with("# ") {
        return Err("line 1: the heading is missing: what happens here, and which RFC section".to_owned());
    }
    let server = Server::start(backend);
    let fixtures = Fixtures::new(server.operator());
    let listener = if protocol == "smtp" { "mx" } else { protocol }.to_owned();
    let mut player = Player {
        server,
        fixtures,
        listener,
        wires: HashMap::new(),
        current: "main".to_owned(),
        pending: Vec::new(),
        bindings: Bindings::new(),
    };
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let number = at + 1;
        at += player.step(&lines[at..]).map_err(|why| format!("line {number}: {}\n    {why}", lines[at]))?;
    }
    player.flush()
}

impl Player {
    /// Plays the first of these lines and what belongs to it; how many were played.
    fn step(&mut self, lines: &[&str]) -> Result<usize, String> {
        let line = lines[0];
        if line.is_empty() || line.starts_with('#') {
            return Ok(1);
        }
        if let Some(directive) = line.strip_prefix('@') {
            self.flush()?;
            let body = lines[1..].iter().take_while(|line| line.starts_with('|')).copied();
            let body: Vec<&str> = body.map(|line| line[1..].strip_prefix(' ').unwrap_or(&line[1..])).collect();
            self.directive(directive, &body)?;
            return Ok(1 + body.len());
        }
        let (kind, rest) = line.split_at(line.len().min(2));
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match kind {
            "C:" => {
                let text = substitute(rest, &self.bindings);
                self.pending.extend_from_slice(format!("{text}\r\n").as_bytes());
            }
            "C=" => {
                let text = substitute(rest, &self.bindings);
                self.pending.extend(unescaped(&text)?);
            }
            "S." => self.expect_end()?,
            "S*" => return self.any_until(lines),
            "S-" => return self.any_order(lines),
            "S:" | "S~" => {
                let said = self.line()?;
                self.check(line, &said)?;
            }
            _ => return Err("no transcript line begins like this".to_owned()),
        }
        Ok(1)
    }

    fn directive(&mut self, directive: &str, body: &[&str]) -> Result<(), String> {
        let words: Vec<&str> = directive.split_whitespace().collect();
        match words.as_slice() {
            ["listener", name] => self.listener = (*name).to_owned(),
            ["connection", name] => {
                self.current = (*name).to_owned();
                self.wire();
            }
            ["tls"] => self.wire().start_tls(),
            words => self.fixtures.directive(&self.server, words, body)?,
        }
        Ok(())
    }

    /// The current connection, opened where the listener is a new one.
    fn wire(&mut self) -> &mut Wire {
        let (server, listener) = (&self.server, &self.listener);
        self.wires.entry(self.current.clone()).or_insert_with(|| {
            let mut wire = Wire::connect(server.address(listener));
            // The implicit TLS listeners: submissions, imaps, pop3s.
            if listener.ends_with('s') {
                wire.start_tls();
            }
            wire
        })
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.wire().try_send(&pending).map_err(|error| format!("cannot send: {error}"))
    }

    fn next(&mut self) -> Result<Option<String>, String> {
        self.flush()?;
        let line = self.wire().try_line().map_err(|error| format!("the server said nothing: {error}"))?;
        Ok(line.map(|line| String::from_utf8_lossy(&line).into_owned()))
    }

    fn line(&mut self) -> Result<String, String> {
        self.next()?.ok_or_else(|| "the server closed the connection".to_owned())
    }

    fn expect_end(&mut self) -> Result<(), String> {
        match self.next()? {
            None => Ok(()),
            Some(said) => Err(format!("the server said: {said}")),
        }
    }

    fn fits(&mut self, expected: &str, said: &str) -> bool {
        let rest = expected.get(2..).unwrap_or_default();
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        if expected.starts_with("S~") {
            return matches(rest, said, &mut self.bindings);
        }
        substitute(rest, &self.bindings) == said
    }

    fn check(&mut self, expected: &str, said: &str) -> Result<(), String> {
        if self.fits(expected, said) { Ok(()) } else { Err(format!("the server said: {said}")) }
    }

    /// `S*`: skips lines until one fits the next `S:` or `S~`, which is played with it.
    fn any_until(&mut self, lines: &[&str]) -> Result<usize, String> {
        let next = lines.get(1).copied().unwrap_or_default();
        if !next.starts_with("S:") && !next.starts_with("S~") {
            return Err("S* wants an S: or S~ line after it".to_owned());
        }
        let mut skipped = Vec::new();
        loop {
            let said = self.line().map_err(|why| format!("{why}; skipped:\n    {}", skipped.join("\n    ")))?;
            if self.fits(next, &said) {
                return Ok(2);
            }
            skipped.push(said);
        }
    }

    /// `S-` … `S-`: the lines in between, in any order.
    fn any_order(&mut self, lines: &[&str]) -> Result<usize, String> {
        let mut expected: Vec<&str> = lines[1..].iter().take_while(|line| **line != "S-").copied().collect();
        let played = expected.len() + 2;
        expected.retain(|line| !line.is_empty());
        while !expected.is_empty() {
            let said = self.line().map_err(|why| format!("{why}; missing:\n    {}", expected.join("\n    ")))?;
            let found = expected.iter().position(|line| self.fits(line, &said));
            let found = found.ok_or_else(|| {
                format!("the server said: {said}\n    which is none of:\n    {}", expected.join("\n    "))
            })?;
            expected.remove(found);
        }
        Ok(played)
    }
}

fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        if *octet != b'\\' {
            out.push(*octet);
            continue;
        }
        let Some((escape, tail)) = rest.split_first() else { return Err("a lone \\ at the end".to_owned()) };
        rest = tail;
        match escape {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'\\' => out.push(b'\\'),
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                out.push(digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or("\\x wants two hex digits")?);
                rest = &rest[2..];
            }
            // Flags of IMAP, as in `\Seen`.
            octet => out.extend([b'\\', *octet]),
        }
    }
    Ok(out)
}
