//! The architecture as a test: import directions, file headers, sizes, words, RFC index, map.
//!
//! It reads the sources as text and knows nothing of Rust beyond that. A finding names
//! file and line; the way out is to move code, not to widen a table without a reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up (see `src/lib.rs`): a module may import modules of floors
/// below it and itself.
const FLOORS: &[&[&str]] = &[
    &["model", "mime"],
    &["db", "net", "auth", "clock", "meters"],
    &["directory", "store"],
    &["control", "delivery"],
    &["api", "mail"],
    &["settings"],
    &["app", "cli", "main"],
];

/// Imports beyond the table, each with its reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("mime", "model", "every bound stands in model::bounds"),
    ("db", "clock", "expiry is compared in SQL; the time comes in as a handle"),
    ("auth", "clock", "tokens and throttles age by a clock that tests can hold"),
];

/// Modules of one floor that must not know each other although they share a folder.
const STRANGERS: &[&str] = &["mail/smtp", "mail/imap", "mail/pop3"];

/// Words that say nothing about what a file is.
const REFUSED_FILE_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc", "manager"];

/// Lines of a source file, tests apart: the wall.
const FILE_LINES: usize = 600;

/// Crates with few homes: crate, and the modules that may name it.
const HOMES: &[(&str, &[&str])] = &[
    ("axum", &["api"]),
    ("utoipa_axum", &["api"]),
    ("sqlx", &["db", "store", "app"]),
    ("rusqlite", &["store"]),
    ("argon2", &["auth"]),
    ("jsonwebtoken", &["auth", "app"]),
    ("tokio_rustls", &["net", "api", "cli"]),
    ("lettre", &["net", "control"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &root().join("src"), &mut files);
    files.sort();
    files
}

/// The Rust files of a folder, with their paths from another one.
fn collect(from: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            collect(from, &path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(from).unwrap().to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The top module that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor_of(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// The names right behind each `needle` in a line.
fn names_after<'a>(line: &'a str, needle: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(needle).filter_map(move |(at, _)| {
        let rest = &line[at + needle.len()..];
        rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().filter(|name| !name.is_empty())
    })
}

fn may_import(module: &str, target: &str) -> bool {
    let floor = floor_of(module);
    target == module
        || floor_of(target).is_none()
        || floor_of(target) < floor
        || EXCEPTIONS.iter().any(|(from, to, _)| *from == module && *to == target)
        || (module == "main" && floor_of(target) == floor)
        || (module == "app" && target == "settings")
}

#[test]
fn files_import_only_from_floors_below() {
    let mut findings = Vec::new();
    for (file, text) in sources().iter().filter(|(file, _)| file != "lib.rs") {
        let module = module_of(file);
        if floor_of(module).is_none() {
            findings.push(format!("src/{file}: module {module} stands on no floor"));
        }
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for target in ["crate::", "facteur::"].iter().flat_map(|needle| names_after(line, needle)) {
                if !may_import(module, target) {
                    findings.push(format!("src/{file}:{}: {module} must not import {target}", number + 1));
                }
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn protocols_do_not_know_each_other() {
    let mut findings = Vec::new();
    for (file, text) in sources() {
        let Some(own) = STRANGERS.iter().find(|stranger| file.starts_with(*stranger)) else { continue };
        for other in STRANGERS.iter().filter(|other| *other != own) {
            if text.contains(&format!("crate::{}", other.replace('/', "::"))) {
                findings.push(format!("src/{file}: {own} must not import {other}"));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn crates_are_used_where_they_live() {
    let mut findings = Vec::new();
    for (file, text) in sources() {
        for (name, homes) in HOMES {
            let used = text
                .lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with("//"))
                .any(|line| line.contains(&format!("{name}::")) || line.starts_with(&format!("use {name}")));
            if used && !homes.contains(&module_of(&file)) {
                findings.push(format!("src/{file}: {name} belongs to {}", homes.join(", ")));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn files_say_what_they_are_and_stay_small() {
    let mut findings = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            findings.push(format!("src/{file}: does not open with what it is"));
        }
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if lines > FILE_LINES {
            findings.push(format!("src/{file}: {lines} lines, more than {FILE_LINES}: is it still one idea?"));
        }
        let stem = Path::new(&file).file_stem().unwrap().to_string_lossy().into_owned();
        if REFUSED_FILE_NAMES.contains(&stem.as_str()) {
            findings.push(format!("src/{file}: the name says nothing"));
        }
        for (number, line) in text.lines().enumerate() {
            for word in ["TODO", "FIXME", "todo!(", "unimplemented!(", "#[ignore"] {
                if line.contains(word) {
                    findings.push(format!("src/{file}:{}: {word}", number + 1));
                }
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn every_cited_rfc_stands_in_the_index() {
    let index = fs::read_to_string(root().join("docs/rfcs.md")).unwrap();
    let indexed: BTreeSet<&str> =
        index.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(' ').next()).collect();
    let mut missing = BTreeSet::new();
    for (file, text) in sources() {
        for number in text.lines().flat_map(|line| names_after(line, "RFC ")) {
            if number.bytes().all(|b| b.is_ascii_digit()) && !indexed.contains(number) {
                missing.insert(format!("src/{file}: RFC {number} is cited and not in docs/rfcs.md"));
            }
        }
    }
    assert_none(&missing.into_iter().collect::<Vec<_>>());
}

#[test]
fn the_map_shows_every_folder() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let modules: BTreeSet<String> = sources().iter().map(|(file, _)| module_of(file).to_owned()).collect();
    let missing: Vec<String> = modules
        .into_iter()
        .filter(|module| module != "lib" && !map.contains(&format!("`{module}")))
        .map(|module| format!("ARCHITECTURE.md does not show {module}"))
        .collect();
    assert_none(&missing);
}

/// A promise whose test was renamed or taken out must not go on being said to be kept.
#[test]
fn every_test_that_a_promise_names_exists() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| ")).map(|row| row.split('|').map(str::trim).collect()).collect();
    let promises: Vec<&Vec<&str>> =
        rows.iter().filter(|row| row.get(1).is_some_and(|n| n.parse::<u8>().is_ok())).collect();
    assert_eq!(promises.len(), 25, "one row a promise");
    let mut tests = Vec::new();
    collect(&root(), &root().join("tests"), &mut tests);
    collect(&root(), &root().join("src"), &mut tests);
    let is_there = |name: &str| {
        let path = if name.starts_with("smtp/") { format!("tests/transcripts/{name}.txt") } else { name.to_owned() };
        root().join(path).exists() || tests.iter().any(|(_, text)| text.contains(&format!("fn {name}(")))
    };
    let shown = |row: &Vec<&str>| row[4].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let missing: Vec<String> = promises
        .iter()
        .flat_map(|row| shown(row).into_iter().filter(|name| !is_there(name)).map(|name| format!("{}: {name}", row[1])))
        .collect();
    assert_none(&missing);
}
