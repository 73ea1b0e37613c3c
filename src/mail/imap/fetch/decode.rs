//! Content-transfer-encodings undone octet by octet, for BINARY (RFC 9051 §6.4.5.1).
//!
//! It works on chunks of any size, so that a large part never stands whole in memory.
//! Invariant: any split of the input gives the same output; no input makes it fail or grow.

/// Undoes one content-transfer-encoding (RFC 2045 §6).
#[derive(Debug, Clone)]
pub(in crate::mail::imap) enum Decoder {
    /// `7bit`, `8bit`, `binary`: as it stands.
    Identity,
    /// `base64`.
    Base64 {
        /// Bits not yet written out.
        bits: u32,
        /// How many digits `bits` holds.
        digits: u8,
        /// Padding has ended the data.
        ended: bool,
    },
    /// `quoted-printable`.
    QuotedPrintable {
        /// What follows an `=`, or white space that may turn out to end the line.
        held: Vec<u8>,
    },
}

/// White space held back in one line; more of it is passed on as it stands.
const HELD: usize = 1000;

impl Decoder {
    /// The decoder of an encoding's name; `None` for one that is not known
    /// (answered with `NO [UNKNOWN-CTE]`).
    pub(in crate::mail::imap) fn of(encoding: &str) -> Option<Self> {
        let is = |name: &str| encoding.trim().eq_ignore_ascii_case(name);
        if is("base64") {
            Some(Self::Base64 { bits: 0, digits: 0, ended: false })
        } else if is("quoted-printable") {
            Some(Self::QuotedPrintable { held: Vec::new() })
        } else {
            (is("") || is("7bit") || is("8bit") || is("binary")).then_some(Self::Identity)
        }
    }

    /// Takes the next octets and appends what they mean.
    pub(in crate::mail::imap) fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Identity => out.extend_from_slice(octets),
            Self::Base64 { bits, digits, ended } => {
                for octet in octets {
                    base64_digit(*octet, bits, digits, ended, out);
                }
            }
            Self::QuotedPrintable { held } => {
                for octet in octets {
                    quoted_printable_octet(*octet, held, out);
                }
            }
        }
    }

    /// Ends the data: what was held back is written as it stands.
    pub(in crate::mail::imap) fn finish(self, out: &mut Vec<u8>) {
        match self {
            Self::Base64 { bits, digits: 2, ended: false } => out.extend((bits >> 4).to_be_bytes().get(3)),
            Self::Base64 { bits, digits: 3, ended: false } => {
                out.extend_from_slice((bits >> 2).to_be_bytes().get(2..).unwrap_or_default());
            }
            Self::QuotedPrintable { held } if held.first() == Some(&b'=') && held.len() > 1 => {
                out.extend_from_slice(&held);
            }
            _ => {}
        }
    }
}

fn base64_digit(octet: u8, bits: &mut u32, digits: &mut u8, ended: &mut bool, out: &mut Vec<u8>) {
    let value = match octet {
        b'A'..=b'Z' => octet - b'A',
        b'a'..=b'z' => octet - b'a' + 26,
        b'0'..=b'9' => octet - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        b'=' if !*ended => {
            let rest = Decoder::Base64 { bits: *bits, digits: *digits, ended: false };
            rest.finish(out);
            (*bits, *digits, *ended) = (0, 0, true);
            return;
        }
        // RFC 2045 §6.8: other characters are passed over.
        _ => return,
    };
    // Data goes on after padding: parts encoded one after the other.
    *ended = false;
    *bits = *bits << 6 | u32::from(value);
    *digits += 1;
    if *digits == 4 {
        out.extend_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
        (*bits, *digits) = (0, 0);
    }
}

fn quoted_printable_octet(octet: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    let escape = held.first() == Some(&b'=');
    match octet {
        b'\n' => {
            // RFC 2045 §6.7 (3): white space that ends a line is not data; (5): `=` joins lines.
            if !escape {
                out.extend_from_slice(if held.last() == Some(&b'\r') { b"\r\n" } else { b"\n" });
            }
            held.clear();
        }
        _ if escape => escaped(octet, held, out),
        b'=' | b' ' | b'\t' | b'\r' => {
            if octet == b'=' || held.len() >= HELD {
                out.append(held);
            }
            held.push(octet);
        }
        _ => {
            out.append(held);
            out.push(octet);
        }
    }
}

/// An octet after `=`.
fn escaped(octet: u8, held: &mut Vec<u8>, out: &mut Vec<u8>) {
    let hex = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match (held.get(1).copied(), hex(octet)) {
        (None, Some(_)) => held.push(octet),
        (Some(first), Some(low)) if hex(first).is_some() => {
            out.push(hex(first).unwrap_or(0) << 4 | low);
            held.clear();
        }
        // A soft line break may bear white space before its end.
        (None | Some(b' ' | b'\t' | b'\r'), _) if matches!(octet, b' ' | b'\t' | b'\r') && held.len() < HELD => {
            held.push(octet);
        }
        // RFC 2045 §6.7: what is no escape stands for itself.
        _ => {
            out.append(held);
            quoted_printable_octet(octet, held, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(encoding: &str, chunks: &[&[u8]]) -> String {
        let mut decoder = Decoder::of(encoding).unwrap();
        let mut out = Vec::new();
        chunks.iter().for_each(|chunk| decoder.push(chunk, &mut out));
        decoder.finish(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn encodings_are_undone() {
        assert_eq!(decoded("BASE64", &[b"SGVs\r\nbG8=", b"IQ"]), "Hello!");
        assert_eq!(decoded("quoted-printable", &[b"a=3", b"Db  \r\nc=\r\nd =e=4 x="]), "a=b\r\ncd =e=4 x");
        assert_eq!(decoded("7bit", &[b"as it", b" stands"]), "as it stands");
        assert!(Decoder::of("x-uuencode").is_none());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(input in proptest::collection::vec(prop_oneof![Just(b'='), Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'A'), any::<u8>()], 0..200), at in 0usize..200) {
            let at = at.min(input.len());
            for encoding in ["base64", "quoted-printable"] {
                prop_assert_eq!(decoded(encoding, &[&input]), decoded(encoding, &[&input[..at], &input[at..]]));
            }
        }
    }
}
