//! The mail edge: SMTP, IMAP and POP3 over one driver.
//!
//! Each protocol has *wire* (octets to commands and back, no I/O), *session* (state and
//! command in, answer out) and shares [`conn::Conn`], which owns socket, TLS, deadlines
//! and the switch that ends a session. The protocols never import each other.

pub mod conn;
mod end;
pub mod imap;
mod pace;
pub mod pop3;
pub mod sign_in;
pub mod smtp;

use crate::auth::seal::Seal;
use crate::clock::Clock;
use crate::delivery::Growth;
use crate::directory::{Activity, Directory, Login};
use crate::store::Store;
use std::sync::Arc;

/// What every mail session may use.
pub struct Services {
    /// Configuration as the mail services see it.
    pub directory: Directory,
    /// The one way in.
    pub login: Login,
    /// Where is noted what mailboxes do.
    pub activity: Activity,
    /// Who is told of mailboxes that grow.
    pub growth: Growth,
    /// Messages at rest.
    pub store: Store,
    /// What searches keep of the folders they looked at.
    pub columns: imap::ColumnCache,
    /// Signs URLs that others may fetch.
    pub seal: Seal,
    /// The time.
    pub clock: Clock,
    /// Our host name, as greetings and Received fields show it.
    pub host: Arc<str>,
}
