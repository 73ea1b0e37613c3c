//! Many clients on few folders, each of which tracks what it is told and complains of what cannot be;
//! in the end all agree with one that comes fresh, and with one after a restart.
//!
//! Settable by the environment: `FACTEUR_STRESS_CLIENTS`, `FACTEUR_STRESS_OPERATIONS` (of each),
//! `FACTEUR_STRESS_SECONDS` (in place of a count), `FACTEUR_STRESS_SEED`.

mod actions;
mod client;
mod ledger;
mod mirror;
mod untagged;

use crate::support::random::Random;
use crate::support::{Backend, Server};
use client::{Client, Kind, Shared};
use ledger::Ledger;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use untagged::DELETED;

crate::on_both_databases!(every_client_is_told_the_truth);

/// Clients when nothing is set.
const CLIENTS: u64 = 8;
/// Operations of each client when nothing is set.
const OPERATIONS: u64 = 120;
/// Two folders: messages also go from one to the other.
const FOLDERS: [&str; 2] = ["INBOX", "Archive"];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn kind(number: u64) -> Kind {
    match number % 5 {
        0 | 3 => Kind { condstore: true, qresync: true, rev2: false },
        1 => Kind { condstore: false, qresync: false, rev2: false },
        2 => Kind { condstore: true, qresync: false, rev2: true },
        _ => Kind { condstore: false, qresync: false, rev2: true },
    }
}

fn every_client_is_told_the_truth(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let address = operator.mailbox("ada@example.org").address;
    let seed = Random::seed("FACTEUR_STRESS_SEED");
    println!("FACTEUR_STRESS_SEED={seed}");
    let imap = server.address("imap");
    let mut shared = Shared { imap, address, folders: FOLDERS.to_vec(), seed, ledger: Mutex::new(Ledger::default()) };

    let clients = run(&shared);
    let content: Vec<_> = (0..FOLDERS.len()).map(|folder| content(&shared, folder)).collect();
    for client in clients {
        agrees(client, &content);
    }
    for (folder, rows) in content.iter().enumerate() {
        let subjects = rows.iter().map(|row| (row.uid, row.subject.clone())).collect::<HashMap<_, _>>();
        shared.ledger().check(folder, &subjects).unwrap_or_else(|wrong| panic!("FACTEUR_STRESS_SEED={seed}: {wrong}"));
    }
    // What memory says is what the log says.
    server.signal("KILL");
    server.wait();
    server.restart();
    shared.imap = server.address("imap");
    for (folder, rows) in content.iter().enumerate() {
        assert_eq!(rows, &self::content(&shared, folder), "after a restart, FACTEUR_STRESS_SEED={seed}");
    }
}

/// All clients at once; returns them as they stand at the end.
fn run(shared: &Shared) -> Vec<Client<'_>> {
    let operations = setting("FACTEUR_STRESS_OPERATIONS").unwrap_or(OPERATIONS);
    let until = setting("FACTEUR_STRESS_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    std::thread::scope(|scope| {
        let stress = |number: u64| {
            let mut client = Client::new(shared, u16::try_from(number).expect("fewer clients"), kind(number));
            client.select((number % 3 / 2) as usize, false, None);
            for folder in 0..FOLDERS.len() {
                client.append_one(folder, 0);
            }
            let mut done = 0;
            while until.map_or(done < operations, |until| Instant::now() < until) {
                client.act();
                done += 1;
            }
            client
        };
        let threads: Vec<_> =
            (0..setting("FACTEUR_STRESS_CLIENTS").unwrap_or(CLIENTS)).map(|n| scope.spawn(move || stress(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|complaint| resume_unwind(complaint))).collect()
    })
}

/// A message as a fresh client sees it.
#[derive(Debug, PartialEq)]
struct Content {
    uid: u32,
    flags: u16,
    modseq: u64,
    subject: String,
}

/// What a client that comes fresh sees in a folder; STATUS must say the same.
fn content(shared: &Shared, folder: usize) -> Vec<Content> {
    let mut client = Client::new(shared, 999, Kind { condstore: true, qresync: false, rev2: false });
    let status = client.imap.ok(&format!("STATUS {} (MESSAGES UNSEEN DELETED)", FOLDERS[folder]));
    client.select(folder, true, None);
    client.fetch_all();
    let mut rows = Vec::new();
    if !client.mirror.slots.is_empty() {
        client.ok("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    }
    for slot in &client.mirror.slots {
        let (uid, flags) = (slot.uid.expect("all UIDs"), slot.flags.expect("all flags"));
        let subject = client.bodies[&uid].trim().strip_prefix("Subject: ").expect("a subject").to_owned();
        rows.push(Content { uid, flags, modseq: slot.modseq, subject });
    }
    let count = |bit: u16, wanted: u16| rows.iter().filter(|row| row.flags & bit == wanted).count();
    let counted = format!("(MESSAGES {} UNSEEN {} DELETED {})", rows.len(), count(1, 0), count(DELETED, DELETED));
    assert!(status.iter().any(|line| line.ends_with(&counted)), "{status:?} is not {counted}");
    rows
}

/// What a client has been told by and by is what there is.
fn agrees(mut client: Client<'_>, content: &[Vec<Content>]) {
    client.ok("NOOP");
    for round in ["by and by", "after a FETCH of everything"] {
        let rows = &content[client.folder];
        if client.mirror.slots.len() != rows.len() {
            client.complain(&format!("{round}: {} messages of {}", client.mirror.slots.len(), rows.len()));
        }
        for (slot, row) in client.mirror.slots.iter().zip(rows) {
            let uid = slot.uid.is_none_or(|uid| uid == row.uid);
            let flags = slot.flags.is_none_or(|flags| flags == row.flags);
            let modseq = !client.kind.condstore || slot.modseq == 0 || slot.modseq == row.modseq;
            if !(uid && flags && modseq) {
                client.complain(&format!("{round}: the client has {slot:?}, there is {row:?}"));
            }
        }
        client.fetch_all();
    }
}
