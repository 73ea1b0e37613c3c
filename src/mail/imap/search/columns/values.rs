//! What the columns hold of a message, made from its summary (RFC 5256 §2.1, §2.2, RFC 5957 §3, RFC 9051 §6.4.4).
//!
//! Invariant: no text here is longer than its bound; a search text that would be is not kept, and the search reads the
//! message instead.

use super::names::{Name, Names};
use super::texts::{TextId, Texts};
use crate::mail::imap::search::text::{self, Answers};
use crate::mime::{AddressView, EnvelopeView, SummaryView, base_subject, casemap, decoded, fields, sent_at};
use crate::model::bounds;
use crate::store::{Row, StoredMessage};
use jiff::civil::Date;
use std::ops::Range;

/// From, To, Cc by their local parts, From and To as they are displayed.
pub(in crate::mail::imap::search) const ADDRESS_KEYS: usize = 5;
/// The fields that SEARCH has keys for.
pub(in crate::mail::imap::search) const WORD_FIELDS: [&str; 5] = ["subject", "from", "to", "cc", "bcc"];

/// A base subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::mail::imap::search) struct Subject {
    /// Its key.
    pub(in crate::mail::imap::search) key: TextId,
    /// It had marks of a reply or forward.
    pub(in crate::mail::imap::search) is_reply: bool,
}

/// A message's place among others.
#[derive(Debug, Clone, Copy)]
pub(in crate::mail::imap::search) struct Threaded {
    /// Its Message-ID.
    pub(super) id: Option<Name>,
    start: u32,
    count: u32,
}

impl Threaded {
    pub(super) fn references(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.count as usize
    }
}

/// The texts of a message that SEARCH has keys for.
#[derive(Debug, Clone, Copy)]
pub(in crate::mail::imap::search) struct Words {
    day: Option<Date>,
    fields: [Word; WORD_FIELDS.len()],
    /// The fields were not kept ready: nothing is known.
    unknown: bool,
}

/// The text of the fields of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Absent,
    Known(TextId),
    /// Too long to be kept.
    Unknown,
}

/// Between the texts of fields of one name; no search can hold it (RFC 9051 §9: CHAR8 excludes NUL).
const BETWEEN: char = '\0';

/// A message as it was read.
pub(super) struct Source<'a> {
    row: &'a Row,
    stored: Option<&'a StoredMessage>,
    view: Option<SummaryView<'a>>,
    envelope: EnvelopeView<'a>,
}

impl<'a> Source<'a> {
    /// A message that is gone or damaged has empty values.
    pub(super) fn new((row, stored): &'a (Row, Option<StoredMessage>)) -> Self {
        let stored = stored.as_ref();
        let view = stored.and_then(|stored| SummaryView::new(&stored.summary));
        let envelope = view.as_ref().and_then(|view| EnvelopeView::new(view.envelope())).unwrap_or_default();
        Self { row, stored, view, envelope }
    }

    pub(super) fn uid(&self) -> u32 {
        self.row.uid
    }

    /// RFC 5256 §2.2: the sent date in UTC; INTERNALDATE where there is none.
    pub(super) fn sent(&self) -> i64 {
        self.envelope.date.as_deref().and_then(sent_at).unwrap_or(self.row.internal_date)
    }

    pub(super) fn subject(&self, keys: &mut Texts) -> Subject {
        let base = base_subject(self.envelope.subject.as_deref().unwrap_or_default());
        Subject { key: key(keys, &base.text), is_reply: base.is_reply }
    }

    pub(super) fn addresses(&self, keys: &mut Texts) -> [TextId; ADDRESS_KEYS] {
        let (from, to, cc) = (self.envelope.from(), self.envelope.to(), self.envelope.cc());
        let (shown_from, shown_to) = (display(from.as_ref()), display(to.as_ref()));
        let locals = [&from, &to, &cc].map(|address| key(keys, &local_part(address.as_ref())));
        let [from, to, cc] = locals;
        [from, to, cc, key(keys, &shown_from), key(keys, &shown_to)]
    }

    pub(super) fn threaded(&self, names: &mut Names, all: &mut Vec<Name>) -> Threaded {
        let id = self.envelope.message_id.as_deref().and_then(|id| names.first(id));
        let start = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let references = self.view.as_ref().map(SummaryView::references).unwrap_or_default();
        let count = names.references(&references, self.envelope.in_reply_to.as_deref(), all);
        Threaded { id, start, count: u32::try_from(count).unwrap_or(0) }
    }

    pub(super) fn words(&self, texts: &mut Texts) -> Words {
        let known = self.view.as_ref().and_then(SummaryView::fields);
        let Some(known) = known.filter(|_| self.stored.is_some_and(|stored| !names_a_word(&stored.prefix))) else {
            return Words { day: None, fields: [Word::Unknown; 5], unknown: true };
        };
        let mut joined: [Option<String>; WORD_FIELDS.len()] = Default::default();
        for field in fields(known) {
            let place = WORD_FIELDS.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(field.name));
            let Some(slot) = place.and_then(|place| joined.get_mut(place)) else { continue };
            let value = casemap(&text::unstructured(field.value));
            match slot {
                Some(before) => {
                    before.push(BETWEEN);
                    before.push_str(&value);
                }
                None => *slot = Some(value),
            }
        }
        let word = |text: Option<String>| match text {
            None => Word::Absent,
            Some(text) if text.len() > bounds::SEARCH_TEXT_OCTETS => Word::Unknown,
            Some(text) => texts.id(&text).map_or(Word::Unknown, Word::Known),
        };
        Words { day: text::day(known), fields: joined.map(word), unknown: false }
    }
}

/// Whether a prefix holds a field that SEARCH has a key for; ours never do.
fn names_a_word(prefix: &[u8]) -> bool {
    let is_word = |name: &[u8]| WORD_FIELDS.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(name));
    fields(prefix).any(|field| is_word(field.name) || field.name.eq_ignore_ascii_case(b"date"))
}

/// The key of a text by `i;unicode-casemap` (RFC 5256 §3: texts are compared so), as far as it is compared.
fn key(keys: &mut Texts, text: &str) -> TextId {
    let mut key = casemap(text);
    key.truncate(key.floor_char_boundary(bounds::SORT_KEY_OCTETS));
    keys.id(&key).unwrap_or(0)
}

fn local_part(address: Option<&AddressView<'_>>) -> String {
    let mailbox = address.and_then(|address| address.mailbox.as_deref()).unwrap_or_default();
    String::from_utf8_lossy(mailbox).into_owned()
}

/// RFC 5957 §3: the display name, decoded, else the address; a group goes by its name.
fn display(address: Option<&AddressView<'_>>) -> String {
    let Some(address) = address else { return String::new() };
    let name = address.name.as_deref().map(decoded).filter(|name| !name.is_empty());
    let mailbox = || {
        let mailbox = address.mailbox.as_deref().unwrap_or_default();
        match &address.host {
            Some(host) => format!("{}@{}", String::from_utf8_lossy(mailbox), String::from_utf8_lossy(host)),
            None => decoded(mailbox),
        }
    };
    name.unwrap_or_else(mailbox)
}

impl Answers for (Words, &Texts) {
    fn day(&self) -> Option<Option<Date>> {
        (!self.0.unknown).then_some(self.0.day)
    }

    fn field_has(&self, name: &str, wanted: &str) -> Option<bool> {
        let place = WORD_FIELDS.iter().position(|word| *word == name)?;
        match self.0.fields.get(place)? {
            Word::Absent => Some(false),
            Word::Known(id) => Some(memchr::memmem::find(self.1.get(*id).as_bytes(), wanted.as_bytes()).is_some()),
            Word::Unknown => None,
        }
    }

    fn header_has(&self, _: &str) -> Option<bool> {
        None
    }

    fn body_has(&self, _: &str) -> Option<bool> {
        None
    }
}
