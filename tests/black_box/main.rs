//! Facteur from outside: the real binary over real sockets, on both databases.
//!
//! See `tests/README.md`. Nothing here may reach into the library.

#![expect(clippy::disallowed_methods, reason = "tests read their own environment and start processes")]

mod api;
mod journeys;
mod stress;
mod support;
mod transcripts;
