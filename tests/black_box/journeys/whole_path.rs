//! From an API call to a mail client that obeys it.

use crate::support::{Backend, PASSWORD, Server};
use serde_json::json;

crate::on_both_databases!(
    mail_comes_in_and_is_read_by_imap_and_pop3,
    pop3_switched_off_ends_the_open_session_and_imap_goes_on,
    a_wrong_password_is_refused_everywhere,
);

fn mail_comes_in_and_is_read_by_imap_and_pop3(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let ada = operator.mailbox("ada@example.org");

    let message = "From: grace@remote.example\nTo: ada@example.org\nSubject: First\n\nHello\n.dots stay\n";
    let reply = server.mx().deliver("grace@remote.example", &["ada@example.org"], message);
    assert!(reply.starts_with("250 "), "{reply}");

    let mut imap = server.imap().login(&ada.address);
    assert!(imap.ok("SELECT INBOX").contains(&"* 1 EXISTS".to_owned()));
    let fetched = imap.ok("FETCH 1 BODY.PEEK[]").join("\n");
    for part in ["Subject: First\r\n", "Return-Path: <grace@remote.example>", "Delivered-To: ada@example.org"] {
        assert!(fetched.contains(part), "{part} in {fetched}");
    }
    assert!(fetched.contains("Received: from client.example") && fetched.contains("\r\n.dots stay\r\n"), "{fetched}");

    let mut pop3 = server.pop3().login(&ada.address);
    let retrieved = pop3.lines("RETR 1");
    assert!(retrieved.contains(&"Subject: First".to_owned()) && retrieved.contains(&".dots stay".to_owned()));
    pop3.ok("DELE 1");
    pop3.ok("QUIT");
    let noop = imap.ok("NOOP");
    assert!(noop.contains(&"* 1 EXPUNGE".to_owned()), "{noop:?}");
    assert_eq!(imap.count("Trash"), 0, "the policy is to delete, not to move");
}

fn pop3_switched_off_ends_the_open_session_and_imap_goes_on(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    let ada = operator.mailbox("ada@example.org");
    let mut pop3 = server.pop3().login(&ada.address);
    let mut imap = server.imap().login(&ada.address);
    pop3.ok("STAT");
    let live = operator.sessions(&ada);
    assert_eq!(live.len(), 2, "{live:?}");

    let body = operator.protocol(&ada, "pop3", "disabled");
    assert_eq!(body["sessions"]["closed"], json!(1), "{body}");
    // The session was ended before the answer: its last words are already here.
    let last = pop3.0.line();
    assert!(last.starts_with("-ERR [SYS/PERM]"), "{last}");
    assert_eq!(pop3.0.try_line().expect("the end in time"), None);
    imap.ok("NOOP");
    assert_eq!(operator.sessions(&ada).len(), 1);

    let mut again = server.pop3();
    again.ok(&format!("USER {}", ada.address));
    let refused = again.command(&format!("PASS {PASSWORD}"));
    assert!(refused.starts_with("-ERR [AUTH]"), "{refused}");

    let effective = operator.get(&format!("/v1/mailboxes/{}/protocols?include=effective", ada.id)).json();
    assert_eq!(effective["effective"]["pop3"]["source"], json!("mailbox"), "{effective}");

    operator.protocol(&ada, "pop3", "inherit");
    server.pop3().login(&ada.address).ok("STAT");
}

fn a_wrong_password_is_refused_everywhere(backend: Backend) {
    let server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    let mut answers = Vec::new();
    for name in ["ada@example.org", "nobody@example.org"] {
        let mut pop3 = server.pop3();
        pop3.ok(&format!("USER {name}"));
        let imap = server.imap().command(&format!("LOGIN {name} wrong")).status;
        answers.push((pop3.command("PASS wrong"), imap));
    }
    assert!(answers[0].0.starts_with("-ERR [AUTH]") && answers[0].1.starts_with("NO [AUTHENTICATIONFAILED]"));
    assert_eq!(answers[0], answers[1], "an unknown mailbox answers like a wrong password");
}
