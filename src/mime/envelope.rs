//! A ready ENVELOPE read back: the fields that SORT, THREAD and SEARCH compare (RFC 9051 §7.5.2).
//!
//! It reads what `render` wrote and nothing else. Invariant: linear; octets that are no
//! ENVELOPE are none, and an escape is undone once.

use std::borrow::Cow;

/// A string of an ENVELOPE, escapes undone; `None` is NIL.
pub type Text<'a> = Option<Cow<'a, [u8]>>;

/// An ENVELOPE's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvelopeView<'a> {
    /// Date
    pub date: Text<'a>,
    /// Subject
    pub subject: Text<'a>,
    /// From, Sender, Reply-To, To, Cc, Bcc
    addresses: [&'a [u8]; 6],
    /// In-Reply-To
    pub in_reply_to: Text<'a>,
    /// Message-ID
    pub message_id: Text<'a>,
}

/// An address of an ENVELOPE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressView<'a> {
    /// The display name, still encoded.
    pub name: Text<'a>,
    /// The local part, or the name of a group.
    pub mailbox: Text<'a>,
    /// The domain; NIL in what marks a group.
    pub host: Text<'a>,
}

impl<'a> EnvelopeView<'a> {
    /// Reads an ENVELOPE; `None` when it is none.
    pub fn new(envelope: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(envelope);
        reader.expect(b"(")?;
        let date = reader.string()?;
        reader.expect(b" ")?;
        let subject = reader.string()?;
        let mut addresses = [&[][..]; 6];
        for list in &mut addresses {
            reader.expect(b" ")?;
            *list = reader.list()?;
        }
        reader.expect(b" ")?;
        let in_reply_to = reader.string()?;
        reader.expect(b" ")?;
        Some(Self { date, subject, addresses, in_reply_to, message_id: reader.string()? })
    }

    /// The first From address.
    pub fn from(&self) -> Option<AddressView<'a>> {
        self.first(0)
    }

    /// The first To address.
    pub fn to(&self) -> Option<AddressView<'a>> {
        self.first(3)
    }

    /// The first Cc address.
    pub fn cc(&self) -> Option<AddressView<'a>> {
        self.first(4)
    }

    fn first(&self, list: usize) -> Option<AddressView<'a>> {
        Reader(self.addresses.get(list)?.strip_prefix(b"(")?).address()
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn expect(&mut self, octets: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(octets)?;
        Some(())
    }

    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    /// `nstring`
    fn string(&mut self) -> Option<Text<'a>> {
        match self.0.first()? {
            b'"' => self.quoted().map(Some),
            b'{' => self.literal().map(|octets| Some(Cow::Borrowed(octets))),
            _ => self.expect(b"NIL").map(|()| None),
        }
    }

    fn literal(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'}', self.0)?;
        let digits = std::str::from_utf8(self.0.get(1..end)?).ok()?;
        let octets = digits.parse().ok()?;
        self.take(end)?;
        self.expect(b"}\r\n")?;
        self.take(octets)
    }

    fn quoted(&mut self) -> Option<Cow<'a, [u8]>> {
        self.take(1)?;
        let plain = memchr::memchr2(b'"', b'\\', self.0)?;
        let head = self.take(plain)?;
        if self.0.first() == Some(&b'"') {
            self.take(1)?;
            return Some(Cow::Borrowed(head));
        }
        let mut text = head.to_vec();
        loop {
            match self.take(1)? {
                b"\"" => return Some(Cow::Owned(text)),
                b"\\" => text.extend_from_slice(self.take(1)?),
                other => text.extend_from_slice(other),
            }
        }
    }

    /// An address list as it stands, `NIL` or in its parentheses.
    fn list(&mut self) -> Option<&'a [u8]> {
        let start = self.0;
        if self.expect(b"NIL").is_some() {
            return start.get(..3);
        }
        self.expect(b"(")?;
        while self.0.first() == Some(&b'(') {
            self.address()?;
        }
        self.expect(b")")?;
        start.get(..start.len().checked_sub(self.0.len())?)
    }

    fn address(&mut self) -> Option<AddressView<'a>> {
        self.expect(b"(")?;
        let name = self.string()?;
        self.expect(b" ")?;
        self.string()?;
        self.expect(b" ")?;
        let mailbox = self.string()?;
        self.expect(b" ")?;
        let host = self.string()?;
        self.expect(b")")?;
        Some(AddressView { name, mailbox, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::{Summarizer, SummaryView};
    use proptest::prelude::*;

    fn with_envelope<T>(message: &[u8], test: impl FnOnce(EnvelopeView<'_>) -> T) -> T {
        let mut summarizer = Summarizer::default();
        summarizer.push(message);
        let stored = summarizer.finish();
        let view = SummaryView::new(&stored).unwrap();
        test(EnvelopeView::new(view.envelope()).unwrap())
    }

    #[test]
    fn what_was_written_is_read_back() {
        let message =
            b"From: \"A \\\"B\\\" C\" <a@x>, b@y\r\nSubject: 50% \\o/ \"hm\"\r\nCc: \xc3\xa9t\xc3\xa9 <c@z>\r\n\
            Message-ID: <1@x>\r\n\r\n";
        with_envelope(message, |view| {
            assert_eq!(view.subject.as_deref(), Some(&b"50% \\o/ \"hm\""[..]));
            assert_eq!(view.date, None);
            let from = view.from().unwrap();
            assert_eq!(from.name.as_deref(), Some(&b"A \"B\" C"[..]));
            assert_eq!((from.mailbox.as_deref(), from.host.as_deref()), (Some(&b"a"[..]), Some(&b"x"[..])));
            assert_eq!(view.cc().unwrap().name.as_deref(), Some("été".as_bytes()));
            assert_eq!(view.to(), None);
            assert_eq!(view.message_id.as_deref(), Some(&b"<1@x>"[..]));
        });
    }

    proptest! {
        #[test]
        fn any_header_reads_back(fields in proptest::collection::vec((0usize..5, "[ -~\u{e9}]{0,40}"), 0..6)) {
            let names = ["Subject", "From", "To", "Date", "In-Reply-To"];
            let lines: String = fields.iter().map(|(name, value)| format!("{}: {value}\r\n", names[*name])).collect();
            let subject = fields.iter().find(|(name, _)| *name == 0).map(|(_, value)| value.trim().as_bytes().to_vec());
            with_envelope(format!("{lines}\r\n").as_bytes(), |view| {
                prop_assert_eq!(view.subject.as_deref().map(<[u8]>::to_vec), subject);
                Ok(())
            })?;
        }

        #[test]
        fn reading_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = EnvelopeView::new(&octets);
            let _ = EnvelopeView::new(&[&b"(NIL NIL (("[..], &octets].concat());
        }
    }
}
