//! The parameters of MAIL and RCPT (RFC 1870, 6152, 6531, 3461, 4954).
//!
//! Invariant: an unknown, repeated or malformed parameter refuses the command.

use super::reply::{Reply, bad_argument};
use crate::model::bounds;

/// What MAIL says beside the sender.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// SIZE: octets announced.
    pub size: Option<u64>,
    /// SMTPUTF8: addresses and header may hold UTF-8.
    pub utf8: bool,
}

/// Reads the parameters of MAIL.
///
/// # Errors
/// The reply.
pub fn mail(text: &str) -> Result<MailParameters, Reply> {
    let mut read = MailParameters::default();
    for (keyword, value) in each(text)? {
        match (keyword.as_str(), value) {
            // RFC 1870 §3: up to 20 digits.
            ("SIZE", Some(value)) if digits(value) => read.size = Some(value.parse().unwrap_or(u64::MAX)),
            ("BODY", Some(value)) if is_one_of(value, &["7BIT", "8BITMIME"]) => {}
            ("SMTPUTF8", None) => read.utf8 = true,
            ("RET", Some(value)) if is_one_of(value, &["FULL", "HDRS"]) => {}
            // RFC 3461 §4.4: at most 100 characters of xtext.
            ("ENVID", Some(value)) if value.len() <= 100 && is_xtext(value) => {}
            // RFC 4954 §5: accepted; nobody here trusts it.
            ("AUTH", Some(value)) if is_xtext(value) => {}
            (keyword, _) => return Err(refused(keyword, &["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "AUTH"])),
        }
    }
    Ok(read)
}

/// Checks the parameters of RCPT; what DSN asks for is accepted and kept by nobody yet,
/// since nothing here fails after its 250.
///
/// # Errors
/// The reply.
pub fn rcpt(text: &str) -> Result<(), Reply> {
    for (keyword, value) in each(text)? {
        match (keyword.as_str(), value) {
            ("NOTIFY", Some(value)) if is_notify(value) => {}
            // RFC 3461 §4.2: at most 500 characters, `addr-type ";" xtext`.
            ("ORCPT", Some(value)) if value.len() <= 500 && is_orcpt(value) => {}
            (keyword, _) => return Err(refused(keyword, &["NOTIFY", "ORCPT"])),
        }
    }
    Ok(())
}

/// Keyword (upper case) and value of each parameter, none twice.
fn each(text: &str) -> Result<Vec<(String, Option<&str>)>, Reply> {
    let mut all: Vec<(String, Option<&str>)> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
        let keyword = keyword.to_ascii_uppercase();
        let repeated = all.iter().any(|(known, _)| *known == keyword);
        if repeated || value == Some("") || word.len() > bounds::SMTP_LINE_OCTETS {
            return Err(bad_argument("A parameter is repeated or malformed"));
        }
        all.push((keyword, value));
    }
    Ok(all)
}

fn refused(keyword: &str, known: &[&str]) -> Reply {
    if known.contains(&keyword) {
        bad_argument("A parameter is malformed")
    } else {
        // RFC 5321 §4.1.1.11
        Reply::new(555, "5.5.4", "A parameter is not recognized")
    }
}

fn digits(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

fn is_one_of(value: &str, known: &[&str]) -> bool {
    known.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// RFC 3461 §4.1: NEVER alone, or a list of the others.
fn is_notify(value: &str) -> bool {
    value.eq_ignore_ascii_case("NEVER")
        || value.split(',').all(|word| is_one_of(word, &["SUCCESS", "FAILURE", "DELAY"]))
}

fn is_orcpt(value: &str) -> bool {
    value.split_once(';').is_some_and(|(kind, address)| {
        !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && (is_xtext(address) || (kind.eq_ignore_ascii_case("utf-8") && !address.is_empty()))
    })
}

/// RFC 3461 §4: visible ASCII but `+` and `=`, or `+` and two upper-case hex digits; never an encoded
/// control character (a NUL in ORCPT has crossed trust boundaries elsewhere).
fn is_xtext(value: &str) -> bool {
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        let ok = match octet {
            b'+' => {
                let mut digit = || octets.next().and_then(hex);
                matches!((digit(), digit()), (Some(high), Some(low)) if high * 16 + low >= 0x20 && high * 16 + low != 0x7f)
            }
            b'=' => false,
            octet => octet.is_ascii_graphic(),
        };
        if !ok {
            return false;
        }
    }
    true
}

fn hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_taken() {
        let read = mail("SIZE=10 body=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb AUTH=<>").unwrap();
        assert_eq!(read, MailParameters { size: Some(10), utf8: true });
        assert_eq!(mail("SIZE=99999999999999999999").unwrap().size, Some(u64::MAX));
        assert!(rcpt("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b.example").is_ok());
    }

    #[test]
    fn others_are_refused() {
        for bad in ["SIZE=1 SIZE=2", "SIZE", "SIZE=x", "BODY=BINARYMIME", "RET=", "ENVID=+00", "SMTPUTF8=1"] {
            assert_eq!(mail(bad).unwrap_err().code, 501, "{bad}");
        }
        assert_eq!(mail("XFOO").unwrap_err().code, 555);
        for bad in ["NOTIFY=NEVER,SUCCESS", "ORCPT=a", "ORCPT=rfc822;+00"] {
            assert_eq!(rcpt(bad).unwrap_err().code, 501, "{bad}");
        }
    }
}
