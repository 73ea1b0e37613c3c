//! Messages as structure (RFC 5322, RFC 2045–2047): what IMAP shows of them, prepared on arrival.
//!
//! [`Summarizer`] reads a message as it passes, [`SummaryView`] answers from what it left.
//! No I/O. Invariants: any octets are a message; work is linear and memory bounded by
//! `model::bounds`; the same octets give the same summary however they were split.

mod address;
mod header;
mod render;
mod scan;
mod summary;

pub use scan::Summarizer;
pub use summary::{MessageInside, PartView, SummaryView};

#[cfg(test)]
mod tests;
