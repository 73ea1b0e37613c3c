//! SORT and THREAD: a search whose hits come in an order (RFC 5256, RFC 5267 §3, RFC 5957).
//!
//! Invariant: a SORT has at least one criterion.

use super::{Search, SearchKey};

/// SORT or UID SORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// In this order, the first of them first.
    pub criteria: Vec<SortCriterion>,
    /// What to sort; `returning` is ESORT's (RFC 5267 §3).
    pub search: Search,
}

/// What messages are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortCriterion {
    /// REVERSE: descending.
    pub reverse: bool,
    /// By what.
    pub key: SortKey,
}

/// A sort key (RFC 5256 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// ARRIVAL: INTERNALDATE
    Arrival,
    /// CC: local part of the first Cc address
    Cc,
    /// DATE: sent date
    Date,
    /// DISPLAYFROM (RFC 5957)
    DisplayFrom,
    /// DISPLAYTO (RFC 5957)
    DisplayTo,
    /// FROM: local part of the first From address
    From,
    /// SIZE
    Size,
    /// SUBJECT: base subject
    Subject,
    /// TO: local part of the first To address
    To,
}

impl SortKey {
    /// The keys with their names on the wire.
    pub const ALL: &'static [(SortKey, &'static str)] = &[
        (Self::Arrival, "ARRIVAL"),
        (Self::Cc, "CC"),
        (Self::Date, "DATE"),
        (Self::DisplayFrom, "DISPLAYFROM"),
        (Self::DisplayTo, "DISPLAYTO"),
        (Self::From, "FROM"),
        (Self::Size, "SIZE"),
        (Self::Subject, "SUBJECT"),
        (Self::To, "TO"),
    ];
}

/// THREAD or UID THREAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Whether UIDs are to be answered.
    pub uid: bool,
    /// How.
    pub algorithm: ThreadAlgorithm,
    /// CHARSET in upper case.
    pub charset: String,
    /// What to thread.
    pub key: SearchKey,
}

/// How threads are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// ORDEREDSUBJECT (RFC 5256 §3)
    OrderedSubject,
    /// REFERENCES (RFC 5256 §3)
    References,
    /// REFS (draft-ietf-morg-inthread §4)
    Refs,
}
