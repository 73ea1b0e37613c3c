//! A full mailbox refuses for itself alone; room that is made is room at once.

use crate::support::{Backend, Server};
use serde_json::json;

crate::on_both_databases!(a_full_mailbox_refuses_and_others_get_their_mail, concurrent_deliveries_do_not_overshoot);

const MESSAGE: &str = "Subject: one more\n\nText\n";

fn a_full_mailbox_refuses_and_others_get_their_mail(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let full = operator.mailbox_with("full@example.org", json!({"quota": {"messages": 1}}));
    operator.mailbox("ada@example.org");
    let mut smtp = server.mx();
    assert!(smtp.deliver("g@remote.example", &["full@example.org"], MESSAGE).starts_with("250"));

    // Whether it is refused at RCPT or after DATA, the other recipient's mail goes on.
    let reply = smtp.deliver("g@remote.example", &["full@example.org"], MESSAGE);
    assert!(reply.starts_with("452 4.2.2"), "{reply}");
    smtp.ok("RSET");
    assert!(smtp.deliver("g@remote.example", &["ada@example.org"], MESSAGE).starts_with("250"));

    let mut imap = server.imap().login("full@example.org");
    let refused = imap.append("INBOX", "Subject: x\r\n\r\nx\r\n").status;
    assert!(refused.starts_with("NO [OVERQUOTA]"), "{refused}");
    imap.ok("SELECT INBOX");
    let refused = imap.command("COPY 1 Archive").status;
    assert!(refused.starts_with("NO [OVERQUOTA]"), "{refused}");
    imap.ok("MOVE 1 Archive");
    let usage = operator.get(&format!("/v1/mailboxes/{}", full.id)).json();
    assert_eq!(usage["usage"]["messages"], json!(1), "{usage}");
    imap.ok("SELECT Archive");
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    assert!(smtp.deliver("g@remote.example", &["full@example.org"], MESSAGE).starts_with("250"));
}

fn concurrent_deliveries_do_not_overshoot(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox_with("small@example.org", json!({"quota": {"messages": 25}}));
    let replies: Vec<String> = std::thread::scope(|scope| {
        let deliver = || {
            let mut smtp = server.mx();
            let mut replies = Vec::new();
            for _ in 0..10 {
                let reply = smtp.deliver("g@remote.example", &["small@example.org"], MESSAGE);
                smtp.ok("RSET");
                replies.push(reply);
            }
            replies
        };
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(deliver)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a sender ends")).collect()
    });
    let stored = replies.iter().filter(|reply| reply.starts_with("250")).count();
    assert!(replies.iter().all(|reply| reply.starts_with("250") || reply.starts_with("452 4.2.2")), "{replies:?}");
    assert_eq!(stored, 25);
    assert_eq!(server.imap().login("small@example.org").count("INBOX"), 25);
}
