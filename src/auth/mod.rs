//! Passwords, tokens and throttles: the parts that know nothing of mailboxes.
//!
//! Invariant: secrets live in types that do not print, hashing has a bounded lane.

mod memory;
pub mod passwords;
pub mod scram;
pub mod seal;
pub mod strength;
pub mod throttle;
pub mod tokens;
pub mod totp;

pub use memory::{Memory, Tried};
pub use passwords::{Busy, Passwords};
pub use throttle::Throttle;
