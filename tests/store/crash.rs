//! A process that is killed while it takes in mail: what it acknowledged is there afterwards.

use crate::bed::{Bed, NO_QUOTA, delivery, mailbox, noise};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Tells the child where to work; without it the child's part has nothing to do.
const PLACE: &str = "FACTEUR_TEST_CRASH_PLACE";
const TASKS: u64 = 8;
/// Acknowledgements after which the child is killed, amid others.
const ENOUGH: usize = 200;

/// Every third one is large enough to be a file.
fn body(number: u64) -> Vec<u8> {
    noise(number, if number.is_multiple_of(3) { 90_000 } else { 700 })
}

/// The child's part: delivers until it is killed, and says so after each acknowledgement.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a test's child is told by its environment where to work")]
async fn child_delivers_until_it_is_killed() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let bed = Bed::at(&place).await;
    let task = |first: u64| {
        let bed = &bed;
        async move {
            for number in (first..).step_by(TASKS as usize) {
                let staged = bed.stage(&body(number)).await;
                let answers = bed.store.deliver(staged, vec![delivery(1, NO_QUOTA)]).await.unwrap();
                let uid = answers.into_iter().next().unwrap().uids;
                let mut out = std::io::stdout().lock();
                writeln!(out, "\nack {number} {uid}").unwrap();
                out.flush().unwrap();
            }
        }
    };
    futures_util::future::join_all((0..TASKS).map(task)).await;
}

#[allow(clippy::disallowed_methods, reason = "the process that is killed must be another one")]
pub async fn nothing_that_was_acknowledged_is_lost_by_a_kill(mut bed: Bed) {
    bed.store.close().await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_delivers_until_it_is_killed", "--nocapture"])
        .env(PLACE, bed.place())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((number, uid)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) {
            acknowledged.push((number.parse::<u64>().unwrap(), uid.parse::<u32>().unwrap()));
            if acknowledged.len() == ENOUGH {
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success() && acknowledged.len() >= ENOUGH);

    bed.reopen().await;
    let state = bed.open(mailbox(1), "INBOX").await.state();
    let uids: HashSet<u32> = acknowledged.iter().map(|(_, uid)| *uid).collect();
    assert_eq!(uids.len(), acknowledged.len(), "no UID is given twice");
    for (number, uid) in &acknowledged {
        let row = state.row(state.position(*uid).unwrap()).unwrap();
        let read = bed.read(&row).await.unwrap();
        assert!(read.ends_with(&body(*number)), "message {number}");
    }
    let usage = bed.store.usage(mailbox(1).id).await.unwrap();
    assert_eq!((usage.messages, usage.bytes), (u64::from(state.len()), state.counts().bytes));
    let next = bed.append(mailbox(1), bed.folder(mailbox(1), "INBOX").await.id, b"next").await.unwrap();
    assert!(next.uids.iter().all(|uid| uid >= state.uid_next));
}
