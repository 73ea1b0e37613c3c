//! What black-box tests stand on: the real binary, its databases, and plain clients.
//!
//! Nothing here links to Facteur's own code, so that no misreading of an RFC is shared
//! between server and test. Invariant: no wait without a deadline, and none by sleeping.

pub mod api;
pub mod database;
pub mod dial;
pub mod http;
pub mod imap;
pub mod pattern;
pub mod pop3;
pub mod random;
pub mod receiver;
pub mod scram;
pub mod server;
pub mod sink;
pub mod smtp;
pub mod wire;

pub use api::{Api, Mailbox, PASSWORD};
pub use database::Backend;
pub use server::Server;

use std::time::Duration;

/// How long a test waits for anything that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes a test for each database out of one function that takes a [`Backend`].
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $name() { super::$name($crate::support::Backend::Sqlite); })+
        }
        mod on_postgres {
            $(#[test] fn $name() { super::$name($crate::support::Backend::Postgres); })+
        }
    };
}
