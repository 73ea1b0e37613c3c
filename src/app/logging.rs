//! Where log lines go and what they look like; also counts panics.

use crate::settings::Settings;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing_subscriber::EnvFilter;

/// Panics since the start: each is contained to its session, and each is a defect.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// Panics since the start.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Sends log lines to standard error as the settings say, and panics with them.
pub fn init(settings: &Settings) {
    let filter = EnvFilter::new(&settings.log);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call (tests in one process) keeps the first subscriber.
    let _ = if settings.log_json { lines.json().try_init() } else { lines.with_ansi(false).try_init() };
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no text"));
    }));
}
