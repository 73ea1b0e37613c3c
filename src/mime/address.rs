//! Address lists of ENVELOPE (RFC 5322 §3.4), read as they come in the wild.
//!
//! Nothing is decoded or rejected. Invariant: one pass, at most
//! `bounds::ENVELOPE_ADDRESSES` addresses.

use crate::model::bounds;

/// An address as ENVELOPE shows it (RFC 9051 §7.5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) name: Option<Vec<u8>>,
    pub(super) route: Option<Vec<u8>>,
    pub(super) mailbox: Option<Vec<u8>>,
    pub(super) host: Option<Vec<u8>>,
}

/// Reads an address list.
pub(super) fn addresses(field: &[u8]) -> Vec<Address> {
    let mut reader = Reader::default();
    let mut octets = field.iter().copied();
    while let Some(octet) = octets.next() {
        reader.take(octet, &mut octets);
        if reader.found.len() >= bounds::ENVELOPE_ADDRESSES {
            return reader.found;
        }
    }
    reader.end_address();
    reader.end_group();
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Vec<Address>,
    /// Words outside of angle brackets.
    phrase: Vec<u8>,
    /// Whether an `@` is among them.
    has_at: bool,
    /// What stands in angle brackets.
    angle: Option<Vec<u8>>,
    in_angle: bool,
    comment: Vec<u8>,
    in_group: bool,
}

impl Reader {
    fn take(&mut self, octet: u8, rest: &mut impl Iterator<Item = u8>) {
        match octet {
            b'"' => {
                let text = until(rest, b'"', None);
                self.say(&text);
            }
            b'(' => {
                let text = until(rest, b')', Some(b'('));
                if self.comment.is_empty() {
                    self.comment = text;
                }
            }
            b'<' if !self.in_angle => {
                self.in_angle = true;
                self.angle = Some(Vec::new());
            }
            b'>' => self.in_angle = false,
            b',' if !self.in_angle => self.end_address(),
            b';' if !self.in_angle && self.in_group => {
                self.end_address();
                self.end_group();
            }
            b':' if !self.in_angle && !self.in_group && !self.has_at => {
                // RFC 9051 §7.5.2: a group begins with its name and no host.
                let name = std::mem::take(&mut self.phrase).trim_ascii().to_vec();
                self.found.push(Address { mailbox: Some(name), ..Address::default() });
                self.in_group = true;
            }
            octet if octet.is_ascii_whitespace() => {
                if !self.in_angle && self.phrase.last().is_some_and(|last| *last != b' ') {
                    self.phrase.push(b' ');
                }
            }
            octet => self.say(&[octet]),
        }
    }

    fn say(&mut self, words: &[u8]) {
        match &mut self.angle {
            Some(angle) if self.in_angle => angle.extend_from_slice(words),
            _ => {
                self.has_at |= memchr::memchr(b'@', words).is_some();
                self.phrase.extend_from_slice(words);
            }
        }
    }

    fn end_address(&mut self) {
        let phrase = std::mem::take(&mut self.phrase).trim_ascii().to_vec();
        self.has_at = false;
        let comment = Some(std::mem::take(&mut self.comment)).filter(|text| !text.is_empty());
        self.in_angle = false;
        let (name, spec) = match self.angle.take() {
            Some(angle) => (Some(phrase).filter(|name| !name.is_empty()).or(comment), angle),
            None if phrase.is_empty() => return,
            None => (comment, phrase),
        };
        let (route, spec) = routed(&spec);
        let (mailbox, host) = match memchr::memrchr(b'@', spec) {
            Some(at) => (spec.get(..at).unwrap_or_default(), spec.get(at + 1..).unwrap_or_default()),
            None => (spec, &[][..]),
        };
        self.found.push(Address {
            name,
            route: route.map(<[u8]>::to_vec),
            mailbox: Some(mailbox.trim_ascii().to_vec()),
            // A host of its own kind: NIL would make it a group.
            host: Some(host.trim_ascii().to_vec()),
        });
    }

    fn end_group(&mut self) {
        if std::mem::take(&mut self.in_group) {
            self.found.push(Address::default());
        }
    }
}

/// The source route of `@a,@b:c@d` (RFC 5322 §4.4) and the rest.
fn routed(spec: &[u8]) -> (Option<&[u8]>, &[u8]) {
    match memchr::memchr(b':', spec) {
        Some(at) if spec.first() == Some(&b'@') => (spec.get(..at), spec.get(at + 1..).unwrap_or_default()),
        _ => (None, spec),
    }
}

/// Text up to its closing mark, escapes undone, nested marks kept.
fn until(rest: &mut impl Iterator<Item = u8>, close: u8, open: Option<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut depth = 0usize;
    while let Some(octet) = rest.next() {
        if octet == b'\\' {
            out.extend(rest.next());
            continue;
        }
        if octet == close {
            if depth == 0 {
                break;
            }
            depth -= 1;
        } else if Some(octet) == open {
            depth += 1;
        }
        out.push(octet);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(field: &str) -> Vec<String> {
        let text = |part: Option<Vec<u8>>| part.map_or("-".into(), |text| String::from_utf8_lossy(&text).into_owned());
        let one = |a: Address| format!("{}|{}|{}|{}", text(a.name), text(a.route), text(a.mailbox), text(a.host));
        addresses(field.as_bytes()).into_iter().map(one).collect()
    }

    #[test]
    fn addresses_of_every_kind() {
        assert_eq!(shown("a@b.example"), ["-|-|a|b.example"]);
        assert_eq!(shown("\"Doe, J\" <j@x>, (Name) k@y"), ["Doe, J|-|j|x", "Name|-|k|y"]);
        assert_eq!(shown("=?utf-8?Q?J?= X <@a,@b:j@x>"), ["=?utf-8?Q?J?= X|@a,@b|j|x"]);
        assert_eq!(shown("team: a@b, c@d;, e@f"), ["-|-|team|-", "-|-|a|b", "-|-|c|d", "-|-|-|-", "-|-|e|f"]);
        assert_eq!(shown("undisclosed-recipients:;"), ["-|-|undisclosed-recipients|-", "-|-|-|-"]);
        assert_eq!(shown("nobody"), ["-|-|nobody|"]);
        assert_eq!(shown(""), Vec::<String>::new());
    }
}
