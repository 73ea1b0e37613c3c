//! One-time codes by time (RFC 6238 with HMAC-SHA-1, 30 seconds, 6 digits: what every authenticator takes) and recovery codes.
//!
//! Own lines over the HMAC that is in the tree: the crates that do this do not say which step of time a code was of, and
//! that step is what must be taken once. It keeps nothing and asks no clock. Invariant: codes are compared in constant time.

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq;

/// Seconds of one step (RFC 6238 §4.1).
const STEP_SECONDS: i64 = 30;
/// Steps before and after the present one whose codes are taken: clocks differ, and people type slowly (RFC 6238 §5.2).
const SKEW_STEPS: i64 = 1;
/// Octets of a secret (RFC 4226 §4: 160 bits recommended).
const SECRET_OCTETS: usize = 20;
/// The alphabet of RFC 4648 §6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Recovery codes that are made at once.
pub const RECOVERY_CODES: usize = 10;

/// A new secret.
pub fn random_secret() -> [u8; SECRET_OCTETS] {
    rand::random()
}

/// A secret as people type it (RFC 4648 §6, without padding).
pub fn base32(octets: &[u8]) -> String {
    let (mut out, mut held, mut bits) = (String::new(), 0_u32, 0);
    for octet in octets {
        held = (held << 8) | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(digit(held >> bits));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        out.push(digit(held << (5 - bits)));
    }
    out
}

fn digit(value: u32) -> char {
    char::from(BASE32[(value & 31) as usize])
}

/// What authenticators read from a QR code: `name` is whose it is, `host` where it is for.
pub fn uri(host: &str, name: &str, secret: &[u8]) -> String {
    let part = |text: &str| -> String {
        // Authenticators read a plus as what it is.
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    };
    let issuer = part(&format!("Facteur {host}"));
    format!("otpauth://totp/{issuer}:{}?secret={}&issuer={issuer}", part(name), base32(secret))
}

/// The code of a step (RFC 4226 §5.3).
fn code_at(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 15);
    let octets = tag.get(offset..offset + 4).and_then(|octets| octets.try_into().ok()).unwrap_or_default();
    (u32::from_be_bytes(octets) & 0x7fff_ffff) % 1_000_000
}

/// The step whose code this is, of those around `now` (Unix seconds).
pub fn step_of(secret: &[u8], code: &str, now: i64) -> Option<i64> {
    let present = now.div_euclid(STEP_SECONDS);
    let steps = present - SKEW_STEPS..=present + SKEW_STEPS;
    // The newest first, so that none before it is taken afterwards.
    steps.rev().find(|step| format!("{:06}", code_at(secret, *step)).as_bytes().ct_eq(code.as_bytes()).into())
}

/// A recovery code: 80 random bits in four groups.
pub fn random_recovery_code() -> String {
    let octets: [u8; 10] = rand::random();
    let text = base32(&octets).to_lowercase();
    let groups: Vec<&str> = (0..4).filter_map(|group| text.get(group * 4..group * 4 + 4)).collect();
    groups.join("-")
}

/// What somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A code of six digits.
    Code(String),
    /// A recovery code, as it was made.
    Recovery(String),
}

/// What somebody typed, whatever spaces, hyphens and case; none when it can be neither.
pub fn typed(text: &str) -> Option<Typed> {
    if text.len() > 64 {
        return None;
    }
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let plain = plain.to_ascii_lowercase();
    if plain.len() == 6 && plain.bytes().all(|octet| octet.is_ascii_digit()) {
        return Some(Typed::Code(plain));
    }
    let fits = plain.len() == 16 && plain.bytes().all(|octet| octet.is_ascii_alphanumeric());
    fits.then(|| Typed::Recovery([&plain[..4], &plain[4..8], &plain[8..12], &plain[12..]].join("-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238 Appendix B, SHA-1, the last six of its eight digits.
        let secret = b"12345678901234567890";
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = time / 30;
            assert_eq!(format!("{:06}", code_at(secret, step)), code);
            for (at, taken) in
                [(time, true), (time - 30, true), (time + 30, true), (time - 61, false), (time + 61, false)]
            {
                assert_eq!(step_of(secret, code, at), taken.then_some(step), "{code} at {at}");
            }
        }
        for bad in ["", "28708", "2870820", "٢٨٧٠٨٢", "287083"] {
            assert_eq!(step_of(secret, bad, 59), None, "{bad}");
        }
    }

    #[test]
    fn secrets_are_written_as_authenticators_read_them() {
        // RFC 4648 §10, without padding.
        for (octets, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(octets.as_bytes()), text);
        }
        let uri = uri("mail.example.org", "alice+b@example.org", b"foobar");
        assert_eq!(
            uri,
            "otpauth://totp/Facteur%20mail.example.org:alice%2Bb%40example.org?secret=MZXW6YTBOI&issuer=Facteur%20mail.example.org"
        );
    }

    #[test]
    fn what_people_type_is_read_generously() {
        let code = random_recovery_code();
        assert_eq!(code.len(), 19);
        for typed_as in
            [code.clone(), code.to_uppercase(), code.replace('-', ""), format!(" {} ", code.replace('-', " "))]
        {
            assert_eq!(typed(&typed_as), Some(Typed::Recovery(code.clone())));
        }
        assert_eq!(typed("123 456"), Some(Typed::Code("123456".into())));
        for nothing in ["", "12345", "1234567", "abcd-efgh-ijkl", "abcd-efgh-ijkl-mnö1", &"1".repeat(100)] {
            assert_eq!(typed(nothing), None, "{nothing}");
        }
    }
}
