//! SMTP: mail from other servers (MX) and from people who are signed in (submission).
//!
//! `wire`, `command` and `parameters` read octets, `state` says what is allowed when,
//! `session` converses, `receive` takes messages in. Invariant: a transaction is taken
//! out of the state by the command that ends it, so nothing of it can outlive it.

mod auth;
pub mod command;
pub mod content;
mod incoming;
pub mod parameters;
pub mod path;
mod receive;
mod recipients;
pub mod reply;
mod session;
mod state;
mod submission;
mod trace;
pub mod wire;

pub use session::serve;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Mail from other servers for addresses here; never relays.
    Mx,
    /// Mail from people who have signed in (RFC 6409).
    Submission,
}
