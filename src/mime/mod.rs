//! Messages as structure (RFC 5322, RFC 2045–2047): what IMAP shows of them, prepared on arrival.
//!
//! [`Summarizer`] reads a message as it passes, [`SummaryView`] answers from what it left.
//! No I/O. Invariants: any octets are a message; work is linear and memory bounded by
//! `model::bounds`; the same octets give the same summary however they were split.

mod address;
mod casemap;
mod envelope;
mod fields;
mod header;
mod known;
mod render;
mod scan;
mod subject;
mod summary;
mod text;

pub use casemap::casemap;
pub use envelope::{AddressView, EnvelopeView};
pub use fields::{RawField, fields};
pub use known::{KNOWN_FIELDS, is_known_field};
pub use scan::Summarizer;
pub use subject::{BaseSubject, base_subject};
pub use summary::{AnyPart, MessageInside, PartView, SummaryView};
pub use text::{Text, decoded, preview, sent_at, texts};

#[cfg(test)]
mod tests;
