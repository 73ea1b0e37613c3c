//! A disk that is short of room takes no more mail, and everything else goes on.

use crate::support::{Backend, Server};

crate::on_both_databases!(a_short_disk_takes_no_mail_and_serves_what_is_there);

const MESSAGE: &str = "Subject: one more\n\nText\n";

fn a_short_disk_takes_no_mail_and_serves_what_is_there(backend: Backend) {
    let mut server = Server::start(backend);
    let operator = server.operator();
    operator.domain("example.org");
    operator.mailbox("ada@example.org");
    for _ in 0..2 {
        assert!(server.mx().deliver("g@remote.example", &["ada@example.org"], MESSAGE).starts_with("250"));
    }
    let restart = |server: &mut Server, settings: &str| {
        server.signal("TERM");
        assert!(server.wait().success());
        server.settings(settings);
        server.restart();
    };
    // No disk has so much.
    restart(&mut server, "min_free_octets = 9000000000000000000\n");

    // Before MAIL, with the connection usable (RFC 5321 §4.2.3: 452).
    let mut smtp = server.mx();
    for command in ["MAIL FROM:<g@remote.example>", "MAIL FROM:<g@remote.example> SIZE=10"] {
        let reply = smtp.command(command);
        assert!(reply.starts_with("452 4.3.1"), "{reply}");
    }
    smtp.ok("NOOP");
    let mut imap = server.imap().login("ada@example.org");
    let refused = imap.append("INBOX", "Subject: x\r\n\r\nx\r\n").status;
    assert!(refused.starts_with("NO [UNAVAILABLE]"), "{refused}");

    // Reading, flags, deleting, POP3 and the API go on.
    imap.ok("SELECT INBOX");
    assert!(imap.ok("FETCH 1 BODY.PEEK[]").iter().any(|line| line.contains("Subject: one more")));
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    let mut pop3 = server.pop3().login("ada@example.org");
    pop3.ok("DELE 1");
    pop3.ok("QUIT");
    assert_eq!(server.imap().login("ada@example.org").count("INBOX"), 0);
    let operator = server.operator();
    operator.mailbox("grace@example.org");
    assert_eq!(server.anonymous().get("/readyz").status, 503, "no mail can be taken here");
    assert_eq!(server.anonymous().get("/healthz").status, 200);

    restart(&mut server, "");
    assert!(server.mx().deliver("g@remote.example", &["grace@example.org"], MESSAGE).starts_with("250"));
}
