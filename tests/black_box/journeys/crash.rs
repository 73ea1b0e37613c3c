//! kill -9 during delivery: what was acknowledged is there, once, octet for octet.
//!
//! A sender notes a message as acknowledged after it has read the `250`, and never sends
//! the same message again, so that a second copy could only be the server's doing.

use crate::support::smtp::{Smtp, stuffed};
use crate::support::{Backend, Server};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

crate::on_both_databases!(kill_during_delivery_loses_no_acknowledged_message_and_stores_none_twice);

const MESSAGES: usize = 2000;
const CONNECTIONS: usize = 20;
/// How many messages are acknowledged when the server is killed, the first and the second time.
const KILLS: [usize; 2] = [500, 1200];

/// The message of this number; every seventh is too large for one packet, some share their body.
fn message(number: usize) -> String {
    let filler = if number.is_multiple_of(7) { 60 } else { 3 };
    let body: String = (0..filler).map(|line| format!("line {line} of {}\n", number / 2)).collect();
    format!("Message-ID: <{number}@crash.example>\nSubject: {number}\n\n{body}")
}

/// Sends until all are sent or the server is gone; true when all are sent.
fn send(to: SocketAddr, next: &AtomicUsize, acknowledged: &Mutex<Vec<usize>>, noted: &(dyn Fn(usize) + Sync)) -> bool {
    let mut smtp = Smtp::connect(to).hello();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= MESSAGES {
            return true;
        }
        let Some(reply) = attempt(&mut smtp, number) else { return false };
        assert!(reply.starts_with("250 "), "{reply}");
        let mut acknowledged = acknowledged.lock().expect("no panic holds it");
        acknowledged.push(number);
        noted(acknowledged.len());
    }
}

/// One transaction; `None` when the server is gone.
fn attempt(smtp: &mut Smtp, number: usize) -> Option<String> {
    let recipient = format!("RCPT TO:<m{}@example.org>\r\n", number % 4);
    let lines = ["MAIL FROM:<grace@remote.example>\r\n".to_owned(), recipient, "DATA\r\n".to_owned()];
    for line in lines {
        smtp.0.try_send(line.as_bytes()).ok()?;
        let reply = smtp.try_reply().ok()??;
        assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
    }
    smtp.0.try_send(stuffed(&message(number)).as_bytes()).ok()?;
    smtp.try_reply().ok()?
}

fn kill_during_delivery_loses_no_acknowledged_message_and_stores_none_twice(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    for number in 0..4 {
        operator.mailbox(&format!("m{number}@example.org"));
    }
    let next = AtomicUsize::new(0);
    let acknowledged = Mutex::new(Vec::new());
    for kill_at in KILLS {
        deliver(&server, &next, &acknowledged, Some(kill_at));
        assert!(!server.wait().success());
        sound(&server);
        server.restart();
    }
    deliver(&server, &next, &acknowledged, None);

    sound(&server);
    let stored = read_all(&server);
    let acknowledged = acknowledged.into_inner().expect("no panic holds it");
    assert!(acknowledged.len() > MESSAGES - KILLS.len() * CONNECTIONS * 2, "{} acknowledged", acknowledged.len());
    let lost: Vec<_> = acknowledged.iter().filter(|number| !stored.contains_key(number)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "stored twice: {twice:?}");
}

/// What a kill left behind is whole in itself: checksums, references, counters, logs.
fn sound(server: &Server) {
    let (code, report) = server.check_store(&[]);
    assert_eq!((code, &report["findings"]), (Some(0), &serde_json::json!([])), "{report}");
}

fn deliver(server: &Server, next: &AtomicUsize, acknowledged: &Mutex<Vec<usize>>, kill_at: Option<usize>) {
    let to = server.address("mx");
    let noted = |count: usize| {
        if Some(count) == kill_at {
            server.signal("KILL");
        }
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| send(to, next, acknowledged, &noted))).collect();
        for sender in senders {
            let all_sent = sender.join().expect("a sender ends");
            assert_eq!(all_sent, kill_at.is_none(), "a sender ended too early or too late");
        }
    });
}

/// How often each message is stored; every one found is compared with what was sent.
fn read_all(server: &Server) -> HashMap<usize, usize> {
    let mut stored = HashMap::new();
    for mailbox in 0..4 {
        let mut imap = server.imap().login(&format!("m{mailbox}@example.org"));
        imap.ok("SELECT INBOX");
        for line in imap.ok("FETCH 1:* (BODY.PEEK[])") {
            let Some((_, rest)) = line.split_once("Message-ID: <") else { continue };
            let number: usize = rest.split('@').next().and_then(|n| n.parse().ok()).expect("a number");
            let sent = message(number).replace('\n', "\r\n");
            assert!(line.contains(&sent), "message {number} is not what was sent: {line}");
            assert_eq!(number % 4, mailbox, "message {number} lies in another's mailbox");
            *stored.entry(number).or_insert(0) += 1;
        }
    }
    stored
}
