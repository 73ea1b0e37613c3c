//! Where log lines go and what they look like; also counts panics.

use crate::meters::meters;
use crate::settings::Settings;
use tracing_subscriber::EnvFilter;

/// Panics since the start.
pub fn panics() -> u64 {
    meters().panics()
}

/// Sends log lines to standard error as the settings say, and panics with them.
pub fn init(settings: &Settings) {
    let filter = EnvFilter::new(&settings.log);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second call (tests in one process) keeps the first subscriber.
    let _ = if settings.log_json { lines.json().try_init() } else { lines.with_ansi(false).try_init() };
    std::panic::set_hook(Box::new(|panic| {
        meters().panicked();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("no text"));
    }));
}
