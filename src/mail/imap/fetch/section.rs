//! Sections of a message: their names in answers and where their octets lie (RFC 9051 §6.4.5).
//!
//! Pure. A stored message is a recipient's prefix and the body; the summary counts from the
//! body's start. Invariant: a place lies within the message.

use crate::mail::imap::command::{Partial, Section, SectionText};
use crate::mail::imap::encode;
use crate::mime::{SummaryView, is_known_field};
use crate::store::StoredMessage;
use std::ops::Range;

/// Which header fields.
pub(super) struct Chosen {
    names: Vec<Vec<u8>>,
    /// HEADER.FIELDS.NOT
    others: bool,
}

/// Where a section's octets lie.
pub(super) enum Place {
    /// These octets of the message.
    Octets(Range<u64>),
    /// Fields chosen from the header in these octets.
    Fields(Range<u64>, Chosen),
}

/// Where a section lies; `None` when the message has no such part.
pub(super) fn place(stored: &StoredMessage, view: &SummaryView<'_>, section: &Section) -> Option<Place> {
    let prefix = stored.prefix.len() as u64;
    let (header, text, whole, mime) = if section.part.is_empty() {
        // The recipient's own fields stand before the header of the body they share.
        let header_end = prefix + view.header_len();
        (Some(0..header_end), Some(header_end..stored.size), 0..stored.size, None)
    } else {
        let part = view.part(&section.part)?;
        let at = |range: Range<u64>| range.start + prefix..range.end + prefix;
        let inner = part.message.map(|message| (at(message.header), at(message.body))).unzip();
        (inner.0, inner.1, at(part.body), Some(at(part.header)))
    };
    let place = match &section.text {
        None => Place::Octets(whole),
        Some(SectionText::Mime) => Place::Octets(mime?),
        Some(SectionText::Header) => Place::Octets(header?),
        Some(SectionText::Text) => Place::Octets(text?),
        Some(SectionText::HeaderFields(names)) => {
            Place::Fields(header?, Chosen { names: names.clone(), others: false })
        }
        Some(SectionText::HeaderFieldsNot(names)) => {
            Place::Fields(header?, Chosen { names: names.clone(), others: true })
        }
    };
    Some(place)
}

/// A part's octets and the name of their encoding; for the whole message, as it stands.
pub(super) fn encoded_part(
    stored: &StoredMessage,
    view: &SummaryView<'_>,
    part: &[u32],
) -> Option<(Range<u64>, String)> {
    if part.is_empty() {
        return Some((0..stored.size, String::new()));
    }
    let prefix = stored.prefix.len() as u64;
    let part = view.part(part)?;
    Some((part.body.start + prefix..part.body.end + prefix, String::from_utf8_lossy(part.encoding).into_owned()))
}

/// A range cut to `<offset.count>`; empty when it lies beyond the end (RFC 9051 §6.4.5).
pub(super) fn cut(range: Range<u64>, partial: Option<Partial>) -> Range<u64> {
    let Some(partial) = partial else { return range };
    let start = range.start.saturating_add(partial.offset).min(range.end);
    start..start.saturating_add(partial.count).min(range.end)
}

/// Whether a section asks for fields that summaries keep ready.
pub(super) fn asks_known_fields(section: &Section) -> bool {
    let Some(SectionText::HeaderFields(names)) = &section.text else { return false };
    section.part.is_empty() && names.iter().all(|name| is_known_field(name))
}

/// The part of the header that summaries keep ready, the recipient's own fields before it: enough for
/// a section that [`asks_known_fields`].
pub(super) fn known_header(stored: &StoredMessage, view: &SummaryView<'_>) -> Option<Vec<u8>> {
    Some([&stored.prefix, view.fields()?].concat())
}

/// The chosen fields of a header and the empty line that ends it.
pub(super) fn fields(header: &[u8], chosen: &Chosen) -> Vec<u8> {
    let mut out = Vec::new();
    for field in crate::mime::fields(header) {
        let named = chosen.names.iter().any(|wanted| wanted.eq_ignore_ascii_case(field.name));
        if named != chosen.others {
            out.extend_from_slice(field.octets);
        }
    }
    // RFC 9051 §6.4.5: the delimiting blank line is always there.
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// `BODY[1.2.HEADER.FIELDS (From)]<0>`
pub(super) fn body_name(out: &mut Vec<u8>, section: &Section, partial: Option<Partial>) {
    out.extend_from_slice(b"BODY[");
    part_numbers(out, &section.part);
    if let Some(text) = &section.text {
        if !section.part.is_empty() {
            out.push(b'.');
        }
        match text {
            SectionText::Header => out.extend_from_slice(b"HEADER"),
            SectionText::Text => out.extend_from_slice(b"TEXT"),
            SectionText::Mime => out.extend_from_slice(b"MIME"),
            SectionText::HeaderFields(names) => field_names(out, b"HEADER.FIELDS (", names),
            SectionText::HeaderFieldsNot(names) => field_names(out, b"HEADER.FIELDS.NOT (", names),
        }
    }
    out.push(b']');
    origin(out, partial);
}

/// `BINARY[1]<0> `, with a space at the end.
pub(super) fn binary_name(out: &mut Vec<u8>, name: &[u8], part: &[u32], partial: Option<Partial>) {
    out.extend_from_slice(name);
    out.push(b'[');
    part_numbers(out, part);
    out.push(b']');
    origin(out, partial);
    out.push(b' ');
}

fn part_numbers(out: &mut Vec<u8>, part: &[u32]) {
    for (index, number) in part.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        encode::number(out, (*number).into());
    }
}

fn origin(out: &mut Vec<u8>, partial: Option<Partial>) {
    if let Some(partial) = partial {
        out.push(b'<');
        encode::number(out, partial.offset);
        out.push(b'>');
    }
}

fn field_names(out: &mut Vec<u8>, start: &[u8], names: &[Vec<u8>]) {
    out.extend_from_slice(start);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        // RFC 5322 §3.6.8: a field name is printable ASCII; those of them that end an atom are quoted.
        let atom = name.iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'));
        if atom && !name.is_empty() {
            out.extend_from_slice(name);
        } else {
            encode::string(out, name);
        }
    }
    out.push(b')');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_chosen_with_their_folds() {
        let header = b"From: a\r\nSubject: b\r\n c\r\nTo : d\r\n\r\n";
        let chosen = |names: &[&str], others| Chosen {
            names: names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            others,
        };
        assert_eq!(fields(header, &chosen(&["SUBJECT", "to"], false)), b"Subject: b\r\n c\r\nTo : d\r\n\r\n");
        assert_eq!(fields(header, &chosen(&["subject"], true)), b"From: a\r\nTo : d\r\n\r\n");
        assert_eq!(fields(header, &chosen(&["X"], false)), b"\r\n");
    }

    #[test]
    fn partials_stay_within() {
        let partial = |offset, count| Some(Partial { offset, count });
        assert_eq!(cut(10..20, partial(2, 3)), 12..15);
        assert_eq!(cut(10..20, partial(5, u64::MAX)), 15..20);
        assert_eq!(cut(10..20, partial(u64::MAX, 1)), 20..20);
        assert_eq!(cut(10..20, None), 10..20);
    }

    #[test]
    fn names_are_told_as_they_were_asked() {
        let mut out = Vec::new();
        let names = vec![b"From".to_vec(), b"x y".to_vec()];
        let section = Section { part: vec![1, 2], text: Some(SectionText::HeaderFields(names)) };
        body_name(&mut out, &section, Some(Partial { offset: 7, count: 9 }));
        assert_eq!(out, b"BODY[1.2.HEADER.FIELDS (From \"x y\")]<7>");
    }
}
