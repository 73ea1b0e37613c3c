//! POP3: a mailbox's INBOX as a list to fetch (RFC 1939, 2449, 2595, 5034, 6856).
//!
//! `command` and `stuffing` read and write octets, `maildrop` is what a session sees,
//! `session` converses. Invariant: nothing is deleted but by QUIT in the transaction state.

pub mod command;
mod maildrop;
mod reply;
mod retrieve;
mod session;
pub mod stuffing;
mod transaction;

pub use session::serve;
