//! What this process counts for Prometheus: logins, deliveries, commits, HTTP requests, panics, and gauges set when they are read.
//!
//! One registry for the process, as there is one exposition of it. It holds no address and no name of anybody. Invariant: every label
//! is one of a few words of ours, so that nobody outside can make the exposition grow.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::LazyLock;

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];

/// All meters.
pub struct Meters {
    registry: Registry,
    logins: Family<Two, Counter>,
    deliveries: Family<One, Counter>,
    requests: Family<Two, Counter>,
    commits: Counter,
    writes: Counter,
    panics: Counter,
    sessions: Family<One, Gauge>,
    applied: Gauge,
    newest: Gauge,
    look_ups: Counter,
}

static METERS: LazyLock<Meters> = LazyLock::new(Meters::new);

/// The meters of this process.
pub fn meters() -> &'static Meters {
    &METERS
}

impl Meters {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("facteur");
        let (logins, deliveries, requests) = (Family::default(), Family::default(), Family::default());
        let (commits, writes, panics, look_ups) =
            (Counter::default(), Counter::default(), Counter::default(), Counter::default());
        let (sessions, applied, newest) = (Family::default(), Gauge::default(), Gauge::default());
        registry.register("logins", "Logins of mail protocols, by protocol and outcome", logins.clone());
        registry.register("deliveries", "Messages for our mailboxes, by what became of them", deliveries.clone());
        registry.register("http_requests", "Requests to the API, by method and class of status", requests.clone());
        registry.register("store_commits", "Commits of the message store", commits.clone());
        registry.register("store_writes", "Writes that went into them", writes.clone());
        registry.register("panics", "Panics, each contained to its task and each a defect", panics.clone());
        registry.register("sessions", "Signed-in mail sessions of this node, by protocol", sessions.clone());
        registry.register("revision_applied", "The newest revision that this node obeys", applied.clone());
        registry.register("revision_newest", "The newest revision there is", newest.clone());
        registry.register("directory_look_ups", "Questions that the directory asked the database", look_ups.clone());
        Self { registry, logins, deliveries, requests, commits, writes, panics, sessions, applied, newest, look_ups }
    }

    /// A login by a protocol came out so.
    pub fn login(&self, protocol: &'static str, outcome: &'static str) {
        self.logins.get_or_create(&[("protocol", protocol), ("outcome", outcome)]).inc();
    }

    /// A message became this.
    pub fn delivery(&self, verdict: &'static str) {
        self.deliveries.get_or_create(&[("verdict", verdict)]).inc();
    }

    /// A request was answered.
    pub fn request(&self, method: &str, status: u16) {
        let known = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"];
        let method = known.into_iter().find(|known| *known == method).unwrap_or("other");
        let class = match status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&[("method", method), ("status", class)]).inc();
    }

    /// So many writes were committed at once.
    pub fn commit(&self, writes: usize) {
        self.commits.inc();
        self.writes.inc_by(writes as u64);
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Panics since the start.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// So many sessions are open.
    pub fn set_sessions(&self, protocol: &'static str, open: usize) {
        self.sessions.get_or_create(&[("protocol", protocol)]).set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// How far the configuration has come here, and in all.
    pub fn set_revisions(&self, applied: i64, newest: i64) {
        self.applied.set(applied);
        self.newest.set(newest);
    }

    /// The directory asked the database.
    pub fn look_up(&self) {
        self.look_ups.inc();
    }

    /// Everything, in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
