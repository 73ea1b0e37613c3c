//! IMAP4rev2 and IMAP4rev1 (RFC 9051, RFC 3501) for one connection.
//!
//! [`command`] says what a client may ask, [`wire`] turns octets into that and answers
//! into octets; neither does I/O. Invariant: only the session decides.

pub mod command;
pub mod wire;

mod acl;
mod append;
mod authenticate;
mod capability;
mod catenate;
mod copy_move;
mod encode;
mod expunge;
mod fetch;
mod folders;
mod gate;
mod idle;
mod line;
mod list;
mod metadata;
mod notify;
mod pattern;
mod peer;
mod progress;
mod quota;
mod reply;
mod search;
mod select;
mod session;
mod status;
mod store;
mod summaries;
mod sync;
mod url;
mod urlauth;
mod vanished;
mod view;

pub use search::ColumnCache;
pub use session::serve;
