//! A mailbox that fills up is warned once a share, by a mail and by a revision.

use crate::support::{Api, Backend, Mailbox, PATIENCE, Server};
use serde_json::{Value, json};
use std::time::Instant;

crate::on_both_databases!(a_mailbox_that_fills_up_is_warned);

/// The warnings of a mailbox, once there are so many.
fn warnings(api: &Api, mailbox: &Mailbox, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = api.get(&format!("/v1/revisions?object={}", mailbox.id)).json()["items"].clone();
        let all = all.as_array().expect("a list").iter().filter(|one| one["action"] == "mailbox_quota_warning");
        let found: Vec<Value> = all.cloned().collect();
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < deadline, "{} warnings, not {count}", found.len());
        std::thread::yield_now();
    }
}

/// Waits until INBOX holds so many messages; the newest one.
fn newest(server: &Server, mailbox: &Mailbox, count: u64) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut imap = server.imap().login(&mailbox.address);
        let have = imap.count("INBOX");
        if have >= count {
            imap.ok("SELECT INBOX");
            return imap.ok(&format!("FETCH {have} BODY.PEEK[]")).join("");
        }
        assert!(Instant::now() < deadline, "{have} messages, not {count}");
        std::thread::yield_now();
    }
}

fn a_mailbox_that_fills_up_is_warned(backend: Backend) {
    let mut server = Server::start(backend);
    server.restart_with("FACTEUR_QUOTA_WARN_AT", "80,90,100");
    let api = server.operator();
    api.domain("full.example");
    let ada = api.mailbox_with("ada@full.example", json!({"quota": {"bytes": 100_000}}));
    let message =
        |octets: usize| format!("Subject: x\r\n\r\n{}\r\n", "0123456789abcdef0123456789abcde\r\n".repeat(octets / 33));
    let deliver = |octets: usize| server.mx().deliver("x@far.example", &["ada@full.example"], &message(octets));
    assert!(deliver(82_000).starts_with("250"));
    let first = warnings(&api, &ada, 1);
    assert_eq!(first[0]["after"]["percent"], json!(80), "{first:?}");
    assert_eq!(first[0]["after"]["quota"]["bytes"], json!(100_000));
    let mail = newest(&server, &ada, 2);
    for part in
        ["Subject: Your mailbox is 80 % full", "Auto-Submitted: auto-generated", "ada@full.example", "Return-Path: <>"]
    {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    // Some more of the same share, then a message that has no room.
    assert!(deliver(1_000).starts_with("250"));
    assert!(deliver(60_000).starts_with("452"));
    let second = warnings(&api, &ada, 2);
    assert_eq!((second.len(), &second[0]["after"]["percent"]), (2, &json!(100)), "{second:?}");
    assert!(newest(&server, &ada, 4).contains("Subject: Your mailbox is full"));

    server.settings("language = \"fr\"\n");
    server.restart_with("FACTEUR_QUOTA_WARN_AT", "50");
    let api = server.operator();
    let bob = api.mailbox_with("bob@full.example", json!({"quota": {"messages": 4}}));
    for _ in 0..2 {
        assert!(server.mx().deliver("x@far.example", &["bob@full.example"], &message(100)).starts_with("250"));
    }
    assert_eq!(warnings(&api, &bob, 1)[0]["after"]["percent"], json!(50));
    let mail = newest(&server, &bob, 3);
    assert!(
        mail.contains("Content-Language: fr") && mail.contains("La boîte bob@full.example est remplie à 50 %"),
        "{mail}"
    );
}
