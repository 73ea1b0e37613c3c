//! SEARCH: what to look for and what to answer (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 4731, RFC 7162, RFC 8514).
//!
//! Texts are octets in the command's charset. Invariant: nested at most `bounds::IMAP_NESTING` deep.

use super::SequenceSet;
use crate::model::Flags;
use jiff::civil::Date;

/// SEARCH or UID SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Whether UIDs are to be answered.
    pub uid: bool,
    /// RETURN options; `None` when the client wants the untagged SEARCH of RFC 3501.
    pub returning: Option<SearchReturn>,
    /// CHARSET in upper case.
    pub charset: Option<String>,
    /// What to look for.
    pub key: SearchKey,
}

/// RETURN options; `RETURN ()` has become ALL (RFC 9051 §6.4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchReturn {
    /// MIN
    pub min: bool,
    /// MAX
    pub max: bool,
    /// ALL
    pub all: bool,
    /// COUNT
    pub count: bool,
    /// SAVE
    pub save: bool,
    /// UPDATE (RFC 5267 §4.3); CONTEXT, a hint, makes no difference
    pub update: bool,
    /// PARTIAL (RFC 9394, RFC 5267 §4.4)
    pub partial: Option<PartialRange>,
}

/// A window of a result, counted from 1, or from the end where it is negative (RFC 9394 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartialRange {
    /// Counted from the end: `-1` is the last one.
    pub from_end: bool,
    /// One end as sent, without its sign, never 0.
    pub first: u32,
    /// The other end, never 0; it may be the smaller one.
    pub last: u32,
}

/// A search key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// ALL
    All,
    /// All of these.
    And(Vec<SearchKey>),
    /// OR
    Or(Box<SearchKey>, Box<SearchKey>),
    /// NOT
    Not(Box<SearchKey>),
    /// Sequence numbers.
    Sequence(SequenceSet),
    /// UID
    Uid(SequenceSet),
    /// A system flag is set (ANSWERED, DELETED, DRAFT, FLAGGED, SEEN); the UN forms are its `Not`.
    Flag(Flags),
    /// KEYWORD; UNKEYWORD is its `Not`.
    Keyword(String),
    /// RECENT (RFC 3501); OLD is its `Not`, NEW is RECENT without SEEN.
    Recent,
    /// BCC, CC, FROM, SUBJECT, TO or HEADER: the field's name as sent and the text.
    Header(Vec<u8>, Vec<u8>),
    /// BODY
    Body(Vec<u8>),
    /// TEXT
    Text(Vec<u8>),
    /// BEFORE by INTERNALDATE
    Before(Date),
    /// ON by INTERNALDATE
    On(Date),
    /// SINCE by INTERNALDATE
    Since(Date),
    /// SENTBEFORE by the Date field
    SentBefore(Date),
    /// SENTON
    SentOn(Date),
    /// SENTSINCE
    SentSince(Date),
    /// SAVEDBEFORE (RFC 8514)
    SavedBefore(Date),
    /// SAVEDON
    SavedOn(Date),
    /// SAVEDSINCE
    SavedSince(Date),
    /// SAVEDATESUPPORTED
    SaveDateSupported,
    /// LARGER than octets
    Larger(u64),
    /// SMALLER than octets
    Smaller(u64),
    /// OLDER than seconds by INTERNALDATE (WITHIN, RFC 5032)
    Older(u32),
    /// YOUNGER than seconds
    Younger(u32),
    /// EMAILID (RFC 8474 §6): as sent
    EmailId(String),
    /// THREADID (RFC 8474 §6): no message has one
    ThreadId,
    /// MODSEQ at or above (RFC 7162 §3.1.5; the entry name is passed over)
    ModSeq(u64),
}

impl SearchKey {
    /// Whether it names messages by their numbers.
    pub fn names_numbers(&self) -> bool {
        self.any(&|key| matches!(key, SearchKey::Sequence(SequenceSet::Ranges(_))))
    }

    /// Whether the key or one below it satisfies `test`.
    pub fn any(&self, test: &dyn Fn(&SearchKey) -> bool) -> bool {
        test(self)
            || match self {
                Self::And(keys) => keys.iter().any(|key| key.any(test)),
                Self::Or(a, b) => a.any(test) || b.any(test),
                Self::Not(key) => key.any(test),
                _ => false,
            }
    }
}
