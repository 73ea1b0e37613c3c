//! Header fields and the MIME fields among them (RFC 5322 §2.2, RFC 2045 §5, RFC 2183).
//!
//! Values stay as they were sent, unfolded; encoded words are not decoded here. Invariant:
//! linear, and bounded in fields and parameters.

use crate::model::bounds;

/// A header block's fields in order: names and unfolded values.
pub(super) struct Fields<'a> {
    fields: Vec<(&'a [u8], Vec<u8>)>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        let fields = super::fields(block).map(|field| (field.name, unfolded(shown(field.value)))).collect();
        Self { fields }
    }

    /// The first field of a name.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// As much of a value as is shown.
fn shown(value: &[u8]) -> &[u8] {
    value.get(..bounds::SHOWN_FIELD_OCTETS).unwrap_or(value)
}

/// RFC 5322 §2.2.3: line ends go, white space stays.
fn unfolded(value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = value.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).collect();
    let trimmed = out.trim_ascii();
    if trimmed.len() != out.len() {
        out = trimmed.to_vec();
    }
    out
}

/// A value with parameters: Content-Type, Content-Disposition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameterized {
    /// `text/plain`, `attachment`, as sent.
    pub(super) value: Vec<u8>,
    /// Names and values as sent, quotes taken away.
    pub(super) parameters: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Parameterized {
    pub(super) fn new(field: &[u8]) -> Self {
        let mut rest = field;
        let value = word(&mut rest, b";");
        let mut parameters = Vec::new();
        while rest.first() == Some(&b';') && parameters.len() < bounds::MIME_PARAMETERS {
            rest = rest.get(1..).unwrap_or_default();
            let name = word(&mut rest, b";=");
            let mut content = Vec::new();
            if rest.first() == Some(&b'=') {
                rest = rest.get(1..).unwrap_or_default();
                content = word(&mut rest, b";");
            }
            if !name.is_empty() {
                parameters.push((name, content));
            }
        }
        Self { value, parameters }
    }

    /// Octets of it all.
    pub(super) fn octets(&self) -> usize {
        let parameters: usize = self.parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.value.len() + parameters
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&[u8]> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// Takes text up to one of `ends`: quotes and comments are undone, white space around goes.
fn word(rest: &mut &[u8], ends: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What stood in quotes is kept whole.
    let (mut quoted, mut comment, mut kept) = (false, 0usize, 0);
    let mut octets = rest.iter();
    let mut left: &[u8] = &[];
    loop {
        let here = octets.as_slice();
        let Some(octet) = octets.next() else { break };
        match *octet {
            b'\\' if quoted || comment > 0 => {
                let escaped = octets.next();
                if comment == 0 {
                    out.extend(escaped);
                }
            }
            b'"' if comment == 0 => {
                quoted = !quoted;
                kept = out.len();
            }
            b'(' if !quoted => comment += 1,
            b')' if comment > 0 => comment -= 1,
            _ if comment > 0 => {}
            octet if !quoted && ends.contains(&octet) => {
                left = here;
                break;
            }
            octet if !quoted && out.is_empty() && octet.is_ascii_whitespace() => {}
            octet => out.push(octet),
        }
    }
    *rest = left;
    out.truncate(out.trim_ascii_end().len().max(kept));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_sent() {
        let field = Parameterized::new(b"text/plain (a; b); Charset=\"utf-8\" ; name = \"x \\\"y\\\";z\"; =q; empty");
        assert_eq!(field.value, b"text/plain");
        assert_eq!(field.parameter("charset"), Some(&b"utf-8"[..]));
        assert_eq!(field.parameter("NAME"), Some(&b"x \"y\";z"[..]));
        assert_eq!(field.parameter("empty"), Some(&b""[..]));
        assert_eq!(field.parameters.len(), 3);
    }

    #[test]
    fn fields_are_unfolded() {
        let fields = Fields::new(b"A: 1\r\n\t2\r\nb : 3\r\nnonsense\r\n\r\n");
        assert_eq!(fields.get("a"), Some(&b"1\t2"[..]));
        assert_eq!(fields.get("B"), Some(&b"3"[..]));
        assert_eq!(fields.get("nonsense"), None);
    }
}
