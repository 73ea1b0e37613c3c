//! A message as a POP3 multi-line answer (RFC 1939 §3): CRLF lines, leading dots doubled.
//!
//! It does no I/O. Invariant: whatever the stored octets and however they are split, the
//! answer has no bare CR or LF and ends only at its own terminator.

/// Turns a message into a multi-line answer, piece by piece.
#[derive(Debug)]
pub struct Stuffing {
    line_start: bool,
    after_cr: bool,
    /// Still in the header.
    in_header: bool,
    /// Body lines that may still come (TOP).
    lines_left: Option<u64>,
}

impl Stuffing {
    /// The whole message (RETR).
    pub fn whole() -> Self {
        Self { line_start: true, after_cr: false, in_header: true, lines_left: None }
    }

    /// The header and so many lines of the body (TOP).
    pub fn top(lines: u64) -> Self {
        Self { lines_left: Some(lines), ..Self::whole() }
    }

    /// True when no more of the message is wanted.
    pub fn is_done(&self) -> bool {
        !self.in_header && self.line_start && self.lines_left == Some(0)
    }

    /// Takes the next octets of the message.
    pub fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let mut rest = octets;
        while !rest.is_empty() && !self.is_done() {
            let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            let (text, after) = rest.split_at(length);
            self.text(text, out);
            rest = after;
            if let Some((&end, after)) = rest.split_first() {
                self.line_end(end, out);
                rest = after;
            }
        }
    }

    /// Ends the answer.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if self.after_cr {
            self.end_line(out);
        }
        if !self.line_start {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        if self.after_cr {
            // A CR alone ends a line too: it must not reach the client as it is.
            self.end_line(out);
            if self.is_done() {
                return;
            }
        }
        if self.line_start && text.first() == Some(&b'.') {
            out.push(b'.');
        }
        self.line_start = false;
        out.extend_from_slice(text);
    }

    fn line_end(&mut self, octet: u8, out: &mut Vec<u8>) {
        if octet == b'\r' {
            if self.after_cr {
                self.end_line(out);
            }
            self.after_cr = true;
        } else {
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        self.after_cr = false;
        if self.is_done() {
            return;
        }
        out.extend_from_slice(b"\r\n");
        if self.in_header {
            self.in_header = !self.line_start;
        } else if let Some(lines) = &mut self.lines_left {
            *lines = lines.saturating_sub(1);
        }
        self.line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(mut stuffing: Stuffing, pieces: &[&[u8]]) -> String {
        let mut out = Vec::new();
        for piece in pieces {
            stuffing.push(piece, &mut out);
        }
        stuffing.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_are_doubled_and_lines_ended() {
        assert_eq!(answer(Stuffing::whole(), &[b"A: b\r\n\r\n.x\r\n..\r\n"]), "A: b\r\n\r\n..x\r\n...\r\n.\r\n");
        assert_eq!(answer(Stuffing::whole(), &[b"A: b\r\n\r\nx"]), "A: b\r\n\r\nx\r\n.\r\n");
        assert_eq!(answer(Stuffing::whole(), &[b"a\n.\nb\r.\r"]), "a\r\n..\r\nb\r\n..\r\n.\r\n");
        assert_eq!(answer(Stuffing::whole(), &[]), ".\r\n");
    }

    #[test]
    fn top_counts_body_lines() {
        let top = |lines| answer(Stuffing::top(lines), &[b"A: b\r\nC: d\r\n\r\n1\r\n\r\n3\r\n"]);
        assert_eq!(top(0), "A: b\r\nC: d\r\n\r\n.\r\n");
        assert_eq!(top(2), "A: b\r\nC: d\r\n\r\n1\r\n\r\n.\r\n");
        assert_eq!(top(9), "A: b\r\nC: d\r\n\r\n1\r\n\r\n3\r\n.\r\n");
        assert_eq!(answer(Stuffing::top(0), &[b"A: b\r\n"]), "A: b\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(text in "[\r\n.a]{0,30}", at in 0usize..30, lines in 0u64..4) {
            let (a, b) = text.as_bytes().split_at(at.min(text.len()));
            prop_assert_eq!(answer(Stuffing::whole(), &[text.as_bytes()]), answer(Stuffing::whole(), &[a, b]));
            prop_assert_eq!(answer(Stuffing::top(lines), &[text.as_bytes()]), answer(Stuffing::top(lines), &[a, b]));
        }

        #[test]
        fn clean_messages_come_back(lines in proptest::collection::vec("[.a]{0,3}", 0..8)) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let sent = answer(Stuffing::whole(), &[text.as_bytes()]);
            let back: String = sent.strip_suffix(".\r\n").unwrap().split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            prop_assert_eq!(back, text);
        }
    }
}
