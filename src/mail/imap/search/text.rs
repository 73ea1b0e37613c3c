//! A message's text as searches compare it: decoded, as keys of `i;unicode-casemap` (RFC 5255 §4.4).
//!
//! Encoded words (RFC 2047), charsets and transfer encodings are undone first (RFC 9051
//! §6.4.4: servers should). It works on memory only. Invariant: nothing is decoded before
//! a key asks for it.

use crate::mime::{self, RawField, casemap, fields};
use bytes::Bytes;
use jiff::civil::Date;
use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;
use std::cell::OnceCell;

/// What searches ask of a message's text; `None` where that is not known without reading the message.
pub(super) trait Answers {
    /// The day in the Date field, in its own zone, if there is one.
    fn day(&self) -> Option<Option<Date>>;

    /// Whether a field (in lower case) has a text in its value; the empty text asks for the field itself
    /// (RFC 9051 §6.4.4).
    fn field_has(&self, name: &str, wanted: &str) -> Option<bool>;

    /// Whether any field has a text.
    fn header_has(&self, wanted: &str) -> Option<bool>;

    /// Whether the body has a text.
    fn body_has(&self, wanted: &str) -> Option<bool>;
}

/// One message.
pub(super) struct Text {
    octets: Bytes,
    fields: OnceCell<Vec<Field>>,
    body: OnceCell<Vec<String>>,
}

/// A header field: keys of its name and of its decoded value.
struct Field {
    name: String,
    value: String,
}

impl Text {
    pub(super) fn new(octets: Bytes) -> Self {
        Self { octets, fields: OnceCell::new(), body: OnceCell::new() }
    }

    fn fields(&self) -> &[Field] {
        self.fields.get_or_init(|| {
            let decoded = |field: RawField<'_>| Field {
                name: casemap(&String::from_utf8_lossy(field.name)),
                value: casemap(&unstructured(field.value)),
            };
            fields(&self.octets).map(decoded).collect()
        })
    }
}

impl Answers for Text {
    fn day(&self) -> Option<Option<Date>> {
        Some(day(&self.octets))
    }

    fn field_has(&self, name: &str, wanted: &str) -> Option<bool> {
        // Only the fields of that name are decoded.
        let mut named = fields(&self.octets).filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        Some(named.any(|field| casemap(&unstructured(field.value)).contains(wanted)))
    }

    fn header_has(&self, wanted: &str) -> Option<bool> {
        Some(self.fields().iter().any(|field| field.value.contains(wanted) || field.name.contains(wanted)))
    }

    fn body_has(&self, wanted: &str) -> Option<bool> {
        Some(self.body.get_or_init(|| body_texts(&self.octets)).iter().any(|text| text.contains(wanted)))
    }
}

/// The day in the Date field of a header, in its own zone.
pub(super) fn day(header: &[u8]) -> Option<Date> {
    let field = fields(header).find(|field| field.name.eq_ignore_ascii_case(b"date"))?;
    let line = [field.value, b"\r\n"].concat();
    let HeaderValue::DateTime(date) = MessageStream::new(&line).parse_date() else { return None };
    Date::new(i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?).ok()
}

/// An unstructured field's value, decoded.
pub(super) fn unstructured(value: &[u8]) -> String {
    let line = [value, b"\r\n"].concat();
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// All texts of a body, those of messages inside it as well, as keys.
fn body_texts(octets: &[u8]) -> Vec<String> {
    let key = |text: mime::Text| match text {
        mime::Text::Plain(text) | mime::Text::Html(text) | mime::Text::Field(text) => casemap(&text),
    };
    mime::texts(octets).into_iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"From: =?utf-8?Q?J=C3=B6rg?= <joerg@example.org>\r\nSubject: one\r\n two\r\n\
        Date: Mon, 23 Nov 2026 23:30:00 -0700\r\nX-Empty:\r\n\
        Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        Gr=FC=DFe aus\r\nK=F6ln\r\n";

    #[test]
    fn texts_are_decoded_and_folded() {
        let text = Text::new(Bytes::from_static(MESSAGE));
        for (name, wanted, there) in [
            ("FROM", "JÖRG", true),
            ("FROM", "joerg@", true),
            ("SUBJECT", "one two", true),
            ("X-EMPTY", "", true),
            ("CC", "", false),
        ] {
            assert_eq!(text.field_has(name, &casemap(wanted)), Some(there), "{name} {wanted}");
        }
        for (wanted, in_body, in_header) in [("GRÜ", true, false), ("köln", true, false), ("jörg", false, true)] {
            assert_eq!(text.body_has(&casemap(wanted)), Some(in_body), "{wanted}");
            assert_eq!(text.header_has(&casemap(wanted)), Some(in_header), "{wanted}");
        }
        assert_eq!(text.day(), Some(Some(jiff::civil::date(2026, 11, 23))));
    }

    #[test]
    fn the_header_ends_at_the_empty_line() {
        let text = Text::new(Bytes::from_static(b"A: 1\r\n\r\nB: 2\r\n"));
        assert_eq!(text.field_has("A", &casemap("1")), Some(true));
        assert_eq!(text.field_has("B", &casemap("2")), Some(false));
        assert_eq!(Text::new(Bytes::from_static(b"\r\nA: 1\r\n")).field_has("A", &casemap("")), Some(false));
    }
}
