//! FETCH: which data of which messages (RFC 9051 §6.4.5, RFC 3501 §6.4.5).
//!
//! Macros are already written out. Invariant: part numbers are never 0.

use super::SequenceSet;

/// FETCH or UID FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whether `set` holds UIDs (and UID is to be answered).
    pub uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Which data, each once, in the order asked for.
    pub items: Vec<FetchItem>,
    /// CHANGEDSINCE (RFC 7162 §3.1.4.1)
    pub changed_since: Option<u64>,
    /// VANISHED (RFC 7162 §3.2.6); only with `uid` and CHANGEDSINCE
    pub vanished: bool,
    /// PARTIAL (RFC 9394 §3.2); only with `uid`
    pub partial: Option<super::PartialRange>,
}

/// One data item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// UID
    Uid,
    /// FLAGS
    Flags,
    /// INTERNALDATE
    InternalDate,
    /// SAVEDATE (RFC 8514)
    SaveDate,
    /// RFC822.SIZE
    Rfc822Size,
    /// MODSEQ (RFC 7162)
    ModSeq,
    /// EMAILID (RFC 8474)
    EmailId,
    /// THREADID (RFC 8474)
    ThreadId,
    /// PREVIEW (RFC 8970); LAZY makes no difference, since it is never slow enough to be left out
    Preview,
    /// ENVELOPE
    Envelope,
    /// BODYSTRUCTURE
    BodyStructure,
    /// BODY without a section: BODYSTRUCTURE without extension data
    Body,
    /// RFC822: BODY[] under its old name (RFC 3501); sets `\Seen`
    Rfc822,
    /// RFC822.HEADER: BODY.PEEK[HEADER] under its old name
    Rfc822Header,
    /// RFC822.TEXT: BODY[TEXT] under its old name; sets `\Seen`
    Rfc822Text,
    /// BODY[...] and BODY.PEEK[...]
    BodySection {
        /// Without setting `\Seen`.
        peek: bool,
        /// Which octets.
        section: Section,
        /// `<offset.count>`
        partial: Option<Partial>,
    },
    /// BINARY[...] and BINARY.PEEK[...] (RFC 9051 §6.4.5, RFC 3516)
    Binary {
        /// Without setting `\Seen`.
        peek: bool,
        /// Which part; empty for the whole message.
        part: Vec<u32>,
        /// `<offset.count>`, counted in decoded octets
        partial: Option<Partial>,
    },
    /// BINARY.SIZE[...]: the part; empty for the whole message
    BinarySize(Vec<u32>),
}

impl FetchItem {
    /// Whether fetching it sets `\Seen` (RFC 9051 §6.4.5).
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Rfc822 | Self::Rfc822Text => true,
            Self::BodySection { peek, .. } | Self::Binary { peek, .. } => !peek,
            _ => false,
        }
    }
}

/// A section of a message: the part, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Part numbers; empty for the message itself.
    pub part: Vec<u32>,
    /// What of it; `None` for all of it (BODY[] or BODY[1.2]).
    pub text: Option<SectionText>,
}

/// What of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// HEADER (of the message, or of the message/rfc822 part)
    Header,
    /// HEADER.FIELDS: names as sent
    HeaderFields(Vec<Vec<u8>>),
    /// HEADER.FIELDS.NOT: names as sent
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// TEXT
    Text,
    /// MIME: the part's own header; never without a part
    Mime,
}

/// `<offset.count>`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The first octet.
    pub offset: u64,
    /// How many, never 0.
    pub count: u64,
}
