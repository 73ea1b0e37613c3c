//! Plays the conversations of `tests/transcripts` (their form: `tests/README.md`).
//!
//! Each file gets a fresh server on each database. All failures of a protocol are
//! reported together, each with the line of its file.

mod fixtures;
mod play;

use crate::support::Backend;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

fn smtp(backend: Backend) {
    play_all("smtp", backend);
}

fn imap(backend: Backend) {
    play_all("imap", backend);
}

fn pop3(backend: Backend) {
    play_all("pop3", backend);
}

crate::on_both_databases!(smtp, imap, pop3);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

fn play_all(protocol: &'static str, backend: Backend) {
    let only = std::env::var("FACTEUR_TRANSCRIPT").unwrap_or_default();
    let entries = std::fs::read_dir(folder().join(protocol)).expect("the folder of transcripts");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "txt"));
    assert!(!files.is_empty(), "no transcripts for {protocol}");
    files.retain(|file| file.to_string_lossy().contains(&only));
    files.sort();
    let queue = Mutex::new(files.into_iter());
    let failures = Mutex::new(Vec::new());
    // Two at a time: most of a transcript is waiting for the server's start and its syncs.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic holds it").next();
                    let Some(file) = next else { break };
                    let text = std::fs::read_to_string(&file).expect("a transcript");
                    let played = std::panic::catch_unwind(|| play::play(protocol, backend, &text));
                    if let Err(panic) = played.unwrap_or_else(|panic| Err(said(panic.as_ref()))) {
                        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        failures.lock().expect("no panic holds it").push(format!("{protocol}/{name}: {panic}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic holds it");
    assert!(failures.is_empty(), "{} transcripts failed:\n\n{}", failures.len(), failures.join("\n\n"));
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}
