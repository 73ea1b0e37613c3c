//! IMAP's octets: [`Wire`] takes commands out of the input, [`parse`] reads one, [`encode`] writes answers.
//!
//! No I/O and no decision about what a command does. Invariant: linear, bounded by
//! `model::bounds`, no panic on any input, and the same commands however the input was split.

pub mod utf7;
