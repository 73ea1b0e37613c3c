//! Mistakes in the settings are all reported at once, and nothing is started or made.

use crate::support::server::command;
use std::process::Output;

fn serve_with(settings: &[(&str, &str)], file: Option<&str>) -> (Output, bool) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    if let Some(text) = file {
        std::fs::write(folder.path().join("facteur.toml"), text).expect("a settings file");
    }
    let output = command(folder.path()).arg("serve").envs(settings.iter().copied()).output().expect("the binary runs");
    (output, folder.path().join("data").exists())
}

#[test]
fn every_mistake_is_reported_at_once() {
    let settings = [("FACTEUR_IMAP", "nowhere"), ("FACTEUR_DATABASE", "mysql://x"), ("FACTEUR_LOG_FORMAT", "xml")];
    let (output, made) = serve_with(&settings, Some("host = 7\ncolour = \"blue\"\n"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for mistake in ["FACTEUR_IMAP", "FACTEUR_DATABASE", "FACTEUR_LOG_FORMAT", "colour"] {
        assert!(said.contains(mistake), "{mistake} is not reported: {said}");
    }
    assert!(!made, "a data folder was made in spite of the mistakes");
}

#[test]
fn a_secret_in_a_mistaken_setting_is_not_shown() {
    let (output, _) = serve_with(&[("FACTEUR_DATABASE", "mysql://user:hush-hush@host/name")], None);
    assert_eq!(output.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("hush-hush"));
}
