//! One pass over a message: where its parts begin and end (RFC 2046 §5.1).
//!
//! Line by line with a stack of open parts; only headers are held. Invariant: depth, parts
//! and held octets are bounded, and a line is looked at once.

use super::header::{Fields, Parameterized};
use super::known::{known_fields, nearest};
use super::{render, summary};
use crate::model::bounds;
use bytes::Bytes;
use std::ops::Range;

/// Octets of a body line that are held: a boundary has at most 70 (RFC 2046 §5.1.1).
const BODY_LINE_OCTETS: usize = 256;

/// A part of a message.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) header: Range<u64>,
    pub(super) body: Range<u64>,
    /// Lines of the body.
    pub(super) lines: u64,
    pub(super) content_type: Parameterized,
    /// `BASE64` and so on, as sent; empty when there is none.
    pub(super) encoding: Vec<u8>,
    pub(super) disposition: Option<Parameterized>,
    pub(super) id: Option<Vec<u8>>,
    pub(super) description: Option<Vec<u8>>,
    pub(super) md5: Option<Vec<u8>>,
    pub(super) language: Option<Vec<u8>>,
    pub(super) location: Option<Vec<u8>>,
    pub(super) kind: Kind,
    /// ENVELOPE, of the message itself and of messages inside it.
    pub(super) envelope: Vec<u8>,
    /// The known fields of the message itself, if they were few enough to be kept.
    pub(super) fields: Option<Vec<u8>>,
    /// References, of the message itself.
    pub(super) references: Vec<u8>,
}

/// What a part holds.
#[derive(Debug, Default)]
pub(super) enum Kind {
    /// Octets.
    #[default]
    Leaf,
    /// Parts.
    Multipart(Vec<usize>),
    /// A message: its root part.
    Message(usize),
}

/// A part that is not closed yet.
struct Open {
    part: usize,
    /// The delimiter of a multipart whose parts still come.
    boundary: Option<Vec<u8>>,
    /// Lines before its body.
    lines_before: u64,
    /// True for the root of a message: it has an ENVELOPE.
    is_message: bool,
}

/// Reads a message as it passes.
pub struct Summarizer {
    parts: Vec<Part>,
    open: Vec<Open>,
    in_header: bool,
    header: Vec<u8>,
    line: Vec<u8>,
    /// Octets of the line so far, held or not.
    line_octets: u64,
    offset: u64,
    lines: u64,
    /// Octets of the line end before this line: it belongs to a boundary that follows (RFC 2046 §5.1.1).
    newline_before: u64,
    /// Whether the line before this one was empty: with its line end gone, nothing is left of it.
    empty_before: bool,
    /// Whether the octet before was a CR.
    ends_with_cr: bool,
    /// Octets of header text that the parts below the message leave in the summary.
    shown: usize,
}

impl Default for Summarizer {
    fn default() -> Self {
        let root = Open { part: 0, boundary: None, lines_before: 0, is_message: true };
        Self {
            parts: vec![Part::default()],
            open: vec![root],
            in_header: true,
            header: Vec::new(),
            line: Vec::new(),
            line_octets: 0,
            shown: 0,
            offset: 0,
            lines: 0,
            newline_before: 0,
            empty_before: false,
            ends_with_cr: false,
        }
    }
}

impl Summarizer {
    /// Takes the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let newline = memchr::memchr(b'\n', rest);
            let (piece, later) = rest.split_at(newline.map_or(rest.len(), |at| at + 1));
            rest = later;
            let bound = if self.in_header { bounds::HEADER_FIELD_OCTETS } else { BODY_LINE_OCTETS };
            let room = bound.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
            self.line_octets += piece.len() as u64;
            self.offset += piece.len() as u64;
            let before_newline = piece.len().checked_sub(2).and_then(|at| piece.get(at));
            let cr = before_newline.map_or(self.ends_with_cr && piece.len() == 1, |octet| *octet == b'\r');
            self.ends_with_cr = piece.last() == Some(&b'\r');
            if newline.is_some() {
                self.line_ends(1 + u64::from(cr));
            }
        }
    }

    /// Ends the message: what IMAP shows of it, in its stored form.
    pub fn finish(mut self) -> Bytes {
        if self.line_octets > 0 {
            self.line_ends(0);
        }
        if self.in_header {
            self.header_ends(self.offset, false);
        }
        self.close_from(0, self.offset, self.lines);
        summary::encode(&self.parts)
    }

    /// A line has ended; `newline` octets of it are its line end.
    fn line_ends(&mut self, newline: u64) {
        let start = self.offset - self.line_octets;
        let line = std::mem::take(&mut self.line);
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let lines_before = self.lines;
        self.lines += 1;
        let delimiter = if text.starts_with(b"--") { self.delimiter(text) } else { None };
        if let Some((level, closing)) = delimiter {
            self.boundary(level, closing, start, lines_before - u64::from(self.empty_before));
        } else if self.in_header {
            if text.is_empty() {
                self.header_ends(self.offset, true);
            } else if self.header.len() + line.len() <= bounds::HEADER_OCTETS {
                self.header.extend_from_slice(&line);
            }
        }
        self.empty_before = self.line_octets == newline;
        self.line_octets = 0;
        self.newline_before = newline;
        // The buffer is used again; a long header line does not stay.
        self.line = line;
        self.line.clear();
        self.line.shrink_to(4096);
    }

    /// The innermost multipart whose delimiter a line is, and whether it closes it.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.get(2..)?;
        self.open.iter().enumerate().rev().find_map(|(level, open)| {
            let after = rest.strip_prefix(open.boundary.as_deref()?)?;
            let (after, closing) = after.strip_prefix(b"--").map_or((after, false), |after| (after, true));
            // RFC 2046 §5.1.1: only padding may follow.
            (closing || after.trim_ascii().is_empty()).then_some((level, closing))
        })
    }

    fn boundary(&mut self, level: usize, closing: bool, start: u64, lines: u64) {
        let end = start.saturating_sub(self.newline_before);
        if self.in_header {
            self.header_ends(start, false);
        }
        if !closing && self.parts.len() >= bounds::MIME_PARTS {
            // Past the bound, all that follows belongs to the last part.
            return;
        }
        self.close_from(level + 1, end, lines);
        let Some(open) = self.open.last_mut() else { return };
        if closing {
            open.boundary = None;
        } else {
            let parent = open.part;
            self.begin(parent, false);
        }
    }

    /// Begins a part below `parent`, at the end of the line that has just come.
    fn begin(&mut self, parent: usize, is_message: bool) {
        let part = self.parts.len();
        self.parts.push(Part { header: self.offset..self.offset, ..Part::default() });
        if let Some(Part { kind, .. }) = self.parts.get_mut(parent) {
            match kind {
                Kind::Multipart(children) => children.push(part),
                other => *other = Kind::Message(part),
            }
        }
        self.open.push(Open { part, boundary: None, lines_before: self.lines, is_message });
        self.in_header = true;
        self.header.clear();
    }

    /// The header of the innermost part ends at `end`: complete with its empty line, or cut off.
    fn header_ends(&mut self, end: u64, complete: bool) {
        let block = std::mem::take(&mut self.header);
        self.in_header = false;
        let lines = self.lines;
        let room = self.open.len() < bounds::MIME_DEPTH && self.parts.len() < bounds::MIME_PARTS;
        let in_digest = self.in_digest();
        let Some(open) = self.open.last_mut() else { return };
        let Some(part) = self.parts.get_mut(open.part) else { return };
        let fields = Fields::new(&block);
        read_fields(part, &fields, in_digest);
        if open.is_message {
            part.envelope = render::envelope(&fields);
        }
        if open.part == 0 {
            // What was too long to be held is missing in the block: then there is no saying what is known.
            let whole = block.len() as u64 + 2 >= end;
            part.fields = known_fields(&block).filter(|_| whole);
            part.references = nearest(fields.get("references").unwrap_or_default()).to_vec();
        } else {
            self.shown += part.shown_octets();
            if self.shown > bounds::PARTS_TEXT_OCTETS {
                part.show_less();
            }
        }
        part.header.end = end;
        part.body = end..end;
        open.lines_before = lines;
        match major(&part.content_type) {
            Major::Multipart(boundary) if room => {
                open.boundary = Some(boundary);
                part.kind = Kind::Multipart(Vec::new());
            }
            Major::Message if room && complete && is_identity(&part.encoding) => {
                let index = open.part;
                self.begin(index, true);
            }
            // What cannot be looked into is shown as octets.
            Major::Multipart(_) | Major::OpaqueMultipart | Major::Message => part.content_type = opaque(),
            Major::Other => {}
        }
    }

    fn in_digest(&self) -> bool {
        let parent = self.open.len().checked_sub(2).and_then(|at| self.open.get(at));
        let parent = parent.and_then(|open| self.parts.get(open.part));
        parent.is_some_and(|part| {
            matches!(part.kind, Kind::Multipart(_)) && part.content_type.value.eq_ignore_ascii_case(b"multipart/digest")
        })
    }

    /// Closes the open parts from a level up.
    fn close_from(&mut self, level: usize, end: u64, lines: u64) {
        for open in self.open.drain(level.min(self.open.len())..) {
            if let Some(part) = self.parts.get_mut(open.part) {
                part.body.end = end.max(part.body.start);
                part.lines = if part.body.is_empty() { 0 } else { lines.saturating_sub(open.lines_before) };
            }
        }
    }
}

/// What a content type means for structure.
enum Major {
    Multipart(Vec<u8>),
    /// A multipart without a boundary.
    OpaqueMultipart,
    Message,
    Other,
}

fn major(content_type: &Parameterized) -> Major {
    let value = &content_type.value;
    let starts = |prefix: &[u8]| value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts(b"multipart/") {
        let boundary = content_type.parameter("boundary").map(<[u8]>::trim_ascii_end).filter(|text| !text.is_empty());
        return boundary.map_or(Major::OpaqueMultipart, |boundary| Major::Multipart(boundary.to_vec()));
    }
    // RFC 2046 §5.2.1, RFC 6532 §3.7.
    let message = value.eq_ignore_ascii_case(b"message/rfc822") || value.eq_ignore_ascii_case(b"message/global");
    if message { Major::Message } else { Major::Other }
}

/// RFC 2045 §6.4: composite parts are not encoded; one that is all the same is not looked into.
fn is_identity(encoding: &[u8]) -> bool {
    [&b""[..], b"7bit", b"8bit", b"binary"].iter().any(|known| encoding.eq_ignore_ascii_case(known))
}

fn opaque() -> Parameterized {
    Parameterized { value: b"application/octet-stream".to_vec(), parameters: Vec::new() }
}

impl Part {
    /// Octets of its header that a summary shows.
    fn shown_octets(&self) -> usize {
        let texts = [&self.id, &self.description, &self.md5, &self.language, &self.location];
        let texts: usize = texts.into_iter().flatten().map(Vec::len).sum();
        let disposition = self.disposition.as_ref().map_or(0, Parameterized::octets);
        texts + disposition + self.content_type.octets() + self.encoding.len() + self.envelope.len()
    }

    /// Leaves out what the structure can do without; a boundary is no longer needed once it was read.
    fn show_less(&mut self) {
        for text in [&mut self.id, &mut self.description, &mut self.md5, &mut self.language, &mut self.location] {
            *text = None;
        }
        self.disposition = None;
        if matches!(major(&self.content_type), Major::Other) {
            let charset =
                |(name, value): &(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"charset") && value.len() <= 64;
            self.content_type.parameters.retain(charset);
            self.content_type.parameters.truncate(1);
        }
        if self.content_type.octets() > 1024 {
            self.content_type = opaque();
        }
        if self.encoding.len() > 64 {
            self.encoding.clear();
        }
        if !self.envelope.is_empty() {
            self.envelope = render::envelope(&Fields::new(b""));
        }
    }
}

fn read_fields(part: &mut Part, fields: &Fields<'_>, in_digest: bool) {
    let text = |name: &str| fields.get(name).map(<[u8]>::to_vec);
    let content_type = fields.get("content-type").map(Parameterized::new);
    let valid = content_type.filter(|content_type| memchr::memchr(b'/', &content_type.value).is_some());
    // RFC 2045 §5.2; RFC 2046 §5.1.5.
    part.content_type = valid.unwrap_or_else(|| {
        if in_digest {
            Parameterized { value: b"message/rfc822".to_vec(), parameters: Vec::new() }
        } else {
            let charset = (b"CHARSET".to_vec(), b"us-ascii".to_vec());
            Parameterized { value: b"text/plain".to_vec(), parameters: vec![charset] }
        }
    });
    part.encoding =
        fields.get("content-transfer-encoding").map(|value| Parameterized::new(value).value).unwrap_or_default();
    part.disposition = fields.get("content-disposition").map(Parameterized::new);
    part.id = text("content-id");
    part.description = text("content-description");
    part.md5 = text("content-md5");
    part.language = text("content-language");
    part.location = text("content-location");
}
