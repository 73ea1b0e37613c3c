//! Modified UTF-7, the spelling of folder names before UTF-8 is enabled (RFC 3501 §5.1.3).
//!
//! Invariant: what `encode` writes `decode` reads back, and only that spelling is read:
//! two spellings never name one folder.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The text in modified UTF-7.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            unshift(&mut out, &mut shifted);
            out.push(c);
            if c == '&' {
                out.push('-');
            }
        } else {
            let mut units = [0u16; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    unshift(&mut out, &mut shifted);
    out
}

/// Writes what was collected as one base64 run.
fn unshift(out: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        out.push('&');
        BASE64.encode_string(&*shifted, out);
        out.push('-');
        shifted.clear();
    }
}

/// The text that modified UTF-7 means; `None` when it is not in the one spelling that is valid.
pub fn decode(octets: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'&' => {
                let end = memchr::memchr(b'-', rest)?;
                let (run, after) = rest.split_at(end);
                rest = after.get(1..)?;
                if run.is_empty() { text.push('&') } else { shifted(run, &mut text)? }
            }
            b' '..=b'~' => text.push(char::from(octet)),
            _ => return None,
        }
    }
    // RFC 3501 §5.1.3: no superfluous shifts, no base64 for what can stand for itself.
    (encode(&text).as_bytes() == octets).then_some(text)
}

/// Decodes one base64 run.
fn shifted(run: &[u8], text: &mut String) -> Option<()> {
    let octets = BASE64.decode(run).ok()?;
    if octets.len() % 2 != 0 {
        return None;
    }
    let units = octets.chunks_exact(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    });
    for c in char::decode_utf16(units) {
        text.push(c.ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples_of_rfc_3501() {
        for (utf7, text) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("&Jjo-!", "☺!"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("a&-b", "a&b"),
            ("&2D3eAA-", "😀"),
            ("", ""),
        ] {
            assert_eq!(decode(utf7.as_bytes()).as_deref(), Some(text));
            assert_eq!(encode(text), utf7);
        }
    }

    #[test]
    fn other_spellings_name_nothing() {
        // RFC 3501 §5.1.3 gives the second one as an example of a superfluous shift.
        for bad in ["&", "&Jjo!", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "&2D0-", "a\tb", "&Jj-", "é", "&Jjp-"] {
            assert_eq!(decode(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC*") {
            prop_assert_eq!(decode(encode(&text).as_bytes()), Some(text));
        }

        #[test]
        fn decoding_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&octets);
        }
    }
}
