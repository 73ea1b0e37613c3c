//! Octets to command lines and message content (RFC 5321 §2.3.8, §4.5.2); no I/O.
//!
//! Invariant: only CR LF ends a line and only CR LF `.` CR LF ends a message, however the
//! octets were split on their way (VU#302671, SMTP smuggling).

use crate::model::bounds;
use bytes::{Buf, Bytes, BytesMut};

/// One command line, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line without its CR LF.
    Complete(Bytes),
    /// A line that is too long or not ended by CR LF; it was dropped.
    Malformed,
    /// More of it than anybody sends: the connection has to end.
    Endless,
}

/// Takes command lines from the input.
#[derive(Debug, Default)]
pub struct LineReader {
    /// Octets dropped of an overlong line whose end has not come.
    dropped: usize,
}

impl LineReader {
    /// True inside of an overlong line, whose beginning is no longer in the input.
    pub fn is_within_line(&self) -> bool {
        self.dropped > 0
    }

    /// The next line; `None` until there is more input.
    pub fn take(&mut self, input: &mut BytesMut) -> Option<Line> {
        let Some(end) = memchr::memchr(b'\n', input) else { return self.drop_overlong(input) };
        let mut line = input.split_to(end + 1).freeze();
        let overlong = std::mem::take(&mut self.dropped) > 0 || line.len() > bounds::SMTP_LINE_OCTETS;
        if overlong || !line.ends_with(b"\r\n") {
            return Some(Line::Malformed);
        }
        line.truncate(line.len() - 2);
        // RFC 5321 §2.3.8: CR and LF only together; NUL has no place in a command.
        if memchr::memchr2(b'\r', 0, &line).is_some() { Some(Line::Malformed) } else { Some(Line::Complete(line)) }
    }

    fn drop_overlong(&mut self, input: &mut BytesMut) -> Option<Line> {
        if self.dropped + input.len() > bounds::OVERLONG_LINE_OCTETS {
            return Some(Line::Endless);
        }
        if self.dropped > 0 || input.len() > bounds::SMTP_LINE_OCTETS {
            self.dropped += input.len();
            input.clear();
        }
        None
    }
}

/// Where the reader of DATA stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// After CR LF (or at the very beginning).
    LineStart,
    /// After CR LF `.`
    Dot,
    /// After CR LF `.` CR
    DotCr,
    /// After a CR in a line.
    Cr,
    /// In a line.
    Text,
}

/// Finds the end of DATA and takes the stuffed dots out (RFC 5321 §4.5.2).
#[derive(Debug)]
pub struct DotReader {
    at: At,
}

impl Default for DotReader {
    fn default() -> Self {
        Self::new()
    }
}

impl DotReader {
    /// A reader at the beginning of a message.
    pub fn new() -> Self {
        Self { at: At::LineStart }
    }

    /// Moves content from the input to `content`; true at the end of the message, with
    /// what follows it (pipelined commands) left in the input.
    pub fn read(&mut self, input: &mut BytesMut, content: &mut Vec<u8>) -> bool {
        let mut used = 0;
        while let Some(&octet) = input.get(used) {
            used += 1;
            self.at = match (self.at, octet) {
                (At::LineStart, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotCr,
                (At::DotCr, b'\n') => {
                    input.advance(used);
                    return true;
                }
                (at, octet) => {
                    // RFC 5321 §4.5.2: a leading dot that does not end the message is dropped.
                    if at == At::DotCr {
                        content.push(b'\r');
                    }
                    content.push(octet);
                    match (at, octet) {
                        (_, b'\r') => At::Cr,
                        (At::Cr, b'\n') => At::LineStart,
                        _ => {
                            used += copy_text(input.get(used..).unwrap_or_default(), content);
                            At::Text
                        }
                    }
                }
            };
        }
        input.clear();
        false
    }
}

/// Copies as far as the next CR: nothing before it can end the message.
fn copy_text(rest: &[u8], content: &mut Vec<u8>) -> usize {
    let length = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
    content.extend_from_slice(rest.get(..length).unwrap_or_default());
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(pieces: &[&[u8]]) -> (Vec<u8>, bool, Vec<u8>) {
        let (mut reader, mut out, mut input) = (DotReader::new(), Vec::new(), BytesMut::new());
        let mut ended = false;
        for piece in pieces {
            input.extend_from_slice(piece);
            if !ended {
                ended = reader.read(&mut input, &mut out);
            }
        }
        (out, ended, input.to_vec())
    }

    #[test]
    fn dots_are_unstuffed_and_the_rest_is_left() {
        let (out, ended, rest) = content(&[b"a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n"]);
        assert_eq!((&out[..], ended, &rest[..]), (&b"a\r\n.b\r\nc\r\n"[..], true, &b"QUIT\r\n"[..]));
        assert_eq!(content(&[b".\r\n"]), (vec![], true, vec![]));
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_ends_a_message() {
        let variants: [&[u8]; 12] = [
            b"\n.\n",
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\n.\r",
            b"\r.\n",
            b"\r\n\0.\r\n",
            b"\r\n.\0\r\n",
            b"\r\r\n.\r\r\n",
            b"\r\n.\r\r\n",
        ];
        for variant in variants {
            let (_, ended, rest) = content(&[b"text", variant, b"MAIL FROM:<>\r\n"]);
            assert!(!ended && rest.is_empty(), "{variant:?}");
        }
    }

    #[test]
    fn lines_end_with_crlf_and_are_bounded() {
        let mut reader = LineReader::default();
        let mut input = BytesMut::from(&b"NOOP\r\nNO\nA\rB\r\nx"[..]);
        assert_eq!(reader.take(&mut input), Some(Line::Complete(Bytes::from_static(b"NOOP"))));
        assert_eq!(reader.take(&mut input), Some(Line::Malformed));
        assert_eq!(reader.take(&mut input), Some(Line::Malformed));
        assert_eq!(reader.take(&mut input), None);
        let mut input = BytesMut::from(&vec![b'x'; bounds::SMTP_LINE_OCTETS + 1][..]);
        assert_eq!(reader.take(&mut input), None);
        input.extend_from_slice(b"\r\nNOOP\r\n");
        assert_eq!(reader.take(&mut input), Some(Line::Malformed));
        assert_eq!(reader.take(&mut input), Some(Line::Complete(Bytes::from_static(b"NOOP"))));
        let mut input = BytesMut::from(&vec![b'x'; bounds::OVERLONG_LINE_OCTETS + 1][..]);
        assert_eq!(reader.take(&mut input), Some(Line::Endless));
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..80), at in 0usize..80) {
            let at = at.min(octets.len());
            let (a, b) = octets.split_at(at);
            prop_assert_eq!(content(&[&octets]), content(&[a, b]));
        }

        #[test]
        fn what_was_stuffed_comes_out(lines in proptest::collection::vec("[.a]{0,4}", 0..8)) {
            let plain: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed: String = lines.iter().map(|line| {
                let dot = if line.starts_with('.') { "." } else { "" };
                format!("{dot}{line}\r\n")
            }).collect();
            let (out, ended, _) = content(&[stuffed.as_bytes(), b".\r\n"]);
            prop_assert!(ended);
            prop_assert_eq!(out, plain.into_bytes());
        }
    }
}
