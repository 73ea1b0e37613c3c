//! IMAP4rev2 and IMAP4rev1 (RFC 9051, RFC 3501) for one connection.
//!
//! [`command`] says what a client may ask, [`wire`] turns octets into that and answers
//! into octets; neither does I/O. Invariant: only the session decides.

pub mod command;
pub mod wire;
