//! Header text as people read it: encoded words and charsets undone (RFC 2047, RFC 6532).
//!
//! Invariant: any octets give a text.

use crate::model::bounds;
use mail_parser::parsers::MessageStream;
use mail_parser::{HeaderValue, MessageParser};

/// An unstructured field's value, decoded.
pub fn decoded(value: &[u8]) -> String {
    let plain = value.is_ascii() && memchr::memmem::find(value, b"=?").is_none();
    if plain && !value.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
        return String::from_utf8_lossy(value.trim_ascii()).into_owned();
    }
    let line = [value, b"\r\n"].concat();
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// The first words of a message's text, of at most `bounds::PREVIEW_CHARACTERS` (RFC 8970 §3.1).
pub fn preview(message: &[u8]) -> String {
    let parsed = MessageParser::default().parse(message);
    let text = parsed.as_ref().and_then(|parsed| parsed.body_text(0)).unwrap_or_default();
    let mut out = String::new();
    let mut room = bounds::PREVIEW_CHARACTERS;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
            room = room.saturating_sub(1);
        }
        let start = out.len();
        out.extend(word.chars().take(room));
        room -= out.get(start..).map_or(0, |word| word.chars().count()).min(room);
        if room == 0 {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The instant of a Date field in Unix seconds (RFC 5256 §2.2); `None` when there is no valid date.
pub fn sent_at(value: &[u8]) -> Option<i64> {
    let line = [value, b"\r\n"].concat();
    let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else { return None };
    let day = jiff::civil::Date::new(
        i16::try_from(date.year).ok()?,
        i8::try_from(date.month).ok()?,
        i8::try_from(date.day).ok()?,
    )
    .ok()?;
    // RFC 5256 §2.2: an invalid time is midnight, an invalid zone UTC. A leap second is the second before it.
    let part = |value: u8| i8::try_from(value).unwrap_or(0);
    let time = jiff::civil::Time::new(part(date.hour), part(date.minute), part(date.second.min(59)), 0)
        .unwrap_or(jiff::civil::Time::MIN);
    let utc = day.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
    let zone = i64::from(date.tz_hour) * 3600 + i64::from(date.tz_minute) * 60;
    let zone = if date.tz_hour > 23 || date.tz_minute > 59 { 0 } else { zone };
    Some(if date.tz_before_gmt { utc + zone } else { utc - zone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_are_words() {
        let html = b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>Gr\xfc\xdfe</p>\r\n<p>aus  K\xf6ln</p>\r\n";
        assert_eq!(preview(html), "Grüße aus Köln");
        assert_eq!(preview(b"Content-Type: image/png\r\n\r\nxxxx"), "");
        let long = [&b"\r\n"[..], &b"word ".repeat(10), &b"x".repeat(500)].concat();
        assert_eq!(preview(&long).chars().count(), bounds::PREVIEW_CHARACTERS);
    }

    #[test]
    fn texts_and_dates() {
        assert_eq!(decoded(b"plain  text"), "plain  text");
        assert_eq!(decoded(b"=?utf-8?Q?J=C3=B6rg?="), "Jörg");
        assert_eq!(decoded(b"=?iso-8859-1?Q?a=FC?=\r\n =?iso-8859-1?Q?b?= c"), "aüb c");
        assert_eq!(sent_at(b"Thu, 1 Jan 1970 01:00:00 +0100"), Some(0));
        assert_eq!(sent_at(b"1 Jan 1970 00:00:00 -0130"), Some(5400));
        assert_eq!(sent_at(b"1 Jan 1970 00:00:01 (no zone)"), Some(1));
        assert_eq!(sent_at(b"yesterday"), None);
        assert_eq!(sent_at(b""), None);
    }
}
