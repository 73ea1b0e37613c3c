//! Header text as people read it: encoded words and charsets undone (RFC 2047, RFC 6532).
//!
//! Invariant: any octets give a text.

use super::header::Parameterized;
use super::{Summarizer, SummaryView, fields};
use crate::model::bounds;
use mail_parser::HeaderValue;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::parsers::MessageStream;
use std::ops::Range;

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

/// A text of a message, decoded.
pub enum Text {
    /// Plain, or of a kind that is read as it stands.
    Plain(String),
    /// HTML, tags and all.
    Html(String),
    /// A header field of a message inside.
    Field(String),
}

/// The texts of a message and of the messages inside it, the headers of those as well, in order: of the leaves that
/// its summary names, so that the work is linear and bounded whatever the message claims to be.
pub fn texts(message: &[u8]) -> Vec<Text> {
    let mut summarizer = Summarizer::default();
    summarizer.push(message);
    let summary = summarizer.finish();
    let Some(view) = SummaryView::new(&summary) else { return Vec::new() };
    let within = |range: Range<u64>| {
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        message.get(at(range.start)..at(range.end)).unwrap_or_default()
    };
    let mut texts = Vec::new();
    for part in view.every_part() {
        let header = within(part.header);
        if part.is_message_inside {
            // The header of a message inside is part of the outer body.
            texts.extend(fields(header).map(|field| Text::Field(decoded(field.value))));
        }
        if part.is_leaf {
            texts.extend(leaf(header, part.encoding, within(part.body)));
        }
    }
    texts
}

/// A leaf's text, if it is one.
fn leaf(header: &[u8], encoding: &[u8], body: &[u8]) -> Option<Text> {
    let found = fields(header).find(|field| field.name.eq_ignore_ascii_case(b"content-type"));
    // RFC 2045 §5.2: what says nothing is plain text.
    let kind = found.map(|field| Parameterized::new(field.value)).unwrap_or_default();
    let starts = kind.value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    if !kind.value.is_empty() && !starts {
        return None;
    }
    let octets = if encoding.eq_ignore_ascii_case(b"base64") {
        base64_decode(body)
    } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
        quoted_printable_decode(body)
    } else {
        None
    };
    let octets = octets.as_deref().unwrap_or(body);
    let charset = kind.parameter("charset").and_then(charset_decoder);
    let text = charset.map_or_else(|| String::from_utf8_lossy(octets).into_owned(), |decode| decode(octets));
    Some(if kind.value.eq_ignore_ascii_case(b"text/html") { Text::Html(text) } else { Text::Plain(text) })
}

/// The first words of a message's text, of at most `bounds::PREVIEW_CHARACTERS` (RFC 8970 §3.1).
pub fn preview(message: &[u8]) -> String {
    let body = |text| match text {
        Text::Plain(text) => Some(text),
        Text::Html(html) => Some(html_to_text(&html)),
        Text::Field(_) => None,
    };
    let text = texts(message).into_iter().find_map(body).unwrap_or_default();
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
    fn texts_of_all_parts_are_decoded() {
        let message = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            K=F6ln=\r\n=3D\r\n--b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n\
            PGI+ZmV0dDwvYj4=\r\n--b\r\nContent-Type: image/png\r\n\r\nnot shown\r\n--b\r\n\
            Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?Q?inn=C3=A9r?=\r\n\r\ninside\r\n--b--\r\n";
        let all: Vec<String> = texts(message)
            .into_iter()
            .map(|text| match text {
                Text::Plain(text) | Text::Html(text) | Text::Field(text) => text.trim().to_owned(),
            })
            .collect();
        assert_eq!(all, ["Köln=", "<b>fett</b>", "innér", "inside"]);
    }

    #[test]
    fn no_depth_and_no_number_of_parts_is_too_much() {
        let nested = b"Content-Type:message/rfc822\r\n\r\n".repeat(100_000);
        assert!(texts(&nested).len() < 1000);
        let open = b"--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n".repeat(20_000);
        let message = [&b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"[..], &open].concat();
        assert!(texts(&message).len() <= bounds::MIME_PARTS);
        assert_eq!(preview(&nested), "");
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
