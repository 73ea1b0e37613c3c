//! The only reader of the wall clock: `app` hands it out, tests can hold another.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time; cheap to clone.
#[derive(Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still until it is set, for tests.
    pub fn fixed(unix_ms: i64) -> Self {
        Self { fixed: Some(Arc::new(AtomicI64::new(unix_ms))) }
    }

    /// Sets a fixed clock; the machine's clock ignores it.
    pub fn set(&self, unix_ms: i64) {
        if let Some(fixed) = &self.fixed {
            fixed.store(unix_ms, Ordering::SeqCst);
        }
    }

    /// Unix time in milliseconds.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub fn now_ms(&self) -> i64 {
        match &self.fixed {
            Some(fixed) => fixed.load(Ordering::SeqCst),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
        }
    }

    /// Unix time in seconds.
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }
}
