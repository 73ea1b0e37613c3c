//! What a message's octets must be: CRLF lines, no NUL, a bounded header, few hops.
//!
//! It judges, it stores nothing but the header. Invariant: the same octets give the same
//! judgement however they are split, and a fault found once stays.

use super::reply::{self, Reply};
use crate::mime::fields;
use crate::model::bounds;

/// Why a message is refused whatever its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// CR without LF, LF without CR, or NUL.
    BareLineEnd,
    /// The header passes [`bounds::HEADER_OCTETS`].
    HeaderTooLarge,
    /// The message passes [`bounds::MESSAGE_OCTETS`].
    TooLarge,
    /// As many `Received` fields as a looping message has.
    Looping,
}

impl Fault {
    /// The reply at the end of the message.
    pub fn reply(self) -> Reply {
        match self {
            // RFC 5321 §2.3.8: must not be sent; accepting them is what smuggling lives on.
            Self::BareLineEnd => Reply::new(554, "5.6.0", "Message has a bare CR, a bare LF or a NUL"),
            Self::HeaderTooLarge => Reply::new(552, "5.3.4", "Message header is too large"),
            Self::TooLarge => reply::too_large(),
            // RFC 5321 §6.3
            Self::Looping => Reply::new(554, "5.4.6", "Message has passed too many servers"),
        }
    }
}

/// Watches a message as it comes in.
#[derive(Debug, Default)]
pub struct Content {
    header: Vec<u8>,
    header_ended: bool,
    after_cr: bool,
    size: u64,
}

impl Content {
    /// Takes the next octets and returns those that belong to the body.
    ///
    /// # Errors
    /// [`Fault`]; the rest of the message need not be looked at.
    pub fn take<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], Fault> {
        self.size += octets.len() as u64;
        if self.size > bounds::MESSAGE_OCTETS {
            return Err(Fault::TooLarge);
        }
        self.check_line_ends(octets)?;
        if self.header_ended {
            return Ok(octets);
        }
        self.take_header(octets)
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The header as far as it has come, with the empty line once that has.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Whether the header is complete.
    pub fn header_ended(&self) -> bool {
        self.header_ended
    }

    /// The message has ended: judges what only the end shows.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn finish(&self) -> Result<(), Fault> {
        if self.after_cr {
            return Err(Fault::BareLineEnd);
        }
        if hops(&self.header) >= bounds::RECEIVED_HOPS { Err(Fault::Looping) } else { Ok(()) }
    }

    fn check_line_ends(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let mut expected_lf = self.after_cr.then_some(0);
        for at in memchr::memchr3_iter(b'\r', b'\n', 0, octets) {
            let fits = match octets.get(at) {
                Some(b'\n') => expected_lf.take() == Some(at),
                Some(b'\r') => expected_lf.replace(at + 1).is_none(),
                _ => false,
            };
            if !fits {
                return Err(Fault::BareLineEnd);
            }
        }
        match expected_lf {
            Some(at) if at < octets.len() => Err(Fault::BareLineEnd),
            rest => {
                self.after_cr = rest.is_some();
                Ok(())
            }
        }
    }

    fn take_header<'a>(&mut self, octets: &'a [u8]) -> Result<&'a [u8], Fault> {
        let before = self.header.len();
        self.header.extend_from_slice(octets.get(..octets.len().min(bounds::HEADER_OCTETS + 1)).unwrap_or_default());
        let from = before.saturating_sub(3);
        let end = if self.header.starts_with(b"\r\n") {
            Some(2)
        } else {
            let fresh = self.header.get(from..).unwrap_or_default();
            memchr::memmem::find(fresh, b"\r\n\r\n").map(|at| from + at + 4)
        };
        if end.unwrap_or(self.header.len()) > bounds::HEADER_OCTETS {
            return Err(Fault::HeaderTooLarge);
        }
        let Some(end) = end else { return Ok(&[]) };
        self.header.truncate(end);
        self.header_ended = true;
        Ok(octets.get(end.saturating_sub(before)..).unwrap_or_default())
    }
}

fn hops(header: &[u8]) -> usize {
    fields(header).filter(|field| field.name.eq_ignore_ascii_case(b"received")).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judge(pieces: &[&[u8]]) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let (mut content, mut body) = (Content::default(), Vec::new());
        for piece in pieces {
            body.extend_from_slice(content.take(piece)?);
        }
        content.finish()?;
        Ok((content.header().to_vec(), body))
    }

    #[test]
    fn header_and_body_are_told_apart() {
        assert_eq!(judge(&[b"A: b\r\n\r\nbody\r\n"]), Ok((b"A: b\r\n\r\n".to_vec(), b"body\r\n".to_vec())));
        assert_eq!(judge(&[b"\r\nbody\r\n"]), Ok((b"\r\n".to_vec(), b"body\r\n".to_vec())));
        assert_eq!(judge(&[b"A: b\r\n"]), Ok((b"A: b\r\n".to_vec(), vec![])));
    }

    #[test]
    fn faults_are_found() {
        for bad in [&b"a\n"[..], b"a\rb\r\n", b"a\0\r\n", b"a\r\r\n", b"a\r", b"\n"] {
            assert_eq!(judge(&[bad]), Err(Fault::BareLineEnd), "{bad:?}");
        }
        let hops = |n: usize| judge(&[[b"RECEIVED: x\r\n\ty\r\n".repeat(n), b"\r\n".to_vec()].concat().as_slice()]);
        assert_eq!(hops(bounds::RECEIVED_HOPS), Err(Fault::Looping));
        assert!(hops(bounds::RECEIVED_HOPS - 1).is_ok());
        let long = [b"A: ".to_vec(), vec![b'x'; bounds::HEADER_OCTETS]].concat();
        assert_eq!(judge(&[&long]), Err(Fault::HeaderTooLarge));
    }

    proptest! {
        #[test]
        fn splits_do_not_matter(octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), Just(0u8)], 0..40), at in 0usize..40) {
            let (a, b) = octets.split_at(at.min(octets.len()));
            prop_assert_eq!(judge(&[&octets]), judge(&[a, b]));
        }

        #[test]
        fn clean_messages_split_anywhere(lines in proptest::collection::vec("[a:]{0,2}", 0..8), at in 0usize..30) {
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let (a, b) = text.as_bytes().split_at(at.min(text.len()));
            prop_assert_eq!(judge(&[text.as_bytes()]), judge(&[a, b]));
        }
    }
}
