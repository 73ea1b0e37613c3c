//! Sockets and TLS, wrapped thinly: what a listener, a stream and a certificate are here.
//!
//! No protocol and no configuration of tenants. Invariant: everything that is accepted
//! counts against a bound, and no stream is read or written without a deadline above it.

pub mod admission;
pub mod deflate;
pub mod listener;
pub mod outbound;
pub mod rates;
pub mod smarthost;
pub mod stream;
pub mod tls;

pub use admission::{Admission, Ticket};
pub use deflate::{DeflatePlace, Deflated};
pub use listener::bind;
pub use outbound::Outbound;
pub use rates::Rates;
pub use smarthost::{Smarthost, SmarthostError, SmarthostTls};
pub use stream::Stream;
pub use tls::TlsIdentity;
