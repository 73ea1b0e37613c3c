//! A message's structure in its stored form, and the view that answers from it.
//!
//! `version envelope fields references body bodystructure parts`; numbers and lengths take seven bits an octet.
//! Invariant: a view of damaged octets is no view; a stored form of another version is none either.

use super::header::Fields;
use super::known::nearest;
use super::render;
use super::scan::{Kind, Part};
use bytes::Bytes;
use std::ops::Range;

/// Rises when the stored form changes.
const VERSION: u8 = 3;
/// A part's numbers: parent, place in it, kind, header's start, header's octets, body's octets.
const NUMBERS: usize = 6;

/// The stored form of a scanned message.
pub(super) fn encode(parts: &[Part]) -> Bytes {
    let mut out = vec![VERSION];
    let root = parts.first();
    block(&mut out, root.map_or(&[][..], |root| &root.envelope));
    match root.and_then(|root| root.fields.as_ref()) {
        // References stand among the fields.
        Some(fields) => {
            number(&mut out, fields.len() as u64 + 1);
            out.extend_from_slice(fields);
            number(&mut out, 0);
        }
        None => {
            number(&mut out, 0);
            block(&mut out, root.map_or(&[][..], |root| &root.references));
        }
    }
    for extended in [false, true] {
        let mut rendered = Vec::new();
        render::structure(&mut rendered, parts, 0, extended);
        block(&mut out, &rendered);
    }
    let mut places = vec![(0u64, 0u64); parts.len()];
    for (index, part) in parts.iter().enumerate() {
        let below: &[usize] = match &part.kind {
            Kind::Leaf => &[],
            Kind::Multipart(children) => children,
            Kind::Message(inner) => std::slice::from_ref(inner),
        };
        for (place, child) in (1..).zip(below) {
            if let Some(slot) = places.get_mut(*child) {
                *slot = (index as u64, place);
            }
        }
    }
    for (part, (parent, place)) in parts.iter().zip(places) {
        let kind = match part.kind {
            Kind::Leaf => 0,
            Kind::Multipart(_) => 1,
            Kind::Message(_) => 2,
        };
        let header_octets = part.body.start.saturating_sub(part.header.start);
        let body_octets = part.body.end.saturating_sub(part.body.start);
        for value in [parent, place, kind, part.header.start, header_octets, body_octets] {
            number(&mut out, value);
        }
        block(&mut out, &part.encoding);
    }
    Bytes::from(out)
}

fn block(out: &mut Vec<u8>, octets: &[u8]) {
    number(out, octets.len() as u64);
    out.extend_from_slice(octets);
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A summary, read.
#[derive(Debug, Clone)]
pub struct SummaryView<'a> {
    envelope: &'a [u8],
    fields: Option<&'a [u8]>,
    references: &'a [u8],
    body: &'a [u8],
    body_structure: &'a [u8],
    parts: Vec<Stored<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Stored<'a> {
    parent: u64,
    place: u64,
    kind: u64,
    header_start: u64,
    body_start: u64,
    body_end: u64,
    encoding: &'a [u8],
}

/// A part: where its octets lie, counted from the body's start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartView<'a> {
    /// Its own header, with the empty line.
    pub header: Range<u64>,
    /// What it holds, as it is encoded.
    pub body: Range<u64>,
    /// The content-transfer-encoding as sent; empty when there is none.
    pub encoding: &'a [u8],
    /// The message in it, when it is one.
    pub message: Option<MessageInside>,
}

/// A part of whatever depth, for who looks at all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyPart<'a> {
    /// Its own header, with the empty line.
    pub header: Range<u64>,
    /// What it holds, as it is encoded.
    pub body: Range<u64>,
    /// The content-transfer-encoding as sent; empty when there is none.
    pub encoding: &'a [u8],
    /// It holds no parts and no message.
    pub is_leaf: bool,
    /// It is a message inside another one: its header is a message's.
    pub is_message_inside: bool,
}

/// A message inside a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageInside {
    /// Its header, with the empty line.
    pub header: Range<u64>,
    /// Its text.
    pub body: Range<u64>,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = *self.take(1)?.first()?;
            value |= u64::from(octet & 0x7f).checked_shl(shift)?;
            if octet < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A block that may be missing: its length stands one higher.
    fn optional_block(&mut self) -> Option<Option<&'a [u8]>> {
        match self.number()?.checked_sub(1) {
            None => Some(None),
            Some(octets) => self.take(usize::try_from(octets).ok()?).map(Some),
        }
    }

    fn block(&mut self) -> Option<&'a [u8]> {
        let octets = usize::try_from(self.number()?).ok()?;
        self.take(octets)
    }

    fn part(&mut self) -> Option<Stored<'a>> {
        let mut numbers = [0; NUMBERS];
        for number in &mut numbers {
            *number = self.number()?;
        }
        let [parent, place, kind, header_start, header_octets, body_octets] = numbers;
        let body_start = header_start.checked_add(header_octets)?;
        let body_end = body_start.checked_add(body_octets)?;
        Some(Stored { parent, place, kind, header_start, body_start, body_end, encoding: self.block()? })
    }
}

impl<'a> SummaryView<'a> {
    /// A view of a stored summary; `None` when it is damaged or of another version.
    pub fn new(stored: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(stored);
        (reader.take(1)? == [VERSION]).then_some(())?;
        let (envelope, fields, references) = (reader.block()?, reader.optional_block()?, reader.block()?);
        let (body, body_structure) = (reader.block()?, reader.block()?);
        let mut parts = Vec::new();
        while !reader.0.is_empty() {
            parts.push(reader.part()?);
        }
        (!parts.is_empty()).then_some(Self { envelope, fields, references, body, body_structure, parts })
    }

    /// Whether a stored summary is of today's form; if not, it is to be made again from the message.
    pub fn is_current(stored: &[u8]) -> bool {
        stored.first() == Some(&VERSION)
    }

    /// ENVELOPE.
    pub fn envelope(&self) -> &'a [u8] {
        self.envelope
    }

    /// The fields of [`known::KNOWN_FIELDS`] as they stand in the header, in its order and without the empty
    /// line at its end; `None` when they were too many to be kept.
    pub fn fields(&self) -> Option<&'a [u8]> {
        self.fields
    }

    /// The References field, unfolded; empty when there is none. Of a very long one its end.
    pub fn references(&self) -> Vec<u8> {
        let Some(fields) = self.fields else { return self.references.to_vec() };
        Fields::new(fields).get("references").map(nearest).unwrap_or_default().to_vec()
    }

    /// BODY.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// BODYSTRUCTURE.
    pub fn body_structure(&self) -> &'a [u8] {
        self.body_structure
    }

    /// Octets of the message's header, with the empty line.
    pub fn header_len(&self) -> u64 {
        self.parts.first().map_or(0, |root| root.body_start)
    }

    /// A part by its numbers, as in `1.2` (RFC 9051 §6.4.5).
    pub fn part(&self, path: &[u32]) -> Option<PartView<'a>> {
        let mut at = 0;
        for (depth, number) in path.iter().enumerate() {
            let mut container = self.parts.get(at)?;
            if depth > 0 && container.kind == 2 {
                at = self.below(at, 1)?;
                container = self.parts.get(at)?;
            } else if depth > 0 && container.kind == 0 {
                return None;
            }
            if container.kind == 1 {
                at = self.below(at, u64::from(*number))?;
            } else if *number != 1 {
                // RFC 9051 §6.4.5: a message without parts has the part 1, its text.
                return None;
            }
        }
        let part = self.parts.get(at)?;
        let inner = (part.kind == 2).then(|| self.below(at, 1)).flatten().and_then(|inner| self.parts.get(inner));
        Some(PartView {
            header: part.header_start..part.body_start,
            body: part.body_start..part.body_end,
            encoding: part.encoding,
            message: inner.map(|inner| MessageInside {
                header: inner.header_start..inner.body_start,
                body: inner.body_start..inner.body_end,
            }),
        })
    }

    /// Every part, the message itself first, parents before what they hold.
    pub fn every_part(&self) -> impl Iterator<Item = AnyPart<'a>> + '_ {
        self.parts.iter().enumerate().map(|(at, part)| {
            let parent = usize::try_from(part.parent).ok().and_then(|parent| self.parts.get(parent));
            AnyPart {
                header: part.header_start..part.body_start,
                body: part.body_start..part.body_end,
                encoding: part.encoding,
                is_leaf: part.kind == 0,
                is_message_inside: at > 0 && parent.is_some_and(|parent| parent.kind == 2),
            }
        })
    }

    fn below(&self, parent: usize, place: u64) -> Option<usize> {
        // The root is its own parent, at place 0.
        self.parts.iter().position(|part| part.place == place && part.parent == parent as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Summarizer;
    use proptest::prelude::*;

    fn summary(message: &[u8], split: usize) -> Bytes {
        let mut summarizer = Summarizer::default();
        let (a, b) = message.split_at(split.min(message.len()));
        summarizer.push(a);
        summarizer.push(b);
        summarizer.finish()
    }

    fn text(octets: &[u8]) -> String {
        String::from_utf8_lossy(octets).into_owned()
    }

    const NESTED: &[u8] = b"From: A <a@x>\r\nSubject: outer\r\nContent-Type: multipart/mixed; boundary=\"b 1\"\r\n\r\n\
        preamble\r\n--b 1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+\r\n\r\n\
        --b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\none\r\ntwo\r\n--b 1--\r\nepilogue\r\n";

    #[test]
    fn structure_of_a_nested_message() {
        let stored = summary(NESTED, 0);
        let view = SummaryView::new(&stored).unwrap();
        assert_eq!(
            text(view.body()),
            "((\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") NIL NIL \"BASE64\" 6 1)(\"MESSAGE\" \"RFC822\" NIL NIL NIL \
             \"7BIT\" 26 (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") \
             NIL NIL \"7BIT\" 8 2) 4) \"MIXED\")"
        );
        assert!(text(view.body_structure()).ends_with("\"MIXED\" (\"BOUNDARY\" \"b 1\") NIL NIL NIL)"));
        assert_eq!(
            text(view.envelope()),
            "(NIL \"outer\" ((\"A\" NIL \"a\" \"x\")) ((\"A\" NIL \"a\" \"x\")) ((\"A\" NIL \"a\" \"x\")) NIL NIL NIL NIL NIL)"
        );
    }

    #[test]
    fn known_fields_are_kept_as_sent() {
        let message = b"Received: by x\r\nFROM : A\r\n <a@x>\r\nX-Other: y\r\nReferences: <1@x>\r\n\t<2@x>\r\nno field\r\n\r\nTo: z\r\n";
        let stored = summary(message, 20);
        let view = SummaryView::new(&stored).unwrap();
        assert_eq!(text(view.fields().unwrap()), "FROM : A\r\n <a@x>\r\nReferences: <1@x>\r\n\t<2@x>\r\n");
        assert_eq!(text(&view.references()), "<1@x>\t<2@x>");
    }

    #[test]
    fn too_many_known_fields_are_not_kept() {
        let mut message = b"References:".to_vec();
        (0..5000).for_each(|n| message.extend_from_slice(format!(" <{n:020}@x>\r\n").as_bytes()));
        message.extend_from_slice(b"Subject: x\r\n\r\n");
        let stored = summary(&message, 7);
        let view = SummaryView::new(&stored).unwrap();
        assert_eq!(view.fields(), None);
        assert!(text(&view.references()).ends_with(&format!("<{:020}@x>", 4999)));
    }

    #[test]
    fn parts_by_number() {
        let stored = summary(NESTED, 0);
        let view = SummaryView::new(&stored).unwrap();
        let octets = |range: Range<u64>| text(&NESTED[range.start as usize..range.end as usize]);
        let one = view.part(&[1]).unwrap();
        assert_eq!((octets(one.body), one.encoding), ("PGI+\r\n".into(), &b"base64"[..]));
        let two = view.part(&[2]).unwrap();
        assert_eq!(octets(two.header), "Content-Type: message/rfc822\r\n\r\n");
        let inner = two.message.unwrap();
        assert_eq!((octets(inner.header), octets(inner.body)), ("Subject: inner\r\n\r\n".into(), "one\r\ntwo".into()));
        assert_eq!(octets(view.part(&[2, 1]).unwrap().body), "one\r\ntwo");
        for missing in [&[3][..], &[2, 2], &[1, 1], &[2, 1, 1]] {
            assert_eq!(view.part(missing), None, "{missing:?}");
        }
    }

    #[test]
    fn a_plain_message_is_its_part_one() {
        let message = b"Subject: x\r\n\r\nHello\r\n";
        let stored = summary(message, 0);
        let view = SummaryView::new(&stored).unwrap();
        assert_eq!(view.header_len(), 14);
        assert_eq!(view.part(&[1]).unwrap().body, 14..21);
        assert!(view.part(&[2]).is_none() && view.part(&[1, 1]).is_none());
        assert_eq!(view.fields(), Some(&b"Subject: x\r\n"[..]));
        assert_eq!(text(view.body()), "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"us-ascii\") NIL NIL \"7BIT\" 7 1)");
    }

    #[test]
    fn depth_and_parts_are_bounded() {
        let mut deep = Vec::new();
        for level in 0..1000 {
            deep.extend_from_slice(
                format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").as_bytes(),
            );
        }
        let mut wide = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
        wide.extend(b"--b\r\n\r\n".repeat(20_000));
        for message in [deep, wide, b"Content-Type: message/rfc822\r\n\r\n".repeat(1000)] {
            assert!(SummaryView::new(&summary(&message, 0)).is_some());
        }
    }

    const PIECES: &[&[u8]] = &[
        b"\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b"x",
        b"From: (<",
        b"Subject: \xff\"",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: message/rfc822",
    ];

    proptest! {
        #[test]
        fn any_octets_have_a_summary_however_split(
            pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..60),
            split in 0usize..300,
        ) {
            let message = pieces.concat();
            let whole = summary(&message, 0);
            prop_assert_eq!(&whole, &summary(&message, split));
            let view = SummaryView::new(&whole).unwrap();
            prop_assert!(view.header_len() <= message.len() as u64);
            prop_assert!(view.parts.iter().all(|part| part.body_end <= message.len() as u64));
        }
    }
}
